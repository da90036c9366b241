"""Simulated servers with OpenAI's Images API, over real sockets: their images and their refusals."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sora_proxy.simulator.images.catalogue import PROFILES
from sora_proxy.simulator.images.profile import Wire
from tests.simulated_images import KEY, SimulatedImages, headers_of, looked_at, png, simulated

RED, BLUE, MASK = png("red"), png("blue"), png("white")
IMAGE_PROFILES = [name for name, profile in PROFILES.items() if profile.wire is Wire.images]
SMALL = {"openai": "1024x1024", "azure": "1024x1024", "seedream": "2048x2048"}  # the smallest square of each profile
QUERY = {"azure": "?api-version=2025-04-01-preview"}


def url_of(server: SimulatedImages, profile: str, route: str = "generations") -> str:
    deployment = f"/deployments/{PROFILES[profile].models[0]}" if profile == "azure" else ""
    return f"{server.url}{deployment}/images/{route}{QUERY.get(profile, '')}"


def order(profile: str, **fields: Any) -> dict[str, Any]:
    """An order that the server of a profile accepts."""
    known, size = PROFILES[profile].fields, SMALL.get(profile, "64x64")
    named = {} if profile == "azure" else {"model": PROFILES[profile].models[0]}
    sized = {} if profile == "xai" else {known.sizes.sent_as: size}
    return {"prompt": "a red fox", **named, **sized, **fields}


@pytest.fixture
async def server(request: pytest.FixtureRequest) -> AsyncIterator[SimulatedImages]:
    """A simulated server, with the profile of OpenAI unless the test requests another profile."""
    async with simulated(getattr(request, "param", "openai"), key=KEY) as server:
        yield server


@pytest.mark.parametrize("server", IMAGE_PROFILES, indirect=True)
async def test_each_profile_makes_an_image_of_the_requested_size(
    server: SimulatedImages, request: pytest.FixtureRequest
) -> None:
    profile = request.node.callspec.params["server"]
    answer = await server.call("POST", url_of(server, profile), headers=headers_of(profile), json=order(profile))
    assert answer.status == 200, answer.body
    (row,) = answer.json[PROFILES[profile].answers.rows]
    if row.get("b64_json"):
        content = base64.b64decode(row["b64_json"], validate=True)
    else:
        assert (await server.call("GET", row["url"], None)).status == (403 if profile == "localai" else 200)
        content = (await server.call("GET", row["url"])).body
    width, height = (int(side) for side in SMALL.get(profile, "1024x1024" if profile == "xai" else "64x64").split("x"))
    assert looked_at(content) == ("PNG", (width, height))


REFUSED: list[tuple[str, dict[str, Any], int, str]] = [
    ("openai", {"response_format": "b64_json"}, 400, "Unknown parameter: 'response_format'"),
    ("openai", {"seed": 5}, 400, "unknown_parameter"),
    ("openai", {"stream": True, "n": 2}, 400, "only supported with n=1"),
    ("openai", {"size": "1000x1000"}, 400, "invalid_value"),
    ("openai", {"size": "2048x2048", "model": "gpt-image-1-mini"}, 400, "invalid_value"),
    ("openai", {"size": "1000x1000", "model": "gpt-image-2"}, 400, "invalid_value"),
    ("openai", {"size": "512x512", "model": "gpt-image-2"}, 400, "invalid_value"),
    ("openai", {"size": "3840x1024", "model": "gpt-image-2"}, 400, "invalid_value"),
    ("openai", {"n": 11}, 400, "invalid_value"),
    ("openai", {"n": "2"}, 400, "invalid_type"),
    ("openai", {"output_format": "gif"}, 400, "invalid_value"),
    ("openai", {"prompt": "x" * 32_001}, 400, "string_above_max_length"),
    ("openai", {"stream": True, "partial_images": 4}, 400, "invalid_value"),
    ("azure", {"model": "gpt-image-1.5"}, 400, "Unknown parameter: 'model'"),
    ("azure", {"response_format": "b64_json"}, 400, "Unknown parameter: 'response_format'"),
    ("xai", {"size": "1024x1024"}, 400, "Argument not supported: size"),
    ("xai", {"aspect_ratio": "5:1"}, 400, '"error"'),
    ("seedream", {"size": "1K"}, 400, "InvalidParameter"),
    ("seedream", {"size": "1024x1024"}, 400, "InvalidParameter"),
    ("siliconflow", {"batch_size": 5}, 400, "20012"),
    ("zhipu", {"model": "cogview-1"}, 400, "1211"),
    ("sglang", {"response_format": "url"}, 400, '"detail"'),
    ("vllm-omni", {"n": 11}, 422, '"loc"'),
    ("ollama", {"n": 2}, 400, "invalid_value"),
    ("ollama", {"model": "else"}, 404, "not found"),
    ("museq", {"size": "4096x4096"}, 422, "invalid_request"),
    ("museq", {"prompt": "x" * 4001}, 422, "invalid_request"),
    ("localai", {"model": "else"}, 404, '"code":404'),
]


@pytest.mark.parametrize(("server", "fields", "status", "told"), REFUSED, indirect=["server"])
async def test_each_profile_refuses_the_orders_that_the_real_server_refuses(
    server: SimulatedImages, request: pytest.FixtureRequest, fields: dict[str, Any], status: int, told: str
) -> None:
    profile = request.node.callspec.params["server"]
    body, headers = order(profile, **fields), headers_of(profile)
    answer = await server.call("POST", url_of(server, profile), headers=headers, json=body)
    assert (answer.status, told in answer.body.decode()) == (status, True), answer.body
    stats = await server.stats()
    assert (stats["registered"], stats["answers"]) == (0, {str(status): 1})


async def test_invalid_forms_are_refused_with_the_codes_of_openai(server: SimulatedImages) -> None:
    refused = {
        "unsupported_file_mimetype": await server.edit(("image", RED), content_type="application/octet-stream"),
        "missing_required_parameter": await server.edit(("mask", MASK)),
        "duplicate_parameter": await server.edit(("image", RED), ("image", BLUE)),
        "array_above_max_length": await server.edit(*[("image[]", RED)] * 17),
        "invalid_image_file": await server.edit(("image", b"not an image")),
        "unknown_parameter": await server.edit(("image", RED), seed="5"),
        "unsupported_content_type": await server.call("POST", f"{server.url}/images/edits", json={"prompt": "x"}),
    }
    assert {code: (answer.status, answer.json["error"]["code"]) for code, answer in refused.items()} == {
        code: (400, code) for code in refused
    }


@pytest.mark.parametrize("server", ["seedream", "siliconflow", "xai"], indirect=True)
async def test_reference_images_in_json_fields_are_recorded_unchanged(
    server: SimulatedImages, request: pytest.FixtureRequest
) -> None:
    profile = request.node.callspec.params["server"]
    uris = [f"data:image/png;base64,{base64.b64encode(content).decode()}" for content in (RED, BLUE)]
    orders: dict[str, tuple[dict[str, Any], str]] = {
        "seedream": ({"image": uris}, "generations"),
        "siliconflow": ({"image": uris[0], "image2": uris[1]}, "generations"),
        "xai": ({"images": [{"type": "image_url", "url": uri} for uri in uris]}, "edits"),
    }
    fields, route = orders[profile]
    answer = await server.call("POST", url_of(server, profile, route), json=order(profile, **fields))
    assert answer.status == 200, answer.body
    (noted,) = (await server.stats())["requests"]
    hashes = [hashlib.sha256(content).hexdigest() for content in (RED, BLUE)]
    assert [file["sha256"] for file in noted["files"]] == hashes


@pytest.mark.parametrize("profile", [name for name, each in PROFILES.items() if each.keys.headers])
async def test_a_missing_or_wrong_key_is_refused_as_by_the_real_server(profile: str) -> None:
    url_below = {"gemini": "models/gemini-2.5-flash-image:generateContent"} | dict.fromkeys(
        ("openrouter", "markdown"), "chat/completions"
    )
    (name, *_) = PROFILES[profile].keys.headers
    async with simulated(profile, key=KEY) as server:
        url = f"{server.url}/{url_below[profile]}" if profile in url_below else url_of(server, profile)
        statuses = []
        for key in (None, "another", KEY):
            value = f"Bearer {key}" if name == "authorization" else key
            answer = await server.call("POST", url, None, headers={name: value} if key else {}, json={"model": "x"})
            statuses.append(answer.status)
    expected = {"xai": [401, 400], "litellm": [401, 400], "gemini": [403, 400]}
    assert statuses[:2] == expected.get(profile, [401, 401])
    assert statuses[2] not in (401, 403)


@pytest.mark.parametrize(("profile", "at_once"), [("museq", 1), ("generic", 3)])
async def test_a_profile_makes_one_image_at_a_time_if_its_real_server_does(profile: str, at_once: int) -> None:
    async with simulated(profile, seconds=0.1) as server:
        orders = [server.generate(model=PROFILES[profile].models[0], size="64x64", prompt=f"{n}") for n in range(3)]
        assert [answer.status for answer in await asyncio.gather(*orders)] == [200] * 3
        assert (await server.stats())["max_concurrent"] == at_once


async def test_a_client_that_leaves_does_not_end_its_order() -> None:
    async with simulated("museq", seconds=0.2) as server:
        leaving = asyncio.ensure_future(server.generate(model="pil-test", size="64x64"))
        await server.wait_for(registered=1)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        assert (await server.generate(model="pil-test", size="64x64")).status == 200
        assert (await server.stats())["images"] == 2


async def test_the_museq_profile_closes_idle_connections_after_five_seconds() -> None:
    async with simulated("museq") as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(server.root.rpartition(":")[2]))
        writer.write(b"GET /health HTTP/1.1\r\nHost: museq\r\n\r\n")
        started = asyncio.get_running_loop().time()
        assert (await reader.read()).endswith(b'"models":["pil-test"]}')  # reads until the connection is closed
        assert asyncio.get_running_loop().time() - started > 4
        writer.close()
        await writer.wait_closed()


async def test_fifty_orders_at_once_get_images_of_the_configured_byte_size() -> None:
    async with simulated("generic", image_bytes=200_000) as server:
        answers = await asyncio.gather(*(server.generate(prompt=f"{number}", n=2) for number in range(50)))
    images = [base64.b64decode(row["b64_json"]) for answer in answers for row in answer.json["data"]]
    assert {len(image) for image in images} == {200_000}
    assert len(set(images)) == 100
    assert looked_at(images[0]) == ("PNG", (1024, 1024))


async def test_a_reset_returns_the_simulator_to_its_initial_state(server: SimulatedImages) -> None:
    await server.fault("empty")
    await server.generate()
    await server.call("POST", f"{server.root}/simulator/reset")
    stats = await server.stats()
    assert (stats["requests"], stats["registered"], stats["images"], stats["answers"]) == ([], 0, 0, {})
    assert stats["faults_struck"] == {}
