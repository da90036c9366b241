"""Asking for a generation again. Answered from what is known here: no upstream key is ever touched."""

from aiohttp import web

from sora_proxy.api.chat import completion_response
from sora_proxy.api.context import CLIENT, SUPERVISOR
from sora_proxy.errors import ClientError


async def retrieve(request: web.Request) -> web.Response:
    """`GET /v1/generation/{id}` and `GET /v1/chat/completions/{id}`: the completion, wherever it stands."""
    generation_id = request.match_info["id"]
    generation = await request.app[SUPERVISOR].find(generation_id, request[CLIENT])
    if generation is None:
        raise ClientError(f"There is no generation {generation_id[:80]!r}.", status=404, code="not_found", param="id")
    return completion_response(request, generation)
