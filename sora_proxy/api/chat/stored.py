"""The routes that retrieve, annotate, delete and list stored completions, and list their messages.

Any completion can be retrieved by its id; the list contains only those that were ordered with `"store": true`.
"""

import re
from collections.abc import Mapping

from aiohttp import web

from sora_proxy.api.chat.chunks import NUMBERS_PER_EVENT
from sora_proxy.api.chat.completions import completion
from sora_proxy.api.chat.legacy_sdk import by_legacy_sdk, knows_only_error, unknown_completion
from sora_proxy.api.chat.requests import MetadataRequest, parse_metadata_request
from sora_proxy.api.chat.stream import ChatStream
from sora_proxy.api.context import CONVERSATIONS, READERS, STORE
from sora_proxy.api.http.answers import json_response
from sora_proxy.api.http.bodies import parsed
from sora_proxy.api.http.context import CLIENT
from sora_proxy.api.http.origin import public_origin
from sora_proxy.api.http.paging import MAX_LIMIT, limit_of, page_response
from sora_proxy.api.http.refusals import ClientError
from sora_proxy.api.http.resuming import requested_start
from sora_proxy.api.lookup import find, forget, poll_headers
from sora_proxy.api.ordering.schemas import MAX_MESSAGES, bracketed
from sora_proxy.api.reference.answer_schemas import (
    ChatCompletion,
    ChatCompletionList,
    DeletedChatCompletion,
    StoredMessageList,
)
from sora_proxy.api.reference.described import EVENTS, JSON, Description, described
from sora_proxy.generation import Generation
from sora_proxy.orders.conversations import MessageText, Page

PAGE = {
    "after": "begin after the entry with this id; use the id of the last entry of the previous page",
    "limit": "the maximum number of entries in the page",
    "order": "`asc`: oldest first; `desc`: newest first",
}
FILTERS = {
    "model": "return only completions of this model",
    "metadata[key]": "return only completions with this value in their metadata",
}
UNSEARCHABLE = re.compile(r'["\\\x00-\x1f]')  # characters that a JSON path can't contain


@described(
    Description(
        query={"stream": "`true`: return a stream", "starting_after": "begin after the chunk with this number"},
        answer=ChatCompletion,
        media=(JSON, EVENTS),
    )
)
async def retrieve(request: web.Request) -> web.StreamResponse:
    """Retrieve a completion in any state.

    With `stream=true`, the answer is a stream: from the beginning, or after the chunk number `starting_after`.
    """
    try:
        generation, origin = await find(request), public_origin(request)
    except ClientError as unknown:
        if not by_legacy_sdk(request):
            raise
        return json_response(unknown_completion(request.match_info["id"], str(unknown)))
    after = requested_start(request, generation, numbers_per_event=NUMBERS_PER_EVENT)
    if after is None:
        return _response(request, generation, origin)
    include_usage = generation.spec.include_usage
    with request.app[READERS].reading(generation):
        return await ChatStream(request, generation, origin, include_usage=include_usage, after=after).run()


@described(Description(query=PAGE | FILTERS, answer=ChatCompletionList))
async def list_completions(request: web.Request) -> web.Response:
    """List the completions that were ordered with `store`."""
    page, limit = _page(request)
    ids = await request.app[CONVERSATIONS].ids(request[CLIENT], page)
    found = await request.app[STORE].find_all(ids[:limit])
    origin, only_error = public_origin(request), knows_only_error(request)
    data = [completion(generation, origin, only_error=only_error) for generation in found]
    return page_response(data, has_more=len(ids) > limit)


@described(Description(body=MetadataRequest, example={"metadata": {"project": "foxes"}}, answer=ChatCompletion))
async def update(request: web.Request) -> web.Response:
    """Replace the metadata of a completion."""
    generation = await find(request)
    async with parsed(request, parse_metadata_request) as metadata:
        await request.app[STORE].annotate(generation, metadata)
    return _response(request, generation, public_origin(request))


@described(Description(answer=DeletedChatCompletion))
async def delete(request: web.Request) -> web.Response:
    """Delete a finished completion and its images."""
    generation = await find(request)
    await forget(request, generation)
    return json_response({"id": generation.id, "object": "chat.completion.deleted", "deleted": True})


@described(Description(query=PAGE, answer=StoredMessageList))
async def list_messages(request: web.Request) -> web.Response:
    """List the messages of a completion, or only its prompt if the messages were not stored."""
    generation = await find(request)
    stored = await request.app[CONVERSATIONS].messages(generation.id) or [MessageText("user", generation.spec.prompt)]
    messages = [
        {"id": f"{generation.id}-{n}", "role": one.role, "content": one.text, "refusal": None, "content_parts": None}
        for n, one in enumerate(stored)
    ]
    page, limit = _page(request, maximum=MAX_MESSAGES)
    if page.newest_first:
        messages.reverse()
    if page.after is not None:
        places = [place for place, message in enumerate(messages, 1) if message["id"] == page.after]
        messages = messages[places[0] :] if places else []
    return page_response(messages[:limit], has_more=len(messages) > limit)


def _response(request: web.Request, generation: Generation, origin: str) -> web.Response:
    body = completion(generation, origin, only_error=knows_only_error(request))
    return json_response(body, headers=poll_headers(generation))


def _page(request: web.Request, *, maximum: int = MAX_LIMIT) -> tuple[Page, int]:
    """The requested page and its limit. The page has one item more than the limit, to show whether more follow."""
    query = request.query
    order = query.get("order", "asc")
    if order not in ("asc", "desc"):
        raise ClientError("'order' must be 'asc' or 'desc'.", param="order")
    limit = limit_of(request, maximum=maximum)
    page = Page(query.get("after"), limit + 1, order == "desc", query.get("model"), _metadata(query))
    return page, limit


def _metadata(query: Mapping[str, str]) -> dict[str, str]:
    pairs = bracketed("metadata", query)
    if any(UNSEARCHABLE.search(name) for name in pairs):
        raise ClientError(
            "A list can't be filtered by a metadata key that contains a quote, a backslash or a control character.",
            param="metadata",
        )
    return pairs
