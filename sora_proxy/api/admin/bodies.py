"""The request bodies of the admin API: JSON, strictly checked."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from sora_proxy.api.http.bodies import parsed
from sora_proxy.api.http.refusals import ClientError
from sora_proxy.api.ordering.schemas import explain, json_object

T = TypeVar("T")


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def change_of(name: str, kind: type[BaseModel], fields: Iterable[str]) -> type[BaseModel]:
    """A pydantic model with the given fields of `kind`, all optional. It only describes the body of a PATCH in the API
    document; values are checked after the change has been merged into the existing configuration."""
    types: dict[str, Any] = {field: (kind.model_fields[field].rebuild_annotation() | None, None) for field in fields}
    return create_model(name, **types)


async def read_body(request: web.Request, check: Callable[[dict[str, Any]], T]) -> T:
    """The request's JSON object, checked and converted by `check`.

    The Content-Type must be JSON, which a form on another site can't send without a preflight.

    Raises ClientError, which names the field.
    """
    if request.content_type != "application/json":
        message = "The body must be JSON, with the header 'Content-Type: application/json'."
        raise ClientError(message, code="unsupported_media_type")
    async with parsed(request, lambda body: _parse(body, check)) as fields:
        return fields


def _parse(body: bytes, check: Callable[[dict[str, Any]], T]) -> T:
    fields = json_object(body)
    try:
        return check(fields)
    except ValidationError as error:
        raise explain(error) from None
