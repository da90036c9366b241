"""Several ComfyUI servers behind our server: the position and progress that each client sees."""

import asyncio

import pytest

from sora_proxy.api.context import SUPERVISOR
from sora_proxy.event_log import Progress, Queued
from sora_proxy.generation import Generation
from tests.conftest import StartProxy
from tests.eventually import eventually
from tests.integration.test_comfyui import MODEL, OTHER, ours
from tests.simulated_comfyui import STEP, simulated
from tests.streams import StreamRead, read_stream

ORDERS, SERVERS, STEPS = 12, 2, 4
PERCENTS = (7, 29, 52, 74)  # progress when the sampler has started, and after each step except the last


def percent_of(generation: Generation) -> int:
    return max((event.percent or 0 for event in generation.events_of(Progress)), default=0)


def positions_of(generation: Generation) -> list[int]:
    return [event.position for event in generation.events_of(Queued)]


async def test_each_client_sees_its_place_in_line_and_then_its_own_progress(
    start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sora_proxy.scheduling.order_queue.UPDATE_INTERVAL_SECONDS", 0.05)
    keys = [{"key": OTHER, "name": "other"}]
    async with (
        simulated(seconds=STEPS * STEP, steps=STEPS) as first,
        simulated(seconds=STEPS * STEP, steps=STEPS) as second,
        ours(start_proxy, first, second, client_keys=keys) as proxy,
    ):

        async def order(number: int) -> StreamRead:
            headers = {"authorization": f"Bearer {OTHER}"} if number % 2 else None
            async with proxy.chat(f"order {number}", model=MODEL, stream=True, headers=headers) as answer:
                return await read_stream(answer)

        async def all_are(waiting: int, percent: int) -> list[Generation] | None:
            """The unfinished orders, if `waiting` of them are in line and all others have this progress; else None."""
            unfinished = proxy.app[SUPERVISOR].unfinished
            at_work = [each for each in unfinished if percent_of(each)]
            in_line = [positions_of(each)[-1:] for each in unfinished if each not in at_work]
            is_so = sorted(in_line) == [[position] for position in range(1, waiting + 1)]
            is_so = is_so and [percent_of(each) for each in at_work] == [percent] * SERVERS
            return list(unfinished) if is_so else None

        streams = [asyncio.create_task(order(number)) for number in range(ORDERS)]
        placed = await eventually(lambda: all_are(ORDERS - SERVERS, PERCENTS[0]))
        in_line = [(each, len(positions_of(each))) for each in placed if not percent_of(each)]
        for waiting in range(ORDERS - SERVERS, -1, -SERVERS):
            for percent in PERCENTS:
                await eventually(lambda: all_are(waiting, percent))  # noqa: B023
                for server in (first, second):
                    await server.advance()
        read = await asyncio.gather(*streams)
        stats = [await server.stats() for server in (first, second)]

    for generation, settled in in_line:
        positions = positions_of(generation)[settled - 1 :]
        assert positions == sorted(set(positions), reverse=True)
    for stream in read:
        texts = [text for text in stream.reasoning if "%" in text]
        assert [int(text.split()[0]) for text in texts][: len(PERCENTS)] == list(PERCENTS)
        assert "![" in stream.content
    assert [(each["max_unfinished"], each["registered"]) for each in stats] == [(1, ORDERS // SERVERS)] * SERVERS
