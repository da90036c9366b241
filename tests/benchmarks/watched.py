"""sora_proxy, with a measurement of each turn of its event loop: the CPU time of one callback on the loop's thread.

`python -m tests.benchmarks.watched` is a separate program. When it ends, it writes the longest time (in seconds) to a
file in its folder.
"""

import asyncio
import sys
import time
from pathlib import Path
from unittest import mock

from sora_proxy.__main__ import main as sora_proxy

LONGEST_TURN = "longest_turn"
BEGINNING_SECONDS = 3.0  # turns during startup are not counted

run = asyncio.Handle._run
longest, begun = 0.0, time.monotonic()


def timed(handle: asyncio.Handle) -> None:
    """Run a callback that is due, and keep its CPU time if it is the longest so far."""
    global longest  # noqa: PLW0603 - this function runs a million times
    at = time.thread_time()
    run(handle)
    if time.monotonic() > begun + BEGINNING_SECONDS:
        longest = max(longest, time.thread_time() - at)


if __name__ == "__main__":
    with mock.patch.object(asyncio.Handle, "_run", timed):
        status = sora_proxy([])
    Path(LONGEST_TURN).write_text(str(longest))
    sys.exit(status)
