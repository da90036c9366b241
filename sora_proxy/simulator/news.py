"""How tests wait until the simulator has seen something."""

import asyncio
import contextlib
from collections.abc import Callable


class News:
    """Facts that change, and those who wait for a change."""

    def __init__(self) -> None:
        """Start without anybody who waits."""
        self._changed = asyncio.Event()

    def wake(self) -> None:
        """Let everybody who waits look again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait_for(self, met: Callable[[], bool], timeout: float) -> None:
        """Wait until `met`, at most `timeout` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while not met():
                    await self._changed.wait()
