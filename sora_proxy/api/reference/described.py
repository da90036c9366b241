"""The descriptions of routes for the API's document. The first line of a handler's docstring is the summary."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel

JSON, EVENTS = "application/json", "text/event-stream"
NOTE = "description"
H = TypeVar("H", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Description:
    """`body` is the type of the JSON body, `form` that of a form with images. `example` is a body that the route
    accepts after each `{name}` is replaced. A route with an example and without a `body` accepts any object. `query`
    maps the names of query parameters to their descriptions. `answer` is the type of a successful answer, whose media
    type is one of `media`; with `or_nothing`, an answer may also have status 204 and no body. `unavailable` is the type
    of an answer with status 503, if that contains more than an error."""

    body: type[BaseModel] | None = None
    example: Mapping[str, Any] | None = None
    form: type[BaseModel] | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    answer: type[BaseModel] | None = None
    media: tuple[str, ...] = (JSON,)
    status: int = 200
    or_nothing: bool = False
    unavailable: type[BaseModel] | None = None


def described(description: Description | None = None) -> Callable[[H], H]:
    """Add the route of the decorated handler to the API's document."""

    def note(handler: H) -> H:
        setattr(handler, NOTE, description or Description())
        return handler

    return note


def description_of(handler: object) -> Description | None:
    """The description of a handler, if it has one."""
    found: Description | None = getattr(handler, NOTE, None)
    return found
