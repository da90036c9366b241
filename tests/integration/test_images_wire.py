"""The simulated servers answer as the real museq 0.60.2, stable-diffusion.cpp and LiteLLM 1.105.7 do.

`images_wire.json` holds one exchange in each line: the request, and the status, headers and shape of the answer.
"""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.shapes import DATA_URI, has_shape
from tests.simulated_images import Answer, SimulatedImages, png, simulated

EXCHANGES = json.loads((Path(__file__).parents[1] / "data" / "images_wire.json").read_bytes())
FILES = {"image": png(), "not an image": b"not an image"}


def body_of(exchange: dict[str, Any]) -> dict[str, Any]:
    """The arguments with which aiohttp sends the body of the recorded request."""
    if "text" in exchange:
        return {"data": exchange["text"].encode(), "headers": {"content-type": "application/json"}}
    if "json" in exchange:
        uri = DATA_URI + base64.b64encode(FILES["image"]).decode()
        fields = exchange["json"].items()
        return {"json": {name: uri if value == "data URI" else value for name, value in fields}}
    if "form" not in exchange:
        return {}
    form = aiohttp.FormData(default_to_multipart=True)
    for name, value in exchange["form"].items():
        if isinstance(value, str):
            form.add_field(name, value)
            continue
        for file in value:
            form.add_field(name, FILES[file], filename="a.png", content_type="image/png")
    return {"data": form}


async def answer_to(exchange: dict[str, Any], server: SimulatedImages) -> Answer:
    if "fault" in exchange:
        await server.fault(exchange["fault"])
    url = server.root + exchange["path"]
    return await server.call(exchange["method"], url, exchange.get("key"), **body_of(exchange))


@pytest.fixture
async def server(request: pytest.FixtureRequest) -> AsyncIterator[SimulatedImages]:
    profile = request.param
    async with simulated(profile, key="right" if profile == "litellm" else "") as server:
        yield server


@pytest.mark.parametrize(
    ("server", "exchange"),
    [pytest.param(each["profile"], each, id=f"{each['profile']}: {each['name']}") for each in EXCHANGES],
    indirect=["server"],
)
async def test_a_simulated_server_answers_as_the_real_server_did(
    server: SimulatedImages, exchange: dict[str, Any]
) -> None:
    answer = await answer_to(exchange, server)
    assert answer.status == exchange["status"], answer.body
    assert {name: answer.headers.get(name) for name in exchange["headers"]} == exchange["headers"]
    assert ("connection" in answer.headers) == ("connection" in exchange["headers"])
    if exchange["body"] == "":
        assert (answer.body, answer.headers["content-length"]) == (b"", "0")
    else:
        assert has_shape(answer.json, exchange["body"]), answer.body[:1000]


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ({"a": 1}, {"a": "number", "b": "number"}),
        ({"a": 1, "b": 2}, {"a": "number"}),
        ("1", "number"),
        (True, "number"),
        ("no", "=yes"),
        ("", "text"),
        ([], {"every": "number"}),
        ([1], ["number", "number"]),
        (0, False),
        ("https://a.test/x.png", "data URI"),
    ],
)
def test_the_comparison_with_recorded_answers_notices_a_value_of_another_shape(value: Any, shape: Any) -> None:
    assert not has_shape(value, shape)
