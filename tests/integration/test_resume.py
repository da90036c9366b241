"""Streams continue where they were cut, and have the same bytes as a stream that was never cut."""

import asyncio
from typing import Any

import aiohttp
import pytest

from sora_proxy.api.context import SUPERVISOR
from tests.conftest import ADMIN_KEY, HOUR, Proxy, Simulator, StartProxy, StartSimulator, in_front_of
from tests.eventually import PATIENCE
from tests.streams import blocks_of, numbers_of

PUBLIC = {"base_url": "http://images.example.com", "image_localization": True}


async def resume(proxy: Proxy, generation_id: str, after: int | None = None) -> list[bytes]:
    """The blocks of a resumed stream, without heartbeats."""
    query = {"stream": "true"} | ({} if after is None else {"starting_after": str(after)})
    async with proxy.client.get(f"{proxy.url}/v1/chat/completions/{generation_id}", params=query) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.content_type == "text/event-stream"
        return blocks_of(await answer.read())


async def listen(proxy: Proxy, generation_id: str, **headers: str) -> list[bytes]:
    """The blocks of the plain event stream."""
    path = f"{proxy.url}/v1/generation/{generation_id}/events"
    async with proxy.client.get(path, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        return blocks_of(await answer.read())


async def check_every_cut(proxy: Proxy, generation_id: str, uncut: list[bytes]) -> None:
    assert await resume(proxy, generation_id) == uncut
    for position, number in enumerate(numbers_of(uncut), 1):
        assert await resume(proxy, generation_id, number) == uncut[position:]


@pytest.mark.parametrize("usage", [False, True], ids=["plain", "with usage"])
@pytest.mark.parametrize("style", ["reasoning", "think", "none"])
async def test_a_stream_resumed_after_any_chunk_sends_the_rest_even_after_a_restart(
    start_proxy: StartProxy, simulator: Simulator, style: str, usage: bool
) -> None:
    settings = in_front_of(simulator) | PUBLIC | {"progress_style": style}
    async with start_proxy(**settings) as proxy:
        async with proxy.chat(n=2, stream=True, stream_options={"include_usage": usage}) as answer:
            generation_id, uncut = answer.headers["x-generation-id"], blocks_of(await answer.read())
        assert uncut[-1] == b"data: [DONE]"
        assert len(numbers_of(uncut)) == len(uncut) - 1
        await check_every_cut(proxy, generation_id, uncut)
    async with start_proxy(**settings) as proxy:
        await check_every_cut(proxy, generation_id, uncut)


async def test_a_running_stream_that_is_cut_repeatedly_misses_and_repeats_nothing(
    start_simulator: StartSimulator, start_proxy: StartProxy
) -> None:
    async with start_simulator(seconds=HOUR) as simulator, start_proxy(**in_front_of(simulator), **PUBLIC) as proxy:
        async with proxy.chat(background=True) as answer:
            generation_id = (await answer.json())["id"]
        uncut = asyncio.create_task(resume(proxy, generation_id))
        pieces: list[bytes] = []
        while pieces[-1:] != [b"data: [DONE]"]:
            await simulator.let_pass(HOUR / 6)  # each piece has new events
            query = {"stream": "true"} | ({"starting_after": str(numbers_of(pieces)[-1])} if pieces else {})
            path = f"{proxy.url}/v1/chat/completions/{generation_id}"
            async with proxy.client.get(path, params=query) as answer:
                piece = b": ping"
                while piece == b": ping":
                    piece = (await answer.content.readuntil(b"\n\n")).strip()
                pieces.append(piece)
                answer.close()
        assert pieces == await uncut
        assert len(pieces) > 5


async def test_a_stream_cut_by_a_restart_continues_in_the_next_process(
    start_simulator: StartSimulator, start_proxy: StartProxy
) -> None:
    async with start_simulator(seconds=HOUR) as simulator:
        settings = in_front_of(simulator) | PUBLIC
        async with start_proxy(**settings) as proxy, proxy.chat(stream=True) as answer:
            generation_id = answer.headers["x-generation-id"]
            await simulator.wait_for(registered=1)
            await proxy.app[SUPERVISOR].stop(PATIENCE)
            before = blocks_of(await answer.read())
        *before, words, error = before
        number = numbers_of(before)[-1]
        assert numbers_of([words]) == [number]
        assert f"{generation_id}?stream=true&starting_after={number}".encode() in error
        await simulator.let_pass()
        async with start_proxy(**settings) as proxy:
            rest = await resume(proxy, generation_id, number)
            assert before + rest == await resume(proxy, generation_id)
        assert rest[-1] == b"data: [DONE]"


async def test_a_resumed_stream_of_a_failed_order_shows_the_failure(
    start_proxy: StartProxy, simulator: Simulator
) -> None:
    await simulator.order_fault("moderation", times=None)
    settings = in_front_of(simulator)
    async with start_proxy(**settings) as proxy:
        async with proxy.chat(stream=True) as answer:
            generation_id, uncut = answer.headers["x-generation-id"], blocks_of(await answer.read())
        assert b'"error"' in uncut[-1]
        await check_every_cut(proxy, generation_id, uncut)
    async with start_proxy(**settings) as proxy:
        await check_every_cut(proxy, generation_id, uncut)


async def test_the_plain_event_stream_has_ids_and_continues_after_the_last_id(
    start_proxy: StartProxy, simulator: Simulator
) -> None:
    settings = in_front_of(simulator) | PUBLIC
    async with start_proxy(**settings) as proxy:
        async with proxy.chat(background=True) as answer:
            generation_id = (await answer.json())["id"]
        live = await listen(proxy, generation_id)
        kinds = [block.split(b"\n")[1] for block in live]
        assert [block.split(b"\n")[0] for block in live] == [b"id: %d" % n for n in range(1, len(live) + 1)]
        assert kinds[-2:] == [b"event: picture", b"event: completed"]
        assert b'"url":"http://images.example.com/images/' in live[-2]
    async with start_proxy(**settings) as proxy:
        for number in range(len(live)):
            assert await listen(proxy, generation_id, **{"last-event-id": str(number)}) == live[number:]
        async with proxy.client.get(
            f"{proxy.url}/v1/generation/{generation_id}/events", headers={"last-event-id": str(len(live))}
        ) as answer:
            assert answer.status == 204  # an EventSource reconnects after any other status


async def test_the_last_event_id_header_overrides_the_parameter_starting_after(
    proxy: Proxy,
) -> None:
    async with proxy.chat(n=3) as answer:  # at least four events
        generation_id = (await answer.json())["id"]
    path = f"{proxy.url}/v1/generation/{generation_id}/events?starting_after=1"
    async with proxy.client.get(path, headers={"last-event-id": "2"}) as answer:
        assert (await answer.read()).startswith(b": ping\n\nid: 3\n")


@pytest.mark.parametrize("number", ["-1", "x", "1.5", "٣", "99999", "9" * 30, ""])
@pytest.mark.parametrize(
    "path", ["chat/completions/{}?stream=true&starting_after=", "generation/{}/events?starting_after="]
)
async def test_an_unknown_sequence_number_is_refused(proxy: Proxy, path: str, number: str) -> None:
    async with proxy.chat() as answer:
        generation_id = (await answer.json())["id"]
    async with proxy.client.get(f"{proxy.url}/v1/{path.format(generation_id)}starting_after={number}") as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["param"] == "starting_after"


@pytest.mark.parametrize("path", ["generation/{}", "chat/completions/{}?stream=true", "generation/{}/events"])
async def test_another_clients_stream_is_answered_like_an_unknown_stream(
    proxy: Proxy, session: aiohttp.ClientSession, simulator: Simulator, path: str
) -> None:
    await simulator.order_fault("never_finish", times=None)
    async with proxy.chat(background=True) as answer:
        generation_id = (await answer.json())["id"]
    answers: list[Any] = []
    for asked in (generation_id, "chatcmpl-" + "0" * 32):
        url = f"{proxy.url}/v1/{path.format(asked)}"
        async with session.get(url, headers={"authorization": f"Bearer {ADMIN_KEY}"}) as answer:
            answers.append((answer.status, (await answer.text()).replace(asked, "")))
    assert answers[0] == answers[1]
    assert answers[0][0] == 404
