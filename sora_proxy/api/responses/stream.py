"""Streams a response: the log as events, and the progress as comments, which all clients skip."""

from collections.abc import Iterable, Sequence
from contextlib import aclosing

from aiohttp import web

from sora_proxy.api.http.context import MEDIA, SETTINGS, THREADS
from sora_proxy.api.http.pieces import Piece, write_pieces
from sora_proxy.api.http.sse import EventStream
from sora_proxy.api.lookup import why_cut
from sora_proxy.api.previews import Previews
from sora_proxy.api.responses.events import ResponseEvents
from sora_proxy.api.responses.objects import ResponseObjects, outcome_of, response_id_of
from sora_proxy.api.wording import progress_text
from sora_proxy.event_log import Event, Progress, Queued
from sora_proxy.generation import Generation


class ResponseStream:
    """Streams a generation from its beginning, or resumes a stream that was cut. Except for previews, the events are
    the same in both cases."""

    def __init__(self, request: web.Request, generation: Generation, origin: str, *, after: int = -1) -> None:
        self._request = request
        self._generation = generation
        self._origin = origin
        self._events = ResponseEvents(ResponseObjects(generation), after)
        self._previews = Previews(generation, generation.spec.previews)
        self._stream = EventStream(request)

    async def run(self) -> web.StreamResponse:
        await self._stream.open()
        await self._write(self._events.opening())
        idle = self._request.app[SETTINGS].current.heartbeat_interval
        async with aclosing(self._generation.log.follow(idle=idle, nudged=self._previews.wanted)) as batches:
            async for events in batches:
                await self._send(events)
        if not self._generation.ended:
            after = f"stream=true&starting_after={self._events.last_number}"
            path = f"/v1/responses/{response_id_of(self._generation.id)}?{after}"
            why = why_cut(self._generation, self._origin + path)
            await self._write(self._events.cut(why.code, why.message))
        return await self._stream.end(done=False)

    async def _send(self, events: Sequence[Event]) -> None:
        """Send a comment, which keeps the connection alive, and then the stream's events for these events of the log.
        Then send the newest previews, if the client wants them.
        """
        words = [progress_text(event) for event in events if isinstance(event, Queued | Progress)]
        await self._stream.comment(words[-1] if words else "ping")
        outcome = await outcome_of(self._generation, self._request.app[MEDIA], self._origin)
        for event in events:
            await self._write(self._events.of(event, outcome))
        for preview in self._previews.new():
            await self._write(self._events.preview(preview))

    async def _write(self, pieces: Iterable[Piece]) -> None:
        await write_pieces(pieces, self._request.app[THREADS], self._stream.write)
