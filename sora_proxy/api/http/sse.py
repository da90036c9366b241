"""Server-sent events for OpenAI's clients: `data:` lines, and comments to keep the connection alive.

Nothing else is sent to these clients: an `id:`, a lone `retry:` or an empty `data:` crashes some released SDKs.
"""

from collections.abc import Iterable

from aiohttp import web

from sora_proxy.api.http.slow_readers import written_in_time

# Below this size, a write never waits for the reader: asyncio makes writers wait above 64 KiB.
MAX_UNREAD_BYTES = 32 * 2**10

DONE = b"data: [DONE]\n\n"
HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",  # otherwise nginx buffers events
    "x-content-type-options": "nosniff",
}


class EventStream:
    """One streamed answer. Everything is sent immediately; a slow reader delays only its own stream."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._response = web.StreamResponse(headers=HEADERS)

    async def open(self) -> None:
        await self._response.prepare(self._request)

    async def send(self, events: Iterable[bytes]) -> None:
        """Write several events, each of which is one line of JSON, in one write."""
        await self.write(_lines(events))

    async def heartbeat(self) -> None:
        await self.comment("ping")

    async def comment(self, text: str) -> None:
        """Write a comment, which every client skips."""
        await self.write(f": {text}\n\n".encode())

    async def end(self, events: Iterable[bytes] = (), *, done: bool) -> web.StreamResponse:
        """Write the last events and close the answer: some clients read until it is closed, whatever the last event is.

        `done` adds the marker `[DONE]`.
        """
        await written_in_time(self._request, self._response.write_eof(_lines(events) + (DONE if done else b"")))
        return self._response

    async def write(self, data: bytes) -> None:
        """Write bytes that are complete events or comments."""
        transport = self._request.transport
        if transport is not None and transport.get_write_buffer_size() + len(data) < MAX_UNREAD_BYTES:
            await self._response.write(data)  # the buffer has room, so this write does not wait
        else:
            await written_in_time(self._request, self._response.write(data))


def _lines(events: Iterable[bytes]) -> bytes:
    return b"".join([b"data: %b\n\n" % event for event in events])
