"""Asking for a generation again. Answered from what is known here: no upstream key is ever touched."""

from aiohttp import web

from sora_proxy.api.chat import completion_response
from sora_proxy.api.chat_chunks import STRIDE
from sora_proxy.api.chat_stream import ChatStream
from sora_proxy.api.context import CLIENT, SUPERVISOR
from sora_proxy.api.event_source import EventSource, resume_point
from sora_proxy.errors import ClientError
from sora_proxy.generation import Generation


async def retrieve(request: web.Request) -> web.StreamResponse:
    """`GET /v1/generation/{id}` and `GET /v1/chat/completions/{id}`: the completion, wherever it stands.

    With `stream=true` the stream of its order, from the beginning or from where `starting_after` says.
    """
    generation = await find(request)
    if request.query.get("stream") != "true":
        return completion_response(request, generation)
    asked = request.query.get("starting_after")
    after = -1 if asked is None else resume_point(asked, len(generation.log), stride=STRIDE)
    return await ChatStream(request, generation, include_usage=generation.spec.include_usage, after=after).run()


async def events(request: web.Request) -> web.StreamResponse:
    """`GET /v1/generation/{id}/events`: the log itself, for `EventSource`, whose own header wins when it comes back."""
    generation = await find(request)
    asked = request.headers.get("last-event-id") or request.query.get("starting_after", "0")
    return await EventSource(request, generation, after=resume_point(asked, len(generation.log))).run()


async def find(request: web.Request) -> Generation:
    """The caller's generation. Somebody else's is as unknown as one that never was.

    Raises ClientError.
    """
    generation_id = request.match_info["id"]
    generation = await request.app[SUPERVISOR].find(generation_id, request[CLIENT])
    if generation is None:
        raise ClientError(f"There is no generation {generation_id[:80]!r}.", status=404, code="not_found", param="id")
    return generation
