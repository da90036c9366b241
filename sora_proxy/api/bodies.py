"""Bodies of requests. Large ones hold pictures: they are parsed on threads, and only a few at a time are in memory."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from aiohttp import web

from sora_proxy.api.context import LARGE_BODIES, POOL
from sora_proxy.blocking import Work
from sora_proxy.errors import ClientError

LARGE = 2**16
LONGEST_SECONDS = 120.0
T = TypeVar("T")


@contextlib.asynccontextmanager
async def parsed(request: web.Request, parse: Callable[[bytes], T]) -> AsyncIterator[T]:
    """What `parse` makes of the request's body. A large one waits for its turn, and must end with the block."""
    if request.content_length is not None and request.content_length <= LARGE:
        yield parse(await _read(request))
        return
    async with request.app[LARGE_BODIES]:
        yield await request.app[POOL].run(Work.media, parse, await _read(request))


async def _read(request: web.Request) -> bytes:
    """The body, which the request does not keep as it would by its own `read`."""
    size, chunks = 0, []
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            async for chunk in request.content.iter_any():
                size += len(chunk)
                if size > request.client_max_size:
                    raise web.HTTPRequestEntityTooLarge(request.client_max_size)
                chunks.append(chunk)
    except TimeoutError:
        raise ClientError("The request's body came too slowly.", status=408, code="request_timeout") from None
    return b"".join(chunks)
