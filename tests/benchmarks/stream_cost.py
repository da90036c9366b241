"""The cost of a stream alone, compared with a bare server that sends the same bytes at the same times.

Two programs take turns: sora_proxy's own routes and streams over generations that are only played back (`playback`),
and a bare aiohttp server (`bare`). Both get the same clients, and both costs include connection, request and answer.
"""

import asyncio
from collections.abc import Iterable
from statistics import median

import aiohttp

from tests.benchmarks.bare import write_script
from tests.benchmarks.forty_chats import CHATS
from tests.benchmarks.load import Stream, clients, streamed
from tests.benchmarks.programs import NOBODY, Folder, Program, environment, program
from tests.benchmarks.table import Row, bounded

STREAMS, TURNS = 400, 3
MANY_STREAMS = 1000
CLOSED_SECONDS = 0.2  # the time in which the connections are closed
MOST_RATIO = 1.5


async def measure(folder: Folder, recording: Stream, forty: Stream) -> list[Row]:
    """Play the recording to 400 and to 1000 clients, and one of the 40 streams to 40 clients."""
    script = write_script(folder.path / "recording.json", recording)
    own = folder.new()
    async with (
        program(own, "tests.benchmarks.playback", str(script), environment=environment(own, NOBODY, 2)) as ours,
        program(folder.new(), "tests.benchmarks.bare", str(script)) as bare,
        clients() as session,
    ):
        for server in (ours, bare):  # a turn whose cost is not measured
            await _cost(session, server, STREAMS)
        rows = await _compare(session, (ours, bare), STREAMS, TURNS)
        rows += await _compare(session, (ours, bare), MANY_STREAMS, 1)
    chunks = len(recording.chunks)
    return [Row("chunks per stream in the next rows", str(chunks)), *rows, *await _bare_forty(folder, forty)]


async def _compare(
    session: aiohttp.ClientSession, servers: tuple[Program, Program], count: int, turns: int
) -> list[Row]:
    costs = [[await _cost(session, server, count) for server in servers] for _ in range(turns)]
    ratio = median(ours / bare for ours, bare in costs)
    return [
        Row(f"CPU per stream, {count} at once, sora_proxy's stream part", _ms(ours for ours, _ in costs)),
        Row(f"CPU per stream, {count} at once, bare aiohttp", _ms(bare for _, bare in costs)),
        bounded(f"  their ratio (median of {turns})", ratio, MOST_RATIO, "x"),
    ]


async def _bare_forty(folder: Folder, forty: Stream) -> list[Row]:
    script = write_script(folder.path / "forty.json", forty)
    async with program(folder.new(), "tests.benchmarks.bare", str(script)) as bare, clients() as session:
        cost = await _cost(session, bare, CHATS)
    return [Row("CPU per stream, bare aiohttp, the bytes of a chat to 40 clients", _ms([cost]))]


async def _cost(session: aiohttp.ClientSession, server: Program, count: int) -> float:
    """The CPU seconds per stream."""
    with server.measured() as used:
        streams = await streamed(session, server, count)
        await asyncio.sleep(CLOSED_SECONDS)
    if not all(stream.whole for stream in streams):
        raise RuntimeError("a stream is incomplete: there is nothing to compare")
    return used.process / count


def _ms(seconds: Iterable[float]) -> str:
    each = [value * 1000 for value in seconds]
    bounds = f" ({min(each):.2f}-{max(each):.2f})" if len(each) > 1 else ""
    return f"{median(each):.2f} ms{bounds}"
