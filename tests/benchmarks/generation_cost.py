"""The cost of a generation, with and without a stream that shows it.

400 generations are ordered at once in each turn. In one turn of a pair, they are streamed; in the other turn, they run
in the background, and nothing more is requested about them. Everything else is the same, so the difference is the cost
of the streams. Which turn comes first alternates from pair to pair, because the speed of the machine drifts.
"""

import asyncio
from dataclasses import dataclass
from statistics import median

import aiohttp

from tests.benchmarks.load import Stream, all_finished, clients, ordered, stats, streamed
from tests.benchmarks.programs import TASKS_PER_KEY, Folder, Program, Usage, simulator, sora_proxy
from tests.benchmarks.table import Row

KEYS = 20
GENERATIONS = KEYS * TASKS_PER_KEY
ENGINE_SECONDS = 4.0
POLL_INTERVAL = 0.4  # with this interval, 4 seconds yield as many chunks as 12 seconds with the default
PAIRS = 2
# Time for the last poll, which may come one interval after the engine has finished, and for the work after this poll.
AFTER_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Bench:
    """The programs and the session that the turns use."""

    session: aiohttp.ClientSession
    upstream: Program
    proxy: Program


async def measure(folder: Folder) -> tuple[list[Row], Stream]:
    """Take the turns and compare them. Returns the rows, and one of the streams."""
    async with (
        simulator(folder, seconds=ENGINE_SECONDS) as upstream,
        # Images are not fetched, since fetching is not a part of streaming.
        sora_proxy(
            folder, upstream.url, keys=KEYS, IMAGE_LOCALIZATION="False", POLL_INTERVAL=str(POLL_INTERVAL)
        ) as proxy,
        clients() as session,
    ):
        bench = Bench(session, upstream, proxy)
        recording = await _warm_up(bench)
        with_streams: list[Usage] = []
        without: list[Usage] = []
        for pair in range(PAIRS):
            for is_streamed in (pair % 2 == 0, pair % 2 != 0):
                used = await _turn(bench, is_streamed=is_streamed)
                (with_streams if is_streamed else without).append(used)
    return _rows(with_streams, without), recording


async def _warm_up(bench: Bench) -> Stream:
    """Take a turn that is not measured. Returns a stream of median length."""
    streams = await _streamed(bench)
    await _settled(bench, GENERATIONS)
    return sorted(streams, key=lambda stream: len(stream.chunks))[GENERATIONS // 2]


async def _turn(bench: Bench, *, is_streamed: bool) -> Usage:
    before: int = (await stats(bench.session, bench.upstream))["registered"]
    with bench.proxy.measured() as used:
        if is_streamed:
            await _streamed(bench)
        else:
            await ordered(bench.session, bench.proxy, GENERATIONS)
        await _settled(bench, before + GENERATIONS)
    return used


async def _streamed(bench: Bench) -> list[Stream]:
    streams = await streamed(bench.session, bench.proxy, GENERATIONS)
    if not all(stream.whole and stream.link for stream in streams):
        raise RuntimeError("a stream is incomplete: there is nothing to compare")
    return streams


async def _settled(bench: Bench, registered: int) -> None:
    await all_finished(bench.session, bench.upstream, registered)
    await asyncio.sleep(AFTER_SECONDS)


def _rows(with_streams: list[Usage], without: list[Usage]) -> list[Row]:
    slopes = [one - other for one, other in zip(with_streams, without, strict=True)]
    return [
        Row(f"CPU per generation, {GENERATIONS} at once, streamed (median of {PAIRS})", _each(with_streams)),
        Row("CPU per generation in the background, without requests", _each(without)),
        Row("difference: the cost of the stream", _each(slopes)),
    ]


def _each(turns: list[Usage]) -> str:
    """Milliseconds per generation: median, lowest and highest."""
    loop = [used.loop / GENERATIONS * 1000 for used in turns]
    whole = [used.process / GENERATIONS * 1000 for used in turns]
    return f"{median(whole):.2f} ms ({min(whole):.2f}-{max(whole):.2f}), event loop {median(loop):.2f} ms"
