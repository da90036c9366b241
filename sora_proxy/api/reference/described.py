"""What the API's document tells of a route, beside its handler: one line, and the first line of its docstring."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel

JSON, EVENTS = "application/json", "text/event-stream"
NOTE = "description"
H = TypeVar("H", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Description:
    """`body` is what is sent (as JSON, or as a form too), `query` names parameters and their meanings, `answer` is what
    a good answer holds, in one of the forms that `media` names; `or_nothing`: it may be 204."""

    body: type[BaseModel] | None = None
    form: bool = False
    query: Mapping[str, str] = field(default_factory=dict)
    answer: type[BaseModel] | None = None
    media: tuple[str, ...] = (JSON,)
    status: int = 200
    or_nothing: bool = False


def described(description: Description | None = None) -> Callable[[H], H]:
    """Put a route into the document."""

    def note(handler: H) -> H:
        setattr(handler, NOTE, description or Description())
        return handler

    return note


def description_of(handler: object) -> Description | None:
    """What was noted on a handler."""
    found: Description | None = getattr(handler, NOTE, None)
    return found
