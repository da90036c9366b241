"""Bounds the wait for clients that read slowly."""

import asyncio
from collections.abc import Awaitable

from aiohttp import web

# A client that reads nothing for this long is disconnected; its generation continues.
WRITE_SECONDS = 60.0


async def written_in_time(request: web.Request, writing: Awaitable[None]) -> None:
    """Wait for a write, which may block until the client reads. Raises ConnectionResetError after `WRITE_SECONDS`."""
    try:
        async with asyncio.timeout(WRITE_SECONDS):
            await writing
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError("the client does not read") from None
