"""`python -m tests.benchmarks`: measure and print the table."""

import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import TypeVar

from tests.benchmarks import cold_start, forty_chats, generation_cost, image_bytes, scheduler, storage, stream_cost
from tests.benchmarks.programs import Folder
from tests.benchmarks.table import show

T = TypeVar("T")

EXPLANATION = """
Every program is a separate process on loopback. The clients are in this process, and measured times include their time.
CPU is user and system time, which grows when other programs use the same cores. Only compare values of the same run.
  40 chats     Two keys with 20 tasks each, an engine that takes 12 s, default settings, stored images, fresh processes,
               one run. The simulator counts calls and tasks. CPU is measured until 1 s after the last chat.
  generations  400 at once on 20 keys, an engine that takes 4 s, polls every 0.4 s (so there are as many chunks as in
               12 s with the default). Images are not fetched. Two kinds of turns alternate: streamed generations, and
               generations in the background, about which nothing more is requested.
  streams      One of these streams was recorded, and is sent to 400 or 1000 clients at the recorded times: by
               sora_proxy, which only plays generations back (no store, no upstream), and by an aiohttp server that
               only waits and writes. Both times include the connection, the request and the end of the stream.
  scheduler    Orders line up, get a key, are accepted and are released, as fast as possible, in this process and
               without waiting coroutines. Then 200 orders at once on 3 accounts, each with a limit of 60 tasks per
               minute and of 3 at once, in front of an upstream that refuses every order above a limit.
  storage      The store alone in this process, on the disk of the temporary folder. Then a whole program on a folder
               with 100 000 finished orders of 10 events each, and 300 that were running when the last process died.
  images       16 clients repeatedly request one image of 1 MiB as base64, by its Idempotency-Key: whole requests,
               including the queries of the database. Then 1000 clients that do not read an answer of 4 MiB.
"""


def main() -> int:
    """Run all parts; return the exit status."""
    try:
        asyncio.run(_measure())
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("interrupted; every program was ended", file=sys.stderr)
        return 130
    return 0


async def _measure() -> None:
    _end_on_sigterm()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sora_proxy-bench-") as temporary:
        folder = Folder(Path(temporary))
        rows = await _part("cold starts", cold_start.measure(folder))
        chats, forty = await _part("40 chats", forty_chats.measure(folder))
        generations, recording = await _part("generations", generation_cost.measure(folder))
        streams = await _part("streams", stream_cost.measure(folder, recording, forty.streams[0]))
        schedule = await _part("scheduler", scheduler.measure(folder))
        stored = await _part("storage", storage.measure(folder))
        images = await _part("images", image_bytes.measure(folder))
    rows = [*rows, *chats, *generations, *streams, *schedule, *stored, *images]
    show(rows)
    print(f"{EXPLANATION}\nMeasured in {time.monotonic() - begun:.0f} s.")


async def _part(name: str, measuring: Awaitable[T]) -> T:
    print(f"measuring: {name} …", file=sys.stderr, flush=True)
    return await measuring


def _end_on_sigterm() -> None:
    """Handle SIGTERM like CTRL-C, so that every program is ended."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


if __name__ == "__main__":
    sys.exit(main())
