"""News: lets callers wait until the record of a simulator meets a condition."""

import asyncio
import contextlib
from collections.abc import Callable


class News:
    """A base class for records. A waiter checks its condition again whenever the record changes."""

    def __init__(self) -> None:
        """Start without waiters."""
        self._changed = asyncio.Event()

    def wake(self) -> None:
        """Let all waiters check their conditions again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait_for(self, met: Callable[[], bool], timeout: float) -> None:
        """Wait until `met` returns true, for at most `timeout` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while not met():
                    await self._changed.wait()
