"""Makes pages of lists in the form that OpenAI's API uses."""

import re
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from sora_proxy.api.http.answers import json_response
from sora_proxy.api.http.refusals import ClientError

DEFAULT_LIMIT, MAX_LIMIT, MAX_LIMIT_FOR_OPERATORS = 20, 100, 1000
PAGES = {
    "after": "begin after the entry with this id; use the id of the last entry of the previous page",
    "limit": "the maximum number of entries in the page",
}
WHOLE_NUMBER = re.compile(r"-?\d{1,18}", re.ASCII)


def limit_of(request: web.Request, *, maximum: int = MAX_LIMIT) -> int:
    """The number of items that a client wants, within bounds. Raises ClientError."""
    limit = request.query.get("limit", str(DEFAULT_LIMIT))
    if WHOLE_NUMBER.fullmatch(limit) is None:
        raise ClientError("'limit' must be a number.", param="limit")
    return min(max(int(limit), 1), maximum)


def page_of(found: Sequence[dict[str, Any]], limit: int) -> web.Response:
    """One page of items with ids. `found` has one more item than the page if more items follow."""
    return page_response(found[:limit], has_more=len(found) > limit)


def page_response(data: Sequence[dict[str, Any]], *, has_more: bool) -> web.Response:
    """One page of items with ids."""
    ends = {"first_id": data[0]["id"] if data else None, "last_id": data[-1]["id"] if data else None}
    return json_response({"object": "list", "data": data, **ends, "has_more": has_more})
