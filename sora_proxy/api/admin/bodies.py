"""What operators send, and the shape of what they get: JSON, strictly checked; lists in pages."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from sora_proxy.api.answers import json_response
from sora_proxy.api.context import POOL
from sora_proxy.api.schemas import explain
from sora_proxy.blocking import Work
from sora_proxy.errors import ClientError

LARGE_BODY = 2**16  # from here on, parsing is work for a thread
PAGE, LONGEST_PAGE = 100, 1000
PAGES = {"after": "the id of the last one that you have", "limit": f"how many, at most {LONGEST_PAGE}"}

T = TypeVar("T")


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


async def read_body(request: web.Request, check: Callable[[dict[str, Any]], T]) -> T:
    """The request's JSON object, as `check` makes it of the fields.

    JSON must be declared: a form of another site can't do that unasked. Raises ClientError, naming the field.
    """
    if request.content_type != "application/json":
        message = "The body must be JSON, with the header 'Content-Type: application/json'."
        raise ClientError(message, status=415, code="unsupported_media_type")
    body = await request.read()
    if len(body) > LARGE_BODY:
        return await request.app[POOL].run(Work.media, _parse, body, check)
    return _parse(body, check)


def answer(body: Any, *, status: int = 200) -> web.Response:
    """An answer that nobody in between keeps."""
    return json_response(body, status=status, headers={"cache-control": "no-store"})


def page_bounds(request: web.Request) -> tuple[int, str | None]:
    """`limit` and `after` of a list. Raises ClientError."""
    limit = request.query.get("limit", str(PAGE))
    if not (limit.isascii() and limit.isdecimal() and len(limit) < 6 and 1 <= int(limit) <= LONGEST_PAGE):
        raise ClientError(f"'limit' must be a number from 1 to {LONGEST_PAGE}.", param="limit")
    return int(limit), request.query.get("after")


def page(data: Sequence[Any], limit: int) -> web.Response:
    """One page of a list. `data` may hold one more than `limit`, to tell that there is more."""
    return answer({"object": "list", "data": data[:limit], "has_more": len(data) > limit})


def _parse(body: bytes, check: Callable[[dict[str, Any]], T]) -> T:
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise ClientError("The request's body is not valid JSON.", code="invalid_json") from None
    if not isinstance(fields, dict):
        raise ClientError("The request's body must be a JSON object.", code="invalid_json")
    try:
        return check(fields)
    except ValidationError as error:
        raise explain(error) from None
