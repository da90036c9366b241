"""Streams a chat answer: the events of the log as chunks, with heartbeats while there are no events."""

from collections.abc import AsyncIterable, Sequence
from contextlib import aclosing

import structlog
from aiohttp import web

from sora_proxy.api.chat.chunks import ChatChunks, ChunkOptions
from sora_proxy.api.chat.legacy_sdk import by_legacy_sdk
from sora_proxy.api.http.context import SETTINGS
from sora_proxy.api.http.sse import EventStream
from sora_proxy.api.lookup import why_cut
from sora_proxy.event_log import Cancelled, Completed, Event, Failed
from sora_proxy.generation import Generation

log = structlog.get_logger(__name__)


class ChatStream:
    """Streams a generation from its beginning, or resumes a stream that was cut. The chunks are the same in both
    cases."""

    def __init__(
        self, request: web.Request, generation: Generation, origin: str, *, include_usage: bool, after: int = -1
    ) -> None:
        settings = request.app[SETTINGS].current
        self._generation = generation
        self._idle = settings.heartbeat_interval
        self._finish_failed = by_legacy_sdk(request)
        options = ChunkOptions(settings.progress_style, include_usage, after, self._finish_failed)
        self._chunks = ChatChunks(generation, options, origin)
        self._origin = origin
        self._stream = EventStream(request)

    async def run(self) -> web.StreamResponse:
        await self._stream.open()
        try:
            async with aclosing(self._generation.log.follow(idle=self._idle)) as batches:
                return await self._follow(batches)
        except ConnectionError:
            raise
        except Exception:
            # The status has been sent: only the stream itself can report the error.
            log.exception("stream crashed")
            return await self._stream.end(self._chunks.cut("internal_error", "Internal server error."), done=False)

    async def _follow(self, batches: AsyncIterable[Sequence[Event]]) -> web.StreamResponse:
        await self._send(self._chunks.role())
        async for events in batches:
            chunks = [chunk for event in events for chunk in self._chunks.of(event)]
            match events:
                case (*_, Completed()):
                    return await self._stream.end(chunks, done=True)
                case (*_, Failed() | Cancelled()):  # a stream that ends with an error has no [DONE]
                    return await self._stream.end(chunks, done=self._finish_failed)
                case _:
                    await self._send(chunks)
        path = f"/v1/chat/completions/{self._generation.id}?stream=true&starting_after={self._chunks.last_number}"
        why = why_cut(self._generation, self._origin + path)
        return await self._stream.end(self._chunks.cut(why.code, why.message), done=False)

    async def _send(self, chunks: list[bytes]) -> None:
        """Send chunks, or a heartbeat if there are no chunks, for example because the client already has all of
        them."""
        if chunks:
            await self._stream.send(chunks)
        else:
            await self._stream.heartbeat()
