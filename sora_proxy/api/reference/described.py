"""The description of a route in the API's document, on its handler; its summary is the docstring's first line."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel

JSON, EVENTS = "application/json", "text/event-stream"
NOTE = "description"
H = TypeVar("H", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Description:
    """`body` is sent as JSON, or as a `form` together with its images. `example` is a body that the route accepts, in
    which `{name}` has to be replaced. A route with an example and without a `body` accepts any object. `query` maps
    parameters to meanings; `answer` is the content of a good answer, in one of the forms that `media` lists; with
    `or_nothing` it may be 204. `unavailable` is the content of an answer with the status 503, if it is more than an
    error."""

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
    """Add a route to the document."""

    def note(handler: H) -> H:
        setattr(handler, NOTE, description or Description())
        return handler

    return note


def description_of(handler: object) -> Description | None:
    """The description of a handler, if it has one."""
    found: Description | None = getattr(handler, NOTE, None)
    return found
