"""The pauses that a stop of the server cuts short."""

import asyncio

from aiohttp import web


class Stopping:
    """Tells handlers that wait on purpose that the server stops."""

    def __init__(self) -> None:
        """Start in the state of serving."""
        self._begun = asyncio.Event()

    @property
    def begun(self) -> bool:
        """Tell whether the server stops."""
        return self._begun.is_set()

    def begin(self) -> None:
        """End every pause, now and later."""
        self._begun.set()

    async def pause(self, seconds: float | None) -> bool:
        """Wait `seconds` (None: until the stop); tell whether the server still serves."""
        try:
            async with asyncio.timeout(seconds):
                await self._begun.wait()
        except TimeoutError:
            return True
        return False


STOPPING: web.AppKey[Stopping] = web.AppKey("stopping", Stopping)
