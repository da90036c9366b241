"""The main job under load: 40 streamed chats at once, two keys with 20 tasks each, 12 seconds per task."""

import asyncio
from dataclasses import dataclass
from statistics import quantiles
from typing import Any

import aiohttp

from tests.benchmarks.load import Stream, all_finished, clients, is_png, stats, streamed
from tests.benchmarks.programs import TASKS_PER_KEY, Folder, Program, Usage, simulator, sora_proxy
from tests.benchmarks.table import Row, bounded, exactly

CHATS, KEYS = 40, 2
ENGINE_SECONDS = 12.0
MOST_SECONDS = 13.0
MOST_FIRST_BYTE = 100.0  # ms
POLL_INTERVAL = 1.0  # the default of the setting
ARRIVAL_NOISE = 0.02  # in seconds: two calls may arrive this much closer together than they were sent
AFTER_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """The results of one run."""

    streams: list[Stream]
    images: int
    used: Usage
    memory_peak: float
    memory_after: float
    upstream: dict[str, Any]


async def measure(folder: Folder) -> tuple[list[Row], Outcome]:
    """Run the chats once, on fresh processes."""
    async with (
        simulator(folder, seconds=ENGINE_SECONDS) as upstream,
        sora_proxy(folder, upstream.url, keys=KEYS) as proxy,
        clients() as session,
    ):
        outcome = await _run(session, upstream, proxy)
    return [*_results(outcome), *_upstream_side(outcome), *_costs(outcome)], outcome


async def _run(session: aiohttp.ClientSession, upstream: Program, proxy: Program) -> Outcome:
    with proxy.measured() as used:
        streams = await streamed(session, proxy, CHATS)
        await all_finished(session, upstream, CHATS)
        await asyncio.sleep(AFTER_SECONDS)
    peak, after = proxy.peak_memory(), proxy.memory()
    good = await asyncio.gather(*(is_png(session, stream.link) for stream in streams if stream.whole))
    return Outcome(streams, sum(good), used, peak, after, await stats(session, upstream))


def _results(outcome: Outcome) -> list[Row]:
    first = [stream.first_byte * 1000 for stream in outcome.streams]
    cuts = quantiles(first, n=100, method="inclusive")
    return [
        exactly("40 chats at once: ended with [DONE] and a link to a PNG", outcome.images, CHATS),
        bounded("time until the last chat is complete", max(s.seconds for s in outcome.streams), MOST_SECONDS, "s"),
        Row("first byte, p50 / p99", f"{cuts[49]:.0f} / {cuts[98]:.0f} ms"),
        bounded("first byte, the latest of 40", max(first), MOST_FIRST_BYTE, "ms"),
    ]


def _upstream_side(outcome: Outcome) -> list[Row]:
    seen = outcome.upstream
    rows = [
        exactly("orders registered upstream", seen["registered"], CHATS),
        bounded("tasks at once, busier key", max(seen["max_concurrent_by_token"].values()), TASKS_PER_KEY, "tasks"),
    ]
    for name, lists in seen["lists"].items():
        spacing = lists["min_spacing"] or POLL_INTERVAL
        measured = f"{lists['calls']}, {spacing:.3f} s apart at least"
        goal = f"≥ {POLL_INTERVAL:g} s apart (± {ARRIVAL_NOISE * 1000:.0f} ms on arrival)"
        rows.append(Row(f"list calls, {name}", measured, goal, spacing >= POLL_INTERVAL - ARRIVAL_NOISE))
    return rows


def _costs(outcome: Outcome) -> list[Row]:
    used, chunks = outcome.used, sorted(len(stream.chunks) for stream in outcome.streams)
    return [
        Row("CPU of the proxy, whole run / per generation", _cpu(used.process)),
        Row("  of which its event loop", _cpu(used.loop)),
        Row("resident, peak / after", f"{outcome.memory_peak:.1f} / {outcome.memory_after:.1f} MiB"),
        Row("chunks written per stream", f"{chunks[0]} to {chunks[-1]}"),
    ]


def _cpu(seconds: float) -> str:
    return f"{seconds:.2f} s / {seconds / CHATS * 1000:.1f} ms"
