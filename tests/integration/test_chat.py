"""`/v1/chat/completions` over real sockets, against the real simulator."""

import asyncio
import base64
import io
import os
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.conftest import HOUR, Proxy, Simulator, StartProxy, StartSimulator, in_front_of
from tests.streams import StreamRead, read_stream, read_until

MINUTE = 60.0
MARKDOWN_IMAGE = re.compile(r"!\[(?P<title>.*)\]\((?P<url>http\S+)\)")


def data_uri(colour: str, kind: str = "PNG") -> str:
    """A small image of one colour, as a data URI."""
    out = io.BytesIO()
    Image.new("RGB", (320, 240), colour).save(out, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(out.getvalue()).decode()}"


async def fetch_image(proxy: Proxy, url: str) -> Image.Image:
    # The request has no key, because a browser sends none for an <img> element.
    async with proxy.client.get(url, headers={"authorization": ""}) as answer:
        assert answer.status == 200
        assert answer.headers["content-type"] == "image/png"
        assert answer.headers["x-content-type-options"] == "nosniff"
        image = Image.open(io.BytesIO(await answer.read()), formats=["PNG"])
        image.load()
        return image


def looks_like(colour: tuple[int, int, int], image: Image.Image) -> bool:
    """Whether a large part of an image has roughly this colour."""
    data = image.convert("RGB").resize((60, 40), Image.Resampling.NEAREST).tobytes()
    pixels = zip(data[0::3], data[1::3], data[2::3], strict=True)
    near = sum(all(abs(a - b) < 24 for a, b in zip(pixel, colour, strict=True)) for pixel in pixels)
    return near > 60 * 40 * 0.1


async def stream_of_half_an_hour_twice(proxy: Proxy, simulator: Simulator) -> StreamRead:
    """The stream of an order that takes an hour, with progress after half an hour."""
    async with proxy.chat("a red fox", stream=True) as answer:
        await simulator.let_pass(HOUR / 2)
        begun = await read_until(answer, b" %")
        await simulator.let_pass(HOUR / 2)
        return await read_stream(answer, begun)


async def test_a_stream_shows_role_progress_image_and_end_in_this_order(
    start_simulator: StartSimulator, start_proxy: StartProxy
) -> None:
    async with (
        start_simulator(seconds=HOUR) as simulator,
        start_proxy(**in_front_of(simulator), image_localization=True) as proxy,
    ):
        stream = await stream_of_half_an_hour_twice(proxy, simulator)
        check_the_order_of_events(stream)
        found = MARKDOWN_IMAGE.fullmatch(stream.content)
        assert found is not None
        assert found["title"] == "a red fox"
        assert re.fullmatch(re.escape(proxy.url) + r"/images/[0-9a-f]{32}\.png", found["url"])
        assert (await fetch_image(proxy, found["url"])).size == (720, 480)


def check_the_order_of_events(stream: StreamRead) -> None:
    first, last = stream.chunks[0], stream.chunks[-1]
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert first["id"] == stream.headers["x-generation-id"]
    assert stream.reasoning
    assert all(re.fullmatch(r"\d+ %\n|queued.*\n", text) for text in stream.reasoning)
    assert last["choices"][0]["finish_reason"] == "stop"
    assert last["choices"][0]["delta"] == {}
    assert stream.done
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert stream.headers["x-accel-buffering"] == "no"
    assert "content-length" not in stream.headers


async def test_all_chunks_have_the_same_id_time_and_model_and_none_has_an_error(proxy: Proxy) -> None:
    async with proxy.chat(stream=True) as answer:
        stream = await read_stream(answer)

    assert len({(chunk["id"], chunk["created"], chunk["model"], chunk["object"]) for chunk in stream.chunks}) == 1
    assert all(len(chunk["choices"]) == 1 and "error" not in chunk and "usage" not in chunk for chunk in stream.chunks)


@pytest.mark.slow
async def test_progress_follows_the_back_end_and_never_decreases(
    start_simulator: StartSimulator, start_proxy: StartProxy
) -> None:
    async with (
        start_simulator(seconds=HOUR, queue_seconds=MINUTE) as simulator,
        start_proxy(**in_front_of(simulator)) as proxy,
        proxy.chat(stream=True) as answer,
    ):
        begun = await read_until(answer, b"queued at the back end")
        await simulator.let_pass(MINUTE)
        for step in range(1, 5):
            await simulator.let_pass(HOUR / 5)
            begun += await read_until(answer, b"%d %%" % (20 * step))
        await simulator.let_pass(HOUR)
        stream = await read_stream(answer, begun)

    percents = [int(text.split()[0]) for text in stream.reasoning if "%" in text]
    assert len(percents) > 3
    assert percents == sorted(set(percents))
    assert re.fullmatch(r"queued at the back end, position \d+, about \d+ s\n", stream.reasoning[0])


async def test_the_last_chunk_contains_the_usage_if_the_client_requests_it(proxy: Proxy) -> None:
    async with proxy.chat("two words", stream=True, stream_options={"include_usage": True}) as answer:
        stream = await read_stream(answer)

    assert stream.chunks[-1]["choices"] == []
    assert stream.chunks[-1]["usage"] == {"prompt_tokens": 2, "completion_tokens": 1, "total_tokens": 3}
    assert all(chunk["usage"] is None for chunk in stream.chunks[:-1])


@pytest.mark.slow
async def test_the_images_of_one_order_are_all_different(proxy: Proxy) -> None:
    async with proxy.chat("three of them", n=3, stream=True) as answer:
        stream = await read_stream(answer)

    urls = [found["url"] for found in MARKDOWN_IMAGE.finditer(stream.content)]
    assert len(set(urls)) == 3
    assert stream.content.count("\n\n") == 2
    images = [(await fetch_image(proxy, url)).tobytes() for url in urls]
    assert len(set(images)) == 3


async def test_an_image_has_the_requested_size(proxy: Proxy) -> None:
    async with proxy.chat(size="480x720") as answer:
        content = (await answer.json())["choices"][0]["message"]["content"]

    found = MARKDOWN_IMAGE.fullmatch(content)
    assert found is not None
    assert (await fetch_image(proxy, found["url"])).size == (480, 720)


async def test_a_chinese_prompt_is_sent_and_returned_unchanged(proxy: Proxy, simulator: Simulator) -> None:
    async with proxy.chat("雪地里的一只红狐狸", stream=True) as answer:
        stream = await read_stream(answer)

    assert stream.content.startswith("![雪地里的一只红狐狸](")
    assert [task["prompt"] for task in (await simulator.stats())["tasks"]] == ["雪地里的一只红狐狸"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(f"{data_uri('#d02090', 'JPEG')}\nmake it night", id="a data URI inside a string"),
        pytest.param(
            [
                {"type": "text", "text": "make it night"},
                {"type": "image_url", "image_url": {"url": data_uri("#d02090")}},
            ],
            id="image_url with an object",
        ),
        pytest.param(
            [
                {"type": "image_url", "image_url": data_uri("#d02090", "WEBP")},
                {"type": "text", "text": "make it night"},
            ],
            id="image_url with a string",
        ),
        pytest.param(
            [
                {"type": "input_text", "text": "make it night"},
                {"type": "input_image", "image_url": data_uri("#d02090"), "detail": "auto"},
            ],
            id="input_image",
        ),
    ],
)
async def test_a_reference_image_is_uploaded_and_visible_in_the_result(
    proxy: Proxy, simulator: Simulator, content: Any
) -> None:
    async with proxy.chat(messages=[{"role": "user", "content": content}]) as answer:
        text = (await answer.json())["choices"][0]["message"]["content"]

    found = MARKDOWN_IMAGE.fullmatch(text)
    assert found is not None
    assert found["title"] == "make it night"
    assert looks_like((0xD0, 0x20, 0x90), await fetch_image(proxy, found["url"]))
    assert (await simulator.stats())["tasks"][0]["prompt"] == "make it night"


async def test_a_reference_image_is_deleted_when_its_generation_has_ended(
    start_proxy: StartProxy, simulator: Simulator, tmp_path: Path
) -> None:
    settings = in_front_of(simulator)
    async with start_proxy(**settings) as proxy, proxy.chat(f"{data_uri('red')} make it night") as answer:
        assert answer.status == 200

    assert await asyncio.to_thread(os.listdir, tmp_path / "data" / "inputs") == []


async def test_an_answer_without_streaming_waits_for_the_image(proxy: Proxy) -> None:
    async with proxy.chat("a red fox") as answer:
        body = await answer.json()

    choice = body["choices"][0]
    assert body["object"] == "chat.completion"
    assert choice["finish_reason"] == "stop"
    assert choice["message"]["role"] == "assistant"
    assert choice["message"]["refusal"] is None
    assert MARKDOWN_IMAGE.fullmatch(choice["message"]["content"])
    assert min(body["usage"].values()) > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fields", "headers"),
    [({"background": True}, {}), ({}, {"prefer": "respond-async"}), ({}, {"prefer": "wait=0"})],
    ids=["background", "respond-async", "wait=0"],
)
async def test_a_client_that_asks_not_to_wait_can_poll_for_the_image(
    proxy: Proxy, fields: dict[str, Any], headers: dict[str, str]
) -> None:
    async with proxy.chat(headers=headers, **fields) as answer:
        body = await answer.json()
        assert body["choices"][0]["finish_reason"] == "processing"
        assert answer.headers["retry-after"] == "2"

    for path in (f"/v1/generation/{body['id']}", f"/v1/chat/completions/{body['id']}?model=sora-1.0"):
        await proxy.ended(body["id"])
        polled = await proxy.get(path)
        assert polled["id"] == body["id"]
        assert polled["choices"][0]["finish_reason"] == "stop"
        assert MARKDOWN_IMAGE.fullmatch(polled["choices"][0]["message"]["content"])


async def test_an_order_that_outlasts_sync_wait_is_answered_with_the_finish_reason_processing(
    start_proxy: StartProxy, start_simulator: StartSimulator
) -> None:
    async with (
        start_simulator(seconds=HOUR) as simulator,
        start_proxy(**in_front_of(simulator), sync_wait=0.2) as proxy,
        proxy.chat() as answer,
    ):
        assert (await answer.json())["choices"][0]["finish_reason"] == "processing"


async def test_polls_by_clients_do_not_cause_calls_to_the_back_end(proxy: Proxy, simulator: Simulator) -> None:
    async with proxy.chat() as answer:
        generation_id = (await answer.json())["id"]
    before = (await simulator.stats())["requests"]

    for _ in range(20):
        await proxy.get(f"/v1/generation/{generation_id}")

    assert (await simulator.stats())["requests"] == before


async def test_a_generation_continues_after_its_client_leaves_the_stream(proxy: Proxy, simulator: Simulator) -> None:
    answer = await proxy.chat(stream=True)
    generation_id = answer.headers["x-generation-id"]
    answer.close()

    assert (await proxy.ended(generation_id))["choices"][0]["finish_reason"] == "stop"
    assert (await simulator.stats())["registered"] == 1


async def test_a_silent_stream_sends_heartbeats_as_comments(
    start_proxy: StartProxy, start_simulator: StartSimulator
) -> None:
    async with (
        start_simulator(seconds=HOUR, progress="none") as simulator,
        start_proxy(**in_front_of(simulator), heartbeat_interval=0.05) as proxy,
        proxy.chat(stream=True) as answer,
    ):
        begun = await read_until(answer, b": ping\n\n", times=5)
        await simulator.let_pass()
        assert (await read_stream(answer, begun)).done


async def test_progress_can_be_shown_in_a_think_block(start_simulator: StartSimulator, start_proxy: StartProxy) -> None:
    async with (
        start_simulator(seconds=HOUR) as simulator,
        start_proxy(**in_front_of(simulator), progress_style="think") as proxy,
    ):
        stream = await stream_of_half_an_hour_twice(proxy, simulator)

    assert stream.reasoning == []
    assert re.fullmatch(r"<think>\n(?:\d+ %\n|queued.*\n)+</think>\n\n!\[a red fox\]\(\S+\)", stream.content)


async def test_progress_can_be_switched_off(start_simulator: StartSimulator, start_proxy: StartProxy) -> None:
    async with (
        start_simulator(seconds=HOUR) as simulator,
        start_proxy(**in_front_of(simulator), progress_style="none") as proxy,
        proxy.chat(stream=True) as answer,
    ):
        await simulator.let_pass(HOUR / 2)
        looks = sum((await simulator.stats())["requests"].get("list", {}).values())
        # After two more calls, at least one poll has seen the progress.
        await simulator.wait_for(endpoint="list", count=looks + 2)
        await simulator.let_pass(HOUR / 2)
        stream = await read_stream(answer)

    assert stream.reasoning == []
    assert MARKDOWN_IMAGE.fullmatch(stream.content)


async def test_a_stream_that_hides_progress_sends_heartbeats_instead(
    start_proxy: StartProxy, start_simulator: StartSimulator
) -> None:
    """Each heartbeat replaces progress: the heartbeat interval is so long that silence alone causes no heartbeat."""
    async with (
        start_simulator(seconds=HOUR) as simulator,
        start_proxy(**in_front_of(simulator), progress_style="none", heartbeat_interval=60) as proxy,
        proxy.chat(stream=True) as answer,
    ):
        begun = b""
        for _ in range(3):
            await simulator.let_pass(HOUR / 5)
            begun += await read_until(answer, b": ping\n\n")
        await simulator.let_pass()
        assert (await read_stream(answer, begun)).done


async def test_without_image_localization_links_lead_to_the_back_end(
    start_proxy: StartProxy, simulator: Simulator
) -> None:
    settings = in_front_of(simulator)
    async with start_proxy(**settings) as proxy, proxy.chat() as answer:
        content = (await answer.json())["choices"][0]["message"]["content"]

    found = MARKDOWN_IMAGE.fullmatch(content)
    assert found is not None
    assert found["url"].startswith(simulator.url)


async def test_links_begin_with_base_url(start_proxy: StartProxy, simulator: Simulator) -> None:
    settings = in_front_of(simulator)
    base_url = "https://images.example.com/gateway"
    async with start_proxy(**settings, image_localization=True, base_url=base_url) as proxy, proxy.chat() as answer:
        content = (await answer.json())["choices"][0]["message"]["content"]

    assert re.search(re.escape(f"({base_url}/images/") + r"[0-9a-f]{32}\.png\)$", content)


@pytest.mark.slow
async def test_the_built_in_simulator_makes_images_without_any_key(start_proxy: StartProxy) -> None:
    async with start_proxy() as proxy, proxy.chat("no account needed") as answer:
        body = await answer.json()
        found = MARKDOWN_IMAGE.fullmatch(body["choices"][0]["message"]["content"])
        assert found is not None
        assert found["url"].startswith(proxy.url)
        assert (await fetch_image(proxy, found["url"])).size == (720, 480)


@pytest.mark.slow
async def test_a_finished_generation_can_still_be_retrieved_after_a_restart(
    start_proxy: StartProxy, simulator: Simulator
) -> None:
    settings = in_front_of(simulator)
    async with start_proxy(**settings, image_localization=True, base_url="http://h") as proxy, proxy.chat() as answer:
        before = await answer.json()

    async with start_proxy(**settings, image_localization=True, base_url="http://h") as proxy:
        assert await proxy.get(f"/v1/generation/{before['id']}") == before


async def test_a_running_generation_continues_after_a_restart_and_is_not_sent_again(
    start_proxy: StartProxy, start_simulator: StartSimulator
) -> None:
    async with start_simulator(seconds=HOUR) as simulator:
        settings = in_front_of(simulator)
        async with start_proxy(**settings) as proxy:
            async with proxy.chat(background=True) as answer:
                generation_id = (await answer.json())["id"]
            await simulator.let_pass()

        async with start_proxy(**settings) as proxy:
            assert (await proxy.ended(generation_id))["choices"][0]["finish_reason"] == "stop"
        assert (await simulator.stats())["registered"] == 1


async def test_a_model_in_the_path_is_used_for_the_order(proxy: Proxy) -> None:
    messages = {"messages": [{"role": "user", "content": "a red fox"}], "background": True}
    for path in (
        "/v1/engines/sora-image/chat/completions",
        "/openai/deployments/sora-image/chat/completions?api-version=2025-01-01-preview",
    ):
        async with proxy.client.post(proxy.url + path, json=messages) as answer:
            assert answer.status == 200, path
            made = await answer.json()
            assert made["model"] == "sora-image"
        for again in (f"/v1/engines/sora-image/chat/completions/{made['id']}", f"/openai/v1/generation/{made['id']}"):
            assert (await proxy.get(again))["id"] == made["id"]
    async with proxy.client.post(f"{proxy.url}/v1/engines/none/chat/completions", json=messages) as answer:
        assert answer.status == 404
        assert (await answer.json())["error"]["param"] == "model"
