"""Readers that are slow are waited for, within bounds."""

import asyncio
from collections.abc import Awaitable

from aiohttp import web

# A reader that takes no byte for this long is cut; its generation goes on.
WRITE_SECONDS = 60.0


async def in_time(request: web.Request, writing: Awaitable[None]) -> None:
    """Wait for a write that waits for the reader."""
    try:
        async with asyncio.timeout(WRITE_SECONDS):
            await writing
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError("the client does not read") from None
