"""One streamed response: what the log says, as events, and the progress as comments, which every client skips."""

from collections.abc import Iterable, Sequence
from contextlib import aclosing

from aiohttp import web

from sora_proxy.api.chat.completions import progress_text
from sora_proxy.api.http.context import SETTINGS
from sora_proxy.api.http.pieces import Piece, write_pieces
from sora_proxy.api.http.sse import EventStream
from sora_proxy.api.responses.events import ResponseEvents
from sora_proxy.api.responses.objects import ResponseObjects, outcome_of, response_id_of
from sora_proxy.generation import Event, Generation, Progress, Queued


class ResponseStream:
    """Tells a generation from its beginning, or from where the client was cut off: what it then gets is the same."""

    def __init__(self, request: web.Request, generation: Generation, *, after: int = -1) -> None:
        self._request = request
        self._generation = generation
        self._events = ResponseEvents(ResponseObjects(generation), after)
        self._stream = EventStream(request)

    async def run(self) -> web.StreamResponse:
        await self._stream.open()
        await self._write(self._events.opening())
        idle = self._request.app[SETTINGS].heartbeat_interval
        async with aclosing(self._generation.log.follow(idle=idle)) as news:
            async for events in news:
                await self._tell(events)
        if not self._generation.ended:
            where = f"/v1/responses/{response_id_of(self._generation.id)}?stream=true"
            message = f"The server is stopping. The order continues; resume this stream at {where}"
            await self._write(self._events.cut("server_stopping", f"{message}&starting_after={self._events.told}"))
        return await self._stream.end(done=False)

    async def _tell(self, events: Sequence[Event]) -> None:
        """Silence gets a comment too: the connection must not fall silent with it."""
        words = [progress_text(event) for event in events if isinstance(event, Queued | Progress)]
        await self._stream.comment(words[-1] if words else "ping")
        outcome = await outcome_of(self._request, self._generation)
        for event in events:
            await self._write(self._events.of(event, outcome))

    async def _write(self, pieces: Iterable[Piece]) -> None:
        await write_pieces(pieces, self._request, self._stream.write)
