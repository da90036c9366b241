"""News: lets tests wait until a simulator has seen something."""

import asyncio
import contextlib
from collections.abc import Callable


class News:
    """A base class for records whose changes tests wait for."""

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
