"""Side calls, such as requests for titles, are answered without an image, in each form that a client can request."""

import json
from typing import Any

import pytest

from tests.conftest import Proxy, Simulator, StartProxy, in_front_of
from tests.streams import read_stream

TITLE = "Provide a concise, 5-word-or-less title for the conversation.\n\nConversation:\nUser: a red fox"


async def test_a_side_call_places_no_order_with_or_without_streaming(proxy: Proxy, simulator: Simulator) -> None:
    async with proxy.chat(TITLE) as answer:
        whole = await answer.json()
    async with proxy.chat(TITLE, stream=True) as answer:
        stream = await read_stream(answer)
    async with proxy.chat(TITLE, stream=True, stream_options={"include_usage": True}) as answer:
        counted = await read_stream(answer)

    assert whole["choices"][0]["message"] == {"role": "assistant", "content": "a red fox", "refusal": None}
    assert whole["choices"][0]["finish_reason"] == "stop"
    assert min(whole["usage"].values()) > 0
    for read in (stream, counted):
        assert read.chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
        assert read.content == "a red fox"
        assert read.done
    assert all(len(chunk["choices"]) == 1 and "usage" not in chunk for chunk in stream.chunks)
    assert [chunk["usage"] is None for chunk in counted.chunks] == [True, True, True, False]
    assert (await simulator.stats())["registered"] == 0
    assert (await proxy.get("/v1/chat/completions"))["data"] == []


async def test_a_long_side_call_is_answered_even_if_there_is_no_upstream_key(start_proxy: StartProxy) -> None:
    async with start_proxy(upstream="sora", api_keys=[]) as proxy:
        async with proxy.chat("a fox") as answer:
            assert answer.status == 503
        async with proxy.chat(TITLE + " and more" * 20_000) as answer:
            assert answer.status == 200
            assert json.loads(await answer.read())["choices"][0]["message"]["content"].startswith("a red fox and")


async def test_a_side_call_with_an_unknown_model_is_refused(proxy: Proxy) -> None:
    async with proxy.chat(TITLE, model="none") as answer:
        assert answer.status == 404


@pytest.mark.parametrize(("settings", "orders"), [({"side_calls": False}, 1), ({}, 0)])
async def test_side_calls_can_be_switched_off(
    start_proxy: StartProxy, simulator: Simulator, settings: dict[str, Any], orders: int
) -> None:
    async with start_proxy(**in_front_of(simulator), **settings) as proxy, proxy.chat(TITLE) as answer:
        assert answer.status == 200
    assert (await simulator.stats())["registered"] == orders


async def test_operators_can_set_the_prompts_that_mark_side_calls(
    start_proxy: StartProxy, simulator: Simulator
) -> None:
    async with (
        start_proxy(**in_front_of(simulator), side_call_prompts='["Suggest a name for this chat"]') as proxy,
        proxy.chat("suggest a name for this chat, please") as answer,
    ):
        assert answer.status == 200
    assert (await simulator.stats())["registered"] == 0
