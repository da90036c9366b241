"""A client and its generations: asking for one again, following it, cancelling it, and the list of all.

Answered from what is known here: no upstream key is ever touched.
"""

from aiohttp import web

from sora_proxy.api.chat.chunks import STRIDE
from sora_proxy.api.chat.legacy_sdk import by_legacy_sdk, unknown_completion
from sora_proxy.api.chat.routes import completion_response
from sora_proxy.api.chat.stream import ChatStream
from sora_proxy.api.context import READERS, RETENTION, STORE, SUPERVISOR
from sora_proxy.api.event_source import EventSource
from sora_proxy.api.http.answers import json_response
from sora_proxy.api.http.context import CLIENT
from sora_proxy.api.http.errors import ClientError
from sora_proxy.api.http.links import public_origin
from sora_proxy.api.http.paging import limit_of, page_response
from sora_proxy.api.http.resuming import resume_point, stream_asked_after
from sora_proxy.api.orders import name_order
from sora_proxy.api.reference.answer_schemas import ChatCompletion, GenerationAnswer, GenerationList
from sora_proxy.api.reference.described import EVENTS, JSON, Description, described
from sora_proxy.generation import FINAL, Generation, Phase


@described(
    Description(
        query={"stream": "`true`: as a stream", "starting_after": "the number of the last chunk that you have"},
        answer=ChatCompletion,
        media=(JSON, EVENTS),
    )
)
async def retrieve(request: web.Request) -> web.StreamResponse:
    """The completion, wherever it stands.

    With `stream=true` the stream of its order, from the beginning or from where `starting_after` says.
    """
    try:
        generation = await find(request)
    except ClientError as unknown:
        if not by_legacy_sdk(request):
            raise
        return json_response(unknown_completion(request.match_info["id"], str(unknown)))
    after = stream_asked_after(request, generation, stride=STRIDE)
    if after is None:
        return completion_response(request, generation)
    with request.app[READERS].reading(generation):
        return await ChatStream(request, generation, include_usage=generation.spec.include_usage, after=after).run()


@described(
    Description(
        query={"starting_after": "the number of the last event that you have"}, media=(EVENTS,), or_nothing=True
    )
)
async def events(request: web.Request) -> web.StreamResponse:
    """The log itself, for `EventSource`, whose own header wins when it comes back."""
    generation = await find(request)
    asked = request.headers.get("last-event-id") or request.query.get("starting_after", "0")
    after = resume_point(asked, len(generation.log))
    with request.app[READERS].reading(generation):
        return await EventSource(request, generation, after=after).run()


@described(Description(answer=GenerationAnswer))
async def cancel(request: web.Request) -> web.Response:
    """Cancel a generation. Twice, or too late, it changes nothing."""
    generation = await find(request)
    await request.app[SUPERVISOR].cancel(generation)
    return json_response(generation.summary(public_origin(request)))


@described(
    Description(
        query={
            "after": "the last id that you have",
            "limit": "how many, at most",
            "status": f"only those that are {', '.join(Phase)}",
        },
        answer=GenerationList,
    )
)
async def list_generations(request: web.Request) -> web.Response:
    """One's own generations, the newest first."""
    client, limit = request[CLIENT], limit_of(request)
    after, asked = request.query.get("after"), request.query.get("status")
    if asked is not None and asked not in [*Phase]:
        raise ClientError(f"'status' must be one of: {', '.join(Phase)}.", param="status")
    if after is not None and await request.app[STORE].find(after, client) is None:
        raise ClientError("Unknown generation in 'after'.", param="after")
    phase = Phase(asked) if asked is not None else None
    found = await request.app[STORE].newest(client, limit + 1, before=after, phase=phase)
    origin = public_origin(request)
    return page_response([each.summary(origin) for each in found[:limit]], has_more=len(found) > limit)


async def find(request: web.Request) -> Generation:
    """The caller's generation. Somebody else's is as unknown as one that never was.

    Raises ClientError.
    """
    generation_id = request.match_info["id"]
    generation = await request.app[SUPERVISOR].find(generation_id, request[CLIENT])
    if generation is None:
        raise ClientError(f"There is no generation {generation_id[:80]!r}.", code="not_found", param="id")
    name_order(request, generation)
    return generation


async def forget(request: web.Request, generation: Generation) -> None:
    """Remove all that is stored of a finished generation. Raises ClientError."""
    if generation.status not in FINAL:  # a cancelled one may still have to do with the back end
        raise ClientError("The generation has not ended yet.", code="conflict", param="id")
    await request.app[RETENTION].forget([generation.id])
