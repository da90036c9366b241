"""The faults that can be requested from the simulated servers with OpenAI's Images API."""

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from sora_proxy.simulator.images.faults import KINDS
from tests.simulated_images import Answer, SimulatedImages, looked_at, png, simulated


@pytest.fixture
async def server() -> AsyncIterator[SimulatedImages]:
    async with simulated("openai") as server:
        yield server


@pytest.fixture
async def generic() -> AsyncIterator[SimulatedImages]:
    async with simulated("generic") as server:
        yield server


async def after(server: SimulatedImages, fault: str, **parameters: Any) -> Answer:
    """The answer to an order that gets this fault. Checks that the next order is answered normally."""
    await server.fault(fault, **parameters)
    answer = await server.generate()
    assert (await server.generate()).status == 200
    return answer


REFUSALS = [
    ("unauthorized", 401, "invalid_api_key", "invalid_request_error"),
    ("rate_limited", 429, "rate_limit_exceeded", "input-images"),
    ("moderation_blocked", 400, "moderation_blocked", "image_generation_user_error"),
    ("insufficient_quota", 429, "insufficient_quota", "insufficient_quota"),
    ("unverified_organization", 403, None, "invalid_request_error"),
    ("blocked_account", 403, "Forbidden", None),
    ("wrong_country", 403, "unsupported_country_region_territory", "request_forbidden"),
]


@pytest.mark.parametrize(("fault", "status", "code", "kind"), REFUSALS)
async def test_a_refused_order_is_not_registered(
    server: SimulatedImages, fault: str, status: int, code: str | None, kind: str | None
) -> None:
    answer = await after(server, fault)
    error = answer.json["error"]
    assert (answer.status, error["code"], error["type"]) == (status, code, kind)
    assert (await server.stats())["registered"] == 1  # only the next order is registered


@pytest.mark.parametrize(("header", "value"), [("none", None), ("retry-after", "12"), ("retry-after-ms", "12000")])
async def test_a_rate_limit_states_the_waiting_time(server: SimulatedImages, header: str, value: str | None) -> None:
    answer = await after(server, "rate_limited", header=header)
    assert answer.json["error"]["message"].endswith("Limit 5, Used 5, Requested 1. Please try again in 12s.")
    assert answer.headers.get(header) == value
    assert {name for name in answer.headers if name.startswith("retry-after")} == ({header} if value else set())
    assert answer.headers["x-ratelimit-remaining-requests"] == "0"


@pytest.mark.parametrize(
    ("profile", "fault", "status", "body"),
    [
        ("museq", {"fault": "server_error", "status": 503, "code": "queue_full"}, 503, '"code":"queue_full"'),
        ("seedream", {"fault": "moderation_blocked"}, 400, "InputTextSensitiveContentDetected"),
        ("zhipu", {"fault": "moderation_blocked"}, 400, '"code":"1301"'),
        ("siliconflow", {"fault": "rate_limited"}, 429, '"code":50603'),
        ("vllm-omni", {"fault": "rate_limited"}, 429, '{"detail":"Rate limit'),
        ("stable-diffusion.cpp", {"fault": "server_error"}, 500, '{"error":"server_error","message":'),
    ],
)
async def test_a_refusal_has_the_structure_that_the_profile_prescribes(
    profile: str, fault: dict[str, Any], status: int, body: str
) -> None:
    sizes = {"seedream": {"size": "2K"}, "siliconflow": {"image_size": "64x64"}}
    models = {"museq": "pil-test", "seedream": "doubao-seedream-4-5-251128", "zhipu": "glm-image"}
    models |= {"siliconflow": "Qwen/Qwen-Image", "vllm-omni": "Qwen/Qwen-Image"}
    async with simulated(profile) as server:
        await server.fault(**fault)
        answer = await server.generate(model=models.get(profile, "any"), **sizes.get(profile, {}))
    assert (answer.status, body in answer.body.decode()) == (status, True), answer.body


@pytest.mark.parametrize("registered", [False, True])
@pytest.mark.parametrize("fault", ["drop", "server_error", "html"])
async def test_an_order_whose_answer_is_lost_can_be_registered(
    server: SimulatedImages, fault: str, registered: bool
) -> None:
    await server.fault(fault, registered=registered)
    if fault == "drop":
        with pytest.raises(aiohttp.ClientConnectionError):
            await server.generate()
    else:
        answer = await server.generate()
        assert answer.status == (500 if fault == "server_error" else 200)
        assert answer.body.startswith(b"{" if fault == "server_error" else b"<!DOCTYPE html>")
    stats = await server.stats()
    assert (len(stats["requests"]), stats["registered"], stats["images"]) == (1, int(registered), 0)


async def test_the_litellm_profile_tries_the_server_behind_it_three_times() -> None:
    async with simulated("litellm") as server:
        await server.fault("server_error", status=502)
        assert (await server.generate(model="pil-test", size="64x64")).status == 502
        assert (await server.stats())["registered"] == 3


async def test_an_answer_may_have_no_images(server: SimulatedImages) -> None:
    answer = await after(server, "empty")
    assert (answer.status, answer.json["data"]) == (200, [])


async def test_the_xai_profile_reports_a_moderated_image_with_status_200() -> None:
    async with simulated("xai") as server:
        await server.fault("moderated_result")
        answer = await server.generate()
        assert (answer.status, answer.json["data"][0]["respect_moderation"]) == (200, False)


async def test_an_image_can_be_large_and_in_one_line(server: SimulatedImages) -> None:
    await server.fault("large")
    answer = await server.generate(stream=True)
    (event,) = answer.events
    image = base64.b64decode(event["b64_json"], validate=True)
    assert (len(image), looked_at(image)) == (6_000_000, ("PNG", (1024, 1024)))
    assert max(map(len, answer.body.split(b"\n"))) > 8_000_000


async def test_base64_can_have_line_breaks(generic: SimulatedImages) -> None:
    answer = await after(generic, "wrapped_base64")
    encoded = answer.json["data"][0]["b64_json"]
    assert encoded.index("\n") == 76
    assert looked_at(base64.b64decode(encoded))[0] == "PNG"


async def test_the_address_of_an_image_can_be_relative_can_require_a_key_and_can_fail(generic: SimulatedImages) -> None:
    answer = await after(generic, "link", relative=True, guarded=True, failures=2)
    address = answer.json["data"][0]["url"]
    assert address.startswith("/")
    assert (await generic.call("GET", generic.root + address, None)).status == 403
    answers = [await generic.call("GET", generic.root + address) for _ in range(3)]
    assert [each.status for each in answers] == [500, 500, 200]
    assert looked_at(answers[2].body)[0] == "PNG"
    await generic.fault("file_status", status=410)
    assert (await generic.call("GET", generic.root + address)).status == 410
    assert (await generic.call("GET", f"{generic.root}/files/0.png")).status == 404


async def test_a_stream_can_be_silent_between_two_partial_images() -> None:
    async with simulated("openai", image_bytes=1) as server:
        await server.fault("silence", seconds=0.5)
        started = asyncio.get_running_loop().time()
        answer = await server.generate(stream=True, partial_images=2)
        assert asyncio.get_running_loop().time() - started >= 0.5
        assert len(answer.events) == 3


async def test_stopping_the_simulator_ends_a_waiting_request() -> None:
    async with simulated("openai", seconds=3600) as server:
        order = asyncio.ensure_future(server.generate())
        await server.wait_for(registered=1)
    with pytest.raises(aiohttp.ClientError):
        await order


async def test_a_stream_can_end_without_the_image(server: SimulatedImages) -> None:
    await server.fault("unfinished_stream")
    answer = await server.generate(stream=True, partial_images=1)
    assert [event["type"] for event in answer.events] == ["image_generation.partial_image"]


async def test_a_stream_can_end_with_an_error(server: SimulatedImages) -> None:
    await server.fault("error_event")
    answer = await server.edit(("image", png()), stream="true", partial_images="1")
    assert [event["type"] for event in answer.events] == ["image_edit.partial_image", "error"]
    assert answer.events[1]["error"]["code"] == "server_error"


async def test_the_request_for_the_list_of_models_can_fail(server: SimulatedImages) -> None:
    for fault, status in (("unauthorized", 401), ("server_error", 500)):
        await server.fault(fault, endpoint="models")
        assert (await server.generate()).status == 200
        assert (await server.call("GET", f"{server.url}/models")).status == status
    assert (await server.stats())["faults_struck"] == {"unauthorized": 1, "server_error": 1}


@pytest.mark.parametrize("fault", KINDS)
async def test_each_fault_can_be_requested_by_its_name_alone_and_is_listed(
    fault: str, generic: SimulatedImages
) -> None:
    await generic.fault(fault)
    listed = (await generic.call("GET", f"{generic.root}/simulator/faults")).json["faults"]
    assert [(rule["fault"], rule["left"]) for rule in listed] == [(fault, 1)]


async def test_a_fault_that_only_another_protocol_has_is_refused(generic: SimulatedImages) -> None:
    answer = await generic.call("POST", f"{generic.root}/simulator/faults", json={"fault": "vanish"})
    assert (answer.status, answer.json["error"]["code"]) == (400, "invalid_fault")
