"""The time until the program listens, and the memory of the idle program."""

import asyncio
from dataclasses import dataclass
from statistics import median

from tests.benchmarks.load import clients
from tests.benchmarks.programs import NOBODY, Folder, sora_proxy
from tests.benchmarks.table import Row, bounded

STARTS = {2: 3, 1000: 2}  # the number of starts, by number of keys
IDLE_SECONDS = 0.5
MOST_SECONDS = 1.0
MOST_MIB, MOST_KIB_PER_KEY = 60.0, 16.0


@dataclass(frozen=True, slots=True)
class Start:
    seconds: float
    mib: float


async def measure(folder: Folder) -> list[Row]:
    """Start the program a few times, with few keys and with many."""
    rows = []
    for keys, times in STARTS.items():
        starts = [await _start(folder, keys) for _ in range(times)]
        most_mib = MOST_MIB + keys * MOST_KIB_PER_KEY / 1024
        seconds, mib = median(start.seconds for start in starts), median(start.mib for start in starts)
        rows.append(bounded(f"process start to listening, {keys} keys (median of {times})", seconds, MOST_SECONDS, "s"))
        rows.append(bounded(f"resident when idle, {keys} keys", mib, round(most_mib, 1), "MiB"))
    return rows


async def _start(folder: Folder, keys: int) -> Start:
    async with sora_proxy(folder, NOBODY, keys=keys) as proxy, clients() as session:
        async with session.get(f"{proxy.url}/health/live") as answer:
            answer.raise_for_status()
        await asyncio.sleep(IDLE_SECONDS)
        return Start(proxy.start_seconds, proxy.memory())
