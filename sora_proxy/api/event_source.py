"""A generation's log as a browser's `EventSource` reads it: `id:`, `event:` and `data:` lines.

The ids are the log's own numbers. OpenAI's SDKs can't read this; for them are the streams without ids.
"""

from contextlib import aclosing

import orjson
from aiohttp import web

from sora_proxy.api.http.context import SETTINGS
from sora_proxy.api.http.links import picture_link
from sora_proxy.api.http.sse import EventStream
from sora_proxy.generation import Event, Generation, Picture, event_to_record


class EventSource:
    """One open answer, from the event after `after` to the end of the log."""

    def __init__(self, request: web.Request, generation: Generation, *, after: int) -> None:
        self._request = request
        self._generation = generation
        self._after = after

    async def run(self) -> web.StreamResponse:
        log = self._generation.log
        if self._generation.ended and self._after == len(log):
            return web.Response(status=204)  # which tells an EventSource not to come again
        stream = EventStream(self._request)
        await stream.open()
        await stream.heartbeat()
        number = self._after
        async with aclosing(log.follow(number, idle=self._request.app[SETTINGS].heartbeat_interval)) as news:
            async for events in news:
                text = b"".join([self._text(each, event) for each, event in enumerate(events, number + 1)])
                number += len(events)
                await (stream.write(text) if text else stream.heartbeat())
        if not self._generation.ended:  # without an id: the next process goes on after the event told last
            fields = {"id": self._generation.id, "starting_after": number}
            await stream.write(b"event: stopping\ndata: %b\n\n" % orjson.dumps(fields))
        return await stream.end(done=False)

    def _text(self, number: int, event: Event) -> bytes:
        kind, fields = event_to_record(event)
        if isinstance(event, Picture):
            fields = {"index": event.index, "url": picture_link(self._request, event)}
        return b"id: %d\nevent: %b\ndata: %b\n\n" % (number, kind.encode(), orjson.dumps(fields))
