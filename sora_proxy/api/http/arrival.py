"""Request bodies as they arrive: read only when they are needed, within limits on time and size.

A client that sends `Expect: 100-continue` is asked for its body only after the request has been checked.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable
from typing import TypeVar

from aiohttp import web

from sora_proxy.api.http.refusals import ClientError

IDLE_SECONDS = 30.0  # the longest wait for the next byte
MAX_ARRIVAL_SECONDS = 300.0
T = TypeVar("T")


async def continue_later(_request: web.Request) -> None:
    """Do nothing: `Expect` is answered when the body is needed, after the request has been checked."""


@contextlib.asynccontextmanager
async def arriving(request: web.Request) -> AsyncIterator[None]:
    """A context for code that reads a body, each piece with `in_time`.

    Raises ClientError if the body is compressed or arrives too slowly, and HTTPRequestEntityTooLarge if its
    Content-Length is too large.
    """
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        message = "The request body must be sent without a Content-Encoding."
        raise ClientError(message, code="unsupported_media_type")
    if (request.content_length or 0) > request.client_max_size:
        raise web.HTTPRequestEntityTooLarge(request.client_max_size)
    if request.headers.get("expect", "").lower() == "100-continue" and not request.content.total_bytes:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the 100 is not part of the answer, which has not begun
    try:
        async with asyncio.timeout(MAX_ARRIVAL_SECONDS):
            yield
    except TimeoutError:
        raise ClientError("The request body arrived too slowly.", code="request_timeout") from None


async def in_time(reading: Awaitable[T]) -> T:
    """Wait for the next piece. Raises TimeoutError after `IDLE_SECONDS`."""
    async with asyncio.timeout(IDLE_SECONDS):
        return await reading
