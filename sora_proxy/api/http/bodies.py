"""Request bodies. Large bodies contain images: they are parsed on threads, and only a few are in memory at a time."""

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from aiohttp import web

from sora_proxy.api.http.arrival import arriving, in_time
from sora_proxy.api.http.context import LARGE_BODY_SLOTS, THREADS
from sora_proxy.blocking import Work

MAX_PARSED_ON_LOOP = 2**16  # bytes; a larger body is parsed on a thread
T = TypeVar("T")


@contextlib.asynccontextmanager
async def parsed(request: web.Request, parse: Callable[[bytes], T]) -> AsyncIterator[T]:
    """The request's body, parsed by `parse`.

    A large body has to wait while too many others are in memory, so callers must not keep its content after the block.

    A body counts as large only when more than `MAX_PARSED_ON_LOOP` bytes have arrived, whatever its Content-Length. So
    a client that announces a large body, but sends hardly anything, does not keep other bodies waiting.
    """
    chunks: list[bytes] = []
    if await _read(request, chunks, enough=MAX_PARSED_ON_LOOP):
        yield parse(b"".join(chunks))
        return
    async with request.app[LARGE_BODY_SLOTS]:
        await _read(request, chunks, enough=request.client_max_size)
        yield await request.app[THREADS].run(Work.media, parse, _joined(chunks))


async def _read(request: web.Request, chunks: list[bytes], enough: int) -> bool:
    """Read until the body ends, or until more than `enough` bytes have arrived. Returns whether the body has ended.

    `request.read` is not used, because it would keep a copy.
    """
    size = sum(map(len, chunks))
    async with arriving(request):
        while size <= enough:
            chunk = await in_time(request.content.readany())
            if not chunk:
                return True
            chunks.append(chunk)
            size += len(chunk)
            if size > request.client_max_size:
                raise web.HTTPRequestEntityTooLarge(request.client_max_size)
    return False


def _joined(chunks: list[bytes]) -> bytes:
    """The whole body. The chunks are dropped, so that the body is in memory only once."""
    whole = b"".join(chunks)
    chunks.clear()
    return whole
