"""Server-sent events as OpenAI's clients can read them: `data:` lines, and comments to keep the connection alive.

Nothing else ever goes out: an `id:`, a lone `retry:` or an empty `data:` crashes one released SDK or another.
"""

import asyncio
from typing import Any

import orjson
from aiohttp import web

# A reader that takes no byte for this long is cut; its generation goes on.
WRITE_SECONDS = 60.0

HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",  # nginx would hold events back
    "x-content-type-options": "nosniff",
}


class EventStream:
    """One open answer. Everything written goes out at once; a slow reader slows its own writer only."""

    def __init__(self, request: web.Request, headers: dict[str, str]) -> None:
        self._request = request
        self._response = web.StreamResponse(headers=HEADERS | headers)

    async def open(self) -> None:
        await self._response.prepare(self._request)

    async def send(self, *chunks: dict[str, Any]) -> None:
        """Write events, each as one line of JSON."""
        await self._write(b"".join(b"data: %b\n\n" % orjson.dumps(chunk) for chunk in chunks))

    async def heartbeat(self) -> None:
        await self._write(b": ping\n\n")

    async def done(self) -> web.StreamResponse:
        """End a stream that came to its end: some clients read on until the connection closes, so it does."""
        await self._write(b"data: [DONE]\n\n")
        return await self.end()

    async def end(self) -> web.StreamResponse:
        await self._response.write_eof()
        return self._response

    async def _write(self, data: bytes) -> None:
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await self._response.write(data)
        except TimeoutError:
            if self._request.transport is not None:
                self._request.transport.abort()
            raise ConnectionResetError("the client does not read") from None
