"""The routes that follow, cancel and list a client's generations, whichever API created them.

All answers come from stored records, so no request waits for a back end.
"""

from aiohttp import web

from sora_proxy.api.context import READERS, STORE, SUPERVISOR
from sora_proxy.api.event_source import EventSource
from sora_proxy.api.http.answers import json_response
from sora_proxy.api.http.context import CLIENT
from sora_proxy.api.http.origin import public_origin
from sora_proxy.api.http.paging import limit_of, page_response
from sora_proxy.api.http.refusals import ClientError
from sora_proxy.api.http.resuming import resume_point
from sora_proxy.api.lookup import find
from sora_proxy.api.reference.answer_schemas import GenerationAnswer, GenerationList
from sora_proxy.api.reference.described import EVENTS, Description, described
from sora_proxy.generation import Phase


@described(
    Description(query={"starting_after": "begin after the event with this number"}, media=(EVENTS,), or_nothing=True)
)
async def events(request: web.Request) -> web.StreamResponse:
    """Stream the events of a generation. `starting_after` is ignored if the header `Last-Event-ID` is sent."""
    generation = await find(request)
    number = request.headers.get("last-event-id") or request.query.get("starting_after", "0")
    after = resume_point(number, len(generation.log))
    with request.app[READERS].reading(generation):
        return await EventSource(request, generation, public_origin(request), after=after).run()


@described(Description(answer=GenerationAnswer))
async def cancel(request: web.Request) -> web.Response:
    """Cancel a generation. A generation that has ended does not change."""
    generation = await find(request)
    await request.app[SUPERVISOR].cancel(generation)
    return json_response(generation.summary(public_origin(request)))


@described(
    Description(
        query={
            "after": "begin after the entry with this id; use the id of the last entry of the previous page",
            "limit": "the maximum number of entries in the page",
            "status": f"return only generations in this state: {', '.join(Phase)}",
        },
        answer=GenerationList,
    )
)
async def list_generations(request: web.Request) -> web.Response:
    """List the client's generations, newest first."""
    client, limit = request[CLIENT], limit_of(request)
    after, status = request.query.get("after"), request.query.get("status")
    if status is not None and status not in [*Phase]:
        raise ClientError(f"'status' must be one of: {', '.join(Phase)}.", param="status")
    if after is not None and await request.app[STORE].find(after, client) is None:
        raise ClientError("'after' must be the id of one of your generations.", param="after")
    phase = Phase(status) if status is not None else None
    found = await request.app[STORE].newest(client, limit + 1, before=after, phase=phase)
    origin = public_origin(request)
    return page_response([each.summary(origin) for each in found[:limit]], has_more=len(found) > limit)
