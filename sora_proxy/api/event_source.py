"""Streams a generation's log in the form that a browser's `EventSource` reads: `id:`, `event:` and `data:` lines.

The ids are the numbers of the events in the log. Streams for OpenAI's SDKs have a different form, because some of the
SDKs can't parse ids.
"""

from contextlib import aclosing

import orjson
from aiohttp import web

from sora_proxy.api.http.context import SETTINGS
from sora_proxy.api.http.sse import EventStream
from sora_proxy.event_log import Event, Image, event_to_record
from sora_proxy.generation import Generation


class EventSource:
    """One streamed answer, which contains the events after number `after`, up to the end of the log."""

    def __init__(self, request: web.Request, generation: Generation, origin: str, *, after: int) -> None:
        self._request = request
        self._generation = generation
        self._origin = origin
        self._after = after

    async def run(self) -> web.StreamResponse:
        log = self._generation.log
        if self._generation.ended and self._after == len(log):
            return web.Response(status=204)  # an EventSource does not reconnect after this status
        stream = EventStream(self._request)
        await stream.open()
        await stream.heartbeat()
        number = self._after
        async with aclosing(log.follow(number, idle=self._request.app[SETTINGS].current.heartbeat_interval)) as batches:
            async for events in batches:
                numbered = enumerate(events, number + 1)
                number += len(events)
                text = b"".join([event_text(each, event, self._origin) for each, event in numbered])
                await (stream.write(text) if text else stream.heartbeat())
        if not self._generation.ended:  # this event has no id, so clients resume after the last event of the log
            kind = b"generation_timeout" if self._generation.overdue else b"stopping"
            fields = {"id": self._generation.id, "starting_after": number}
            await stream.write(b"event: %b\ndata: %b\n\n" % (kind, orjson.dumps(fields)))
        return await stream.end(done=False)


def event_text(number: int, event: Event, origin: str) -> bytes:
    """The lines of one event of the log. Links to images begin with `origin`."""
    kind, fields = event_to_record(event)
    if isinstance(event, Image):
        fields = {"index": event.index, "url": event.link(origin)}
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (number, kind.encode(), orjson.dumps(fields))
