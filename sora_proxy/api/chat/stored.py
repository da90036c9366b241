"""Stored completions: listed, annotated, deleted, and read again with the messages that led to them.

Any completion can be retrieved by its id; the list has those that were ordered with `"store": true`.
"""

import re
from collections.abc import Mapping

from aiohttp import web

from sora_proxy.api.chat.completions import completion
from sora_proxy.api.chat.routes import completion_response
from sora_proxy.api.context import CONVERSATIONS, STORE
from sora_proxy.api.generations import find, forget
from sora_proxy.api.http.answers import json_response
from sora_proxy.api.http.bodies import parsed
from sora_proxy.api.http.context import CLIENT
from sora_proxy.api.http.errors import ClientError
from sora_proxy.api.http.paging import MOST, limit_of, page_response
from sora_proxy.api.reference.answer_schemas import (
    ChatCompletion,
    ChatCompletionList,
    DeletedChatCompletion,
    StoredMessageList,
)
from sora_proxy.api.reference.described import Description, described
from sora_proxy.api.requests.schemas import MOST_MESSAGES, MetadataRequest, bracketed, parse_metadata_request
from sora_proxy.orders.conversations import Page, Said

PAGE = {"after": "the last id that you have", "limit": "how many, at most", "order": "`asc` or `desc`"}
FILTERS = {"model": "only this model's", "metadata[key]": "only those with this value"}
UNSEARCHABLE = re.compile(r'["\\\x00-\x1f]')  # a path into JSON has no way to spell these


@described(Description(query=PAGE | FILTERS, answer=ChatCompletionList))
async def list_completions(request: web.Request) -> web.Response:
    """The completions that were ordered with `store`."""
    page, limit = _page(request)
    ids = await request.app[CONVERSATIONS].ids(request[CLIENT], page)
    found = await request.app[STORE].find_all(ids[:limit])
    return page_response([completion(request, generation) for generation in found], has_more=len(ids) > limit)


@described(Description(body=MetadataRequest, answer=ChatCompletion))
async def update(request: web.Request) -> web.Response:
    """Give a completion other metadata."""
    generation = await find(request)
    async with parsed(request, parse_metadata_request) as metadata:
        await request.app[STORE].annotate(generation, metadata)
    return completion_response(request, generation)


@described(Description(answer=DeletedChatCompletion))
async def delete(request: web.Request) -> web.Response:
    """Forget a finished completion and its pictures."""
    generation = await find(request)
    await forget(request, generation)
    return json_response({"id": generation.id, "object": "chat.completion.deleted", "deleted": True})


@described(Description(query=PAGE, answer=StoredMessageList))
async def list_messages(request: web.Request) -> web.Response:
    """What was said to get a completion: of one that was not to be stored, the prompt."""
    generation = await find(request)
    said = await request.app[CONVERSATIONS].messages(generation.id) or [Said("user", generation.spec.prompt)]
    messages = [
        {"id": f"{generation.id}-{n}", "role": one.role, "content": one.text, "refusal": None, "content_parts": None}
        for n, one in enumerate(said)
    ]
    page, limit = _page(request, most=MOST_MESSAGES)
    if page.newest_first:
        messages.reverse()
    if page.after is not None:
        places = [place for place, message in enumerate(messages, 1) if message["id"] == page.after]
        messages = messages[places[0] :] if places else []
    return page_response(messages[:limit], has_more=len(messages) > limit)


def _page(request: web.Request, *, most: int = MOST) -> tuple[Page, int]:
    """The part of a list that the query asks for, one longer than its limit, to see whether more follows; the limit."""
    query = request.query
    order = query.get("order", "asc")
    if order not in ("asc", "desc"):
        raise ClientError("'order' must be 'asc' or 'desc'.", param="order")
    limit = limit_of(request, most=most)
    page = Page(query.get("after"), limit + 1, order == "desc", query.get("model"), _metadata(query))
    return page, limit


def _metadata(query: Mapping[str, str]) -> dict[str, str]:
    pairs = bracketed("metadata", query)
    if any(UNSEARCHABLE.search(name) for name in pairs):
        raise ClientError(
            "A list can't be filtered by a key with a quote, a backslash or a control character in it.",
            param="metadata",
        )
    return pairs
