"""`/v1/images/…` over real sockets, against the real simulator."""

import asyncio
import base64
import io
import json
import re
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp
import pytest
from PIL import Image

from tests.conftest import HOUR, Proxy, Simulator, StartProxy, StartSimulator, in_front_of
from tests.eventually import PATIENCE
from tests.streams import blocks_of, named_event, read_until

STRICT_SIZES = {"1024x1024", "1024x1536", "1536x1024"}


def image_file(kind: str = "PNG", colour: str = "orange", size: tuple[int, int] = (320, 240)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, kind)
    return out.getvalue()


def data_uri(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def ask(
    proxy: Proxy, route: str = "generations", headers: dict[str, str] | None = None, **fields: Any
) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
    """Post a JSON request."""
    body = {"prompt": "a red fox"} | fields
    return proxy.client.post(f"{proxy.url}/v1/images/{route}", json=body, headers=headers)


async def answer_of(proxy: Proxy, route: str = "generations", **fields: Any) -> dict[str, Any]:
    async with ask(proxy, route, **fields) as answer:
        assert answer.status == 200, await answer.text()
        body: dict[str, Any] = await answer.json()
        return body


async def error_of(proxy: Proxy, route: str = "generations", **fields: Any) -> tuple[int, dict[str, Any]]:
    async with ask(proxy, route, **fields) as answer:
        return answer.status, (await answer.json())["error"]


async def fetched(proxy: Proxy, url: str) -> bytes:
    async with proxy.client.get(url, headers={"authorization": ""}) as answer:
        assert answer.status == 200
        return await answer.read()


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


async def events_of(answer: aiohttp.ClientResponse, begun: bytes = b"") -> list[tuple[str, dict[str, Any]]]:
    """The remaining events of a stream, each with the name on its `event:` line."""
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    return [named_event(block) for block in blocks_of(begun + await answer.read())]


async def test_an_answer_has_bytes_and_a_link_if_no_response_format_is_requested(proxy: Proxy) -> None:
    body = await answer_of(proxy, n=2)

    assert len(body["data"]) == 2
    for image in body["data"]:
        assert set(image) == {"b64_json", "url"}
        content = base64.b64decode(image["b64_json"], validate=True)
        assert content == await fetched(proxy, image["url"])
        assert opened(content).size == (720, 480)
    assert body["data"][0]["b64_json"] != body["data"][1]["b64_json"]
    assert body["output_format"] == "png"
    assert body["usage"] == {
        "input_tokens": 3,
        "input_tokens_details": {"text_tokens": 3, "image_tokens": 0},
        "output_tokens": 2,
        "total_tokens": 5,
    }
    assert isinstance(body["created"], int)
    assert (await proxy.get(f"/v1/generation/{body['id']}"))["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize(("asked", "given"), [("url", {"url"}), ("b64_json", {"b64_json"})])
async def test_an_answer_contains_only_the_requested_response_format(proxy: Proxy, asked: str, given: set[str]) -> None:
    body = await answer_of(proxy, response_format=asked)
    assert [set(image) for image in body["data"]] == [given]


@pytest.mark.parametrize(
    ("asked", "made"),
    [
        ("auto", (720, 480)),
        (None, (720, 480)),
        ("256x256", (480, 480)),
        ("1024x1024", (1024, 1024)),
        ("1792x1024", (1792, 1024)),
        ("1000x1500", (1024, 1536)),
    ],
)
async def test_the_nearest_size_of_the_back_end_is_ordered_and_shown_in_the_answer(
    proxy: Proxy, asked: str | None, made: tuple[int, int]
) -> None:
    body = await answer_of(proxy, size=asked, response_format="b64_json")

    told = f"{made[0]}x{made[1]}"
    assert opened(base64.b64decode(body["data"][0]["b64_json"])).size == made
    assert body["ordered_size"] == told
    assert body.get("size") == (told if told in STRICT_SIZES else None)


@pytest.mark.parametrize(("wanted", "ending"), [("png", "png"), ("webp", "webp"), ("jpeg", "jpg")])
async def test_an_image_is_converted_to_the_requested_format_and_stored(proxy: Proxy, wanted: str, ending: str) -> None:
    body = await answer_of(proxy, output_format=wanted)

    (image,) = body["data"]
    content = base64.b64decode(image["b64_json"])
    assert opened(content).format == wanted.upper()
    assert body["output_format"] == wanted
    assert image["url"].endswith(f".{ending}")
    assert await fetched(proxy, image["url"]) == content


async def test_compression_makes_a_smaller_file(proxy: Proxy) -> None:
    sizes = []
    for compression in (100, 10):
        body = await answer_of(proxy, output_format="jpeg", output_compression=compression, response_format="b64_json")
        sizes.append(len(body["data"][0]["b64_json"]))
    assert sizes[1] < sizes[0] / 2


async def test_images_are_sent_as_bytes_or_converted_even_without_image_localization(
    start_proxy: StartProxy, simulator: Simulator
) -> None:
    async with start_proxy(**in_front_of(simulator), image_localization=False) as proxy:
        with_bytes = await answer_of(proxy, response_format="b64_json")
        converted = await answer_of(proxy, response_format="url", output_format="webp")
        bare = await answer_of(proxy, response_format="url")
    assert opened(base64.b64decode(with_bytes["data"][0]["b64_json"])).format == "PNG"
    assert converted["data"][0]["url"].startswith(proxy.url)
    assert bare["data"][0]["url"].startswith(simulator.url)


async def test_the_answer_contains_the_requested_model(proxy: Proxy) -> None:
    assert (await answer_of(proxy, model="gpt-image-1"))["model"] == "gpt-image-1"
    assert (await answer_of(proxy))["model"] == "sora-1.0"


async def test_a_stream_reports_progress_in_comments_and_ends_with_an_event_per_image(
    start_simulator: StartSimulator, start_proxy: StartProxy
) -> None:
    async with (
        start_simulator(seconds=HOUR) as simulator,
        start_proxy(**in_front_of(simulator), heartbeat_interval=0.1) as proxy,
        ask(proxy, stream=True, partial_images=2, n=2, size="1024x1024", output_format="webp") as answer,
    ):
        await simulator.let_pass(HOUR / 2)
        begun = await read_until(answer, b": ping\n", b" %\n")
        await simulator.let_pass(HOUR / 2)
        assert answer.headers["x-generation-id"].startswith("chatcmpl-")
        events = await events_of(answer, begun)
        raw = begun + await answer.read()

    assert re.search(rb"^: \d+ %$", raw, re.MULTILINE)
    assert [name for name, _ in events] == ["image_generation.completed"] * 2
    for name, event in events:
        assert event["type"] == name
        assert opened(base64.b64decode(event["b64_json"])).format == "WEBP"
        assert (event["output_format"], event["size"], event["quality"]) == ("webp", "1024x1024", "auto")
        assert event["background"] == "auto"
        assert set(event) >= {"created_at", "usage"}
    assert b"[DONE]" not in raw


async def test_an_edit_in_json_accepts_a_data_uri(proxy: Proxy, simulator: Simulator) -> None:
    content = image_file()
    sources = [{"image_url": data_uri(content)}]
    body = await answer_of(proxy, "edits", images=sources, response_format="url")
    assert body["usage"]["input_tokens_details"] == {"text_tokens": 3, "image_tokens": 1}
    (upload,) = (await simulator.stats())["uploads"]
    assert upload["bytes"] == len(content)
    async with ask(proxy, "edits", images=sources, stream=True) as answer:
        assert [name for name, _ in await events_of(answer)] == ["image_edit.completed"]


async def test_a_failure_has_an_error_status_and_a_header_that_forbids_retries(
    proxy: Proxy, simulator: Simulator
) -> None:
    await simulator.order_fault("moderation", prompt="dragon")
    async with ask(proxy, prompt="a dragon") as answer:
        assert answer.status == 400
        assert answer.headers["x-should-retry"] == "false"
        assert answer.headers["x-generation-id"].startswith("chatcmpl-")
        assert (await answer.json())["error"]["code"] == "content_policy_violation"


async def test_a_failure_in_a_stream_is_an_error_event(proxy: Proxy, simulator: Simulator) -> None:
    await simulator.order_fault("fail")
    async with ask(proxy, stream=True) as answer:
        events = await events_of(answer)
    assert [name for name, _ in events] == ["error"]
    assert events[0][1]["error"]["code"] == "generation_failed"


async def test_missing_images_are_reported_beside_the_finished_images(proxy: Proxy, simulator: Simulator) -> None:
    await simulator.order_fault("unsafe", count=1)
    body = await answer_of(proxy, n=3)
    assert len(body["data"]) == 2
    assert [(fault["index"], fault["code"]) for fault in body["errors"]] == [(2, "result_unavailable")]


async def test_an_image_that_cannot_be_fetched_is_linked_at_its_original_address(
    proxy: Proxy, simulator: Simulator
) -> None:
    await simulator.order_fault("media_status", status=404)
    body = await answer_of(proxy, response_format="b64_json")
    assert [set(image) for image in body["data"]] == [{"url"}]
    assert [fault["index"] for fault in body["errors"]] == [0]
    async with ask(proxy, stream=True) as answer:
        assert [(name, event["error"]["code"]) for name, event in await events_of(answer)] == [
            ("error", "result_unavailable")
        ]


async def test_an_overdue_request_gets_504_and_the_order_id_while_its_order_continues(
    start_simulator: StartSimulator, start_proxy: StartProxy
) -> None:
    async with (
        start_simulator(seconds=1.0) as simulator,
        start_proxy(**in_front_of(simulator), image_wait=0.2) as proxy,
    ):
        async with ask(proxy) as answer:
            error = (await answer.json())["error"]
            assert (answer.status, error["code"]) == (504, "generation_timeout")
            assert answer.headers["x-should-retry"] == "false"
            generation_id = answer.headers["x-generation-id"]
            assert generation_id in error["message"]
        async with proxy.client.get(f"{proxy.url}/v1/generation/{generation_id}?stream=true") as answer:
            assert (await answer.text()).endswith("data: [DONE]\n\n")


async def test_the_wait_ends_before_the_timeout_of_the_client(
    start_simulator: StartSimulator, start_proxy: StartProxy
) -> None:
    async with (
        start_simulator(seconds=HOUR) as simulator,
        start_proxy(**in_front_of(simulator)) as proxy,
        asyncio.timeout(PATIENCE),
        ask(proxy, headers={"x-stainless-read-timeout": "0.5"}) as answer,
    ):
        assert answer.status == 504


async def test_spaces_before_the_json_keep_the_connection_open_during_a_long_wait(
    start_simulator: StartSimulator, start_proxy: StartProxy
) -> None:
    async with (
        start_simulator(seconds=HOUR) as simulator,
        start_proxy(**in_front_of(simulator), keepalive_after=0.1, heartbeat_interval=0.1) as proxy,
    ):
        async with ask(proxy, response_format="b64_json") as answer:
            assert await answer.content.readexactly(2) == b"  "
            await simulator.let_pass()
            raw = await answer.read()
        await simulator.order_fault("fail")
        async with ask(proxy) as answer:
            await simulator.let_pass(registered=2)
            failed = await answer.json()
            assert answer.status == 200
    assert opened(base64.b64decode(json.loads(raw)["data"][0]["b64_json"])).format == "PNG"
    assert (failed["data"], failed["error"]["code"]) == ([], "generation_failed")


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("generations", {"prompt": None}, "prompt"),
    ("generations", {"prompt": ""}, "prompt"),
    ("generations", {"prompt": " \n"}, "prompt"),
    ("generations", {"prompt": 7}, "prompt"),
    ("generations", {"prompt": "x" * 32_001}, "prompt"),
    ("generations", {"n": 0}, "n"),
    ("generations", {"n": 5}, "n"),
    ("generations", {"n": 10**18}, "n"),
    ("generations", {"n": "1"}, "n"),
    ("generations", {"n": True}, "n"),
    ("generations", {"n": 1.5}, "n"),
    ("generations", {"size": "huge"}, "size"),
    ("generations", {"size": "0x0"}, "size"),
    ("generations", {"size": "00x00"}, "size"),
    ("generations", {"size": "1024x"}, "size"),
    ("generations", {"size": "-1024x1024"}, "size"),
    ("generations", {"size": "1" * 5000 + "x1024"}, "size"),
    ("generations", {"size": 1024}, "size"),
    ("generations", {"quality": "best"}, "quality"),
    ("generations", {"response_format": "uri"}, "response_format"),
    ("generations", {"output_format": "svg"}, "output_format"),
    ("generations", {"output_compression": 101}, "output_compression"),
    ("generations", {"stream": "true"}, "stream"),
    ("generations", {"partial_images": 4}, "partial_images"),
    ("generations", {"model": "gpt-9"}, "model"),
    ("generations", {"model": "sora-2"}, "model"),
    ("edits", {}, "image"),
    ("edits", {"images": []}, "image"),
    ("edits", {"images": [{"file_id": "file-1"}]}, "images[0].image_url"),
    ("edits", {"images": [{"image_url": data_uri(b"no image")}]}, "image"),
    ("edits", {"images": [{"image_url": "http://127.0.0.1:9/x.png"}]}, "image"),
    ("edits", {"images": [{"image_url": data_uri(image_file())}] * 2}, "image"),
    ("edits", {"images": "x"}, "images"),
    ("variations", {"prompt": "ignored"}, "image"),
]


@pytest.mark.parametrize(("route", "fields", "param"), BAD, ids=[f"{each[0]} {str(each[1])[:40]}" for each in BAD])
async def test_a_bad_parameter_is_refused_by_name_before_anything_is_sent(
    proxy: Proxy, simulator: Simulator, route: str, fields: dict[str, Any], param: str
) -> None:
    status, error = await error_of(proxy, route, **fields)
    assert (status, error["param"]) == (404 if param == "model" else 400, param)
    assert set(error) == {"message", "type", "param", "code"}
    assert len(error["message"]) < 500
    assert (await simulator.stats())["requests"] == {}


async def test_unused_parameters_are_accepted_with_any_value(proxy: Proxy) -> None:
    await answer_of(
        proxy,
        background="transparent",
        moderation="low",
        output_compression=0,
        quality="hd",
        style="vivid",
        svg={"model": "x"},
        frame_count=1,
        user=7,
        safety_identifier=None,
        what=[None],
        output_format="png",
        partial_images=None,
        stream=False,
    )
