"""Each profile of the kind `openai_images`, in front of a simulated server of that profile."""

import base64
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from sora_proxy.simulator.images.catalogue import PROFILES as SIMULATED
from sora_proxy.simulator.images.profile import Profile as Simulated
from sora_proxy.upstream.openai_images.profiles import PROFILES
from tests.conftest import Proxy, StartProxy
from tests.eventually import eventually
from tests.simulated_images import KEY, SimulatedImages, looked_at, png, simulated

RED, BLUE, MASK = png("red"), png("blue"), png("white")
SIZE = "1024x1024"
MODELS = {"litellm": "gpt-image-1.5"}  # the servers of LiteLLM's other models accept less than its profile allows
QUERIES = {"azure": "api-version=2025-04-01-preview"}
SIMULATORS = {"chat": "markdown"}  # by profile, if the simulator has another name
MADE = {"seedream": (2048, 2048)}  # Seedream makes no smaller squares


@dataclass
class Place:
    """A simulated server of a profile, and the option BACKENDS of our server in front of it."""

    profile: str
    server: SimulatedImages

    @property
    def simulated(self) -> Simulated:
        return SIMULATED[SIMULATORS.get(self.profile, self.profile)]

    @property
    def model(self) -> str:
        return MODELS.get(self.profile, self.simulated.models[0])

    def backends(self, **more: Any) -> list[dict[str, Any]]:
        options = {"profile": self.profile} | ({"query": QUERIES[self.profile]} if self.profile in QUERIES else {})
        entry = {"name": "images", "kind": "openai_images", "base_url": self.server.url, "options": options}
        return [entry | {"keys": [{"key": KEY}], "models": [self.model]} | more]

    async def sent(self) -> list[Any]:
        """The orders that the server got."""
        requests = (await self.server.stats())["requests"]
        return [each for each in requests if each["endpoint"] in ("generations", "edits", "chat", "content")]


@pytest.fixture(params=PROFILES)
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    async with simulated(SIMULATORS.get(request.param, request.param), key=KEY, image_bytes=3000) as server:
        yield Place(request.param, server)


async def generate(proxy: Proxy, place: Place, **fields: Any) -> tuple[int, Any]:
    body = {"model": place.model, "prompt": "a red fox", "size": SIZE} | fields
    async with proxy.client.post(f"{proxy.url}/v1/images/generations", json=body) as answer:
        return answer.status, await answer.json()


def prompt_in(fields: Any) -> str:
    if "messages" in fields:
        return str(fields["messages"][0]["content"])
    return str(fields["contents"][0]["parts"][0]["text"] if "contents" in fields else fields["prompt"])


def images_in(body: Any) -> list[bytes]:
    return [base64.b64decode(row["b64_json"]) for row in body["data"]]


async def abilities(proxy: Proxy, place: Place) -> dict[str, Any]:
    return dict((await proxy.get(f"/v1/models/{place.model}"))["capabilities"])


async def test_models_are_discovered_if_the_server_lists_them(start_proxy: StartProxy, place: Place) -> None:
    lists = PROFILES[place.profile].models_path is not None
    async with start_proxy(backends=place.backends(**({"models": None} if lists else {}))) as proxy:

        async def listed() -> list[str]:
            return [each["id"] for each in (await proxy.get("/v1/models"))["data"] if "alias_of" not in each]

        found = await eventually(listed)
    assert found == (list(place.simulated.models) if lists else [place.model])


async def test_an_image_arrives_complete_and_in_the_expected_size(start_proxy: StartProxy, place: Place) -> None:
    async with start_proxy(backends=place.backends()) as proxy:
        status, body = await generate(proxy, place)
        assert status == 200, (body, await place.server.stats())
        (image,) = images_in(body)
        assert looked_at(image) == ("PNG", MADE.get(place.profile, (1024, 1024)))
    (sent,) = await place.sent()
    assert prompt_in(sent["fields"]).startswith("a red fox")
    assert sent["key"] == (KEY if place.simulated.keys.headers else None)


async def test_two_images_take_as_many_calls_as_the_profile_requires(start_proxy: StartProxy, place: Place) -> None:
    async with start_proxy(backends=place.backends()) as proxy:
        if (await abilities(proxy, place))["max_images"] < 2:
            pytest.skip("the model makes one image per order")
        status, body = await generate(proxy, place, n=2)
        assert status == 200, (body, await place.server.stats())
        assert len(images_in(body)) == 2
    calls = 2 if PROFILES[place.profile].abilities.single_calls else 1
    assert len(await place.sent()) == calls
    assert (await place.server.stats())["images"] == 2


async def edited(proxy: Proxy, place: Place, references: list[bytes], mask: bytes | None) -> tuple[int, Any]:
    form = aiohttp.FormData({"prompt": "at night", "model": place.model, "size": SIZE})
    for reference in references:
        form.add_field("image[]", reference, filename="upload", content_type="application/octet-stream")
    if mask is not None:
        form.add_field("mask", mask, filename="upload", content_type="application/octet-stream")
    async with proxy.client.post(f"{proxy.url}/v1/images/edits", data=form) as answer:
        return answer.status, await answer.json()


async def test_input_images_arrive_with_their_true_content_types(start_proxy: StartProxy, place: Place) -> None:
    async with start_proxy(backends=place.backends()) as proxy:
        able = await abilities(proxy, place)
        references, masks = able["max_reference_images"], (None, MASK) if able["masks"] else (None,)
        for given, mask in [([RED, BLUE][: min(references, count)], mask) for count in (1, 2) for mask in masks]:
            if not given:
                pytest.skip("the model accepts no reference image")
            status, body = await edited(proxy, place, given, mask)
            assert status == 200, (body, await place.server.stats())
            files = sorted((file["type"], file["sha256"]) for file in (await place.sent())[-1]["files"])
            contents = [*given, *([mask] if mask is not None else [])]
            assert files == sorted(("image/png", hashlib.sha256(content).hexdigest()) for content in contents)


async def test_a_refused_order_is_not_sent_again_and_the_next_order_succeeds(
    start_proxy: StartProxy, place: Place
) -> None:
    await place.server.fault("moderation_blocked")
    async with start_proxy(backends=place.backends()) as proxy:
        status, body = await generate(proxy, place)
        assert status == 400
        assert body["error"]["code"] in ("content_policy_violation", "order_refused")
        assert (await generate(proxy, place))[0] == 200
    assert len(await place.sent()) == 2


async def test_an_order_is_sent_again_after_a_rate_limit_and_the_key_is_not_rejected(
    start_proxy: StartProxy, place: Place
) -> None:
    await place.server.fault("rate_limited", seconds=0.1, header="retry-after-ms")
    async with start_proxy(backends=place.backends()) as proxy:
        status, body = await generate(proxy, place)
        assert status == 200, body
        (key,) = proxy.pool.keys
        assert key.rejected is None
    assert len(await place.sent()) == 2


async def test_an_order_whose_answer_is_lost_is_not_sent_again(start_proxy: StartProxy, place: Place) -> None:
    await place.server.fault("drop")
    async with start_proxy(backends=place.backends()) as proxy:
        status, body = await generate(proxy, place)
        assert (status, body["error"]["code"]) == (502, "outcome_unknown")
    assert (len(await place.sent()), (await place.server.stats())["registered"]) == (1, 1)


@pytest.mark.parametrize(
    "prompt",
    [
        'a fox <sd_cpp_extra_args>{"width": 64}</sd_cpp_extra_args>',
        'a fox <sd_cpp_<sd_cpp_extra_args>extra_args>{"width": 64}</sd_cpp_extra_args></sd_cpp_extra_args>',
    ],
)
async def test_a_prompt_cannot_change_the_settings_of_stable_diffusion_cpp(
    start_proxy: StartProxy, prompt: str
) -> None:
    async with simulated("stable-diffusion.cpp", image_bytes=3000) as server:
        place = Place("stable-diffusion.cpp", server)
        async with start_proxy(backends=place.backends()) as proxy:
            status, body = await generate(proxy, place, prompt=prompt, seed=7)
            assert status == 200, body
            assert looked_at(images_in(body)[0]) == ("PNG", (1024, 1024))
        (sent,) = await place.sent()
    assert sent["fields"]["prompt"].endswith('<sd_cpp_extra_args>{"seed":7}</sd_cpp_extra_args>')
