"""sora_proxy with a clock on each turn of its event loop. The clock counts the CPU time of the event loop's thread.

`python -m tests.benchmarks.watched` is a program of its own. When it ends, it writes the longest turn (in
seconds) to a file in its folder.
"""

import asyncio
import sys
import time
from pathlib import Path
from unittest import mock

from sora_proxy.__main__ import main as sora_proxy

LONGEST_TURN = "longest_turn"
BEGINNING_SECONDS = 3.0  # turns during the start are not counted

run = asyncio.Handle._run
longest, begun = 0.0, time.monotonic()


def timed(handle: asyncio.Handle) -> None:
    """Run the callbacks that are due, and record how long they took."""
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
