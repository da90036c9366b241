"""Stopping: pauses that end when the server stops."""

import asyncio

from aiohttp import web


class Stopping:
    """Ends the deliberate pauses of handlers when the server stops."""

    def __init__(self) -> None:
        """Start as a server that is not stopping."""
        self._begun = asyncio.Event()

    @property
    def begun(self) -> bool:
        """Return whether the server is stopping."""
        return self._begun.is_set()

    def begin(self) -> None:
        """End all pauses, including later ones."""
        self._begun.set()

    async def pause(self, seconds: float | None) -> bool:
        """Wait for this many seconds (None: forever). The wait ends early if the server stops.

        Returns whether the server is still serving.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._begun.wait()
        except TimeoutError:
            return True
        return False


STOPPING: web.AppKey[Stopping] = web.AppKey("stopping", Stopping)
