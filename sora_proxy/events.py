"""Events: everything that a client can learn about a generation. No I/O in here."""

from dataclasses import asdict, dataclass, field
from typing import Any

MAX_PREVIEW_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Queued:
    """The order waits for a key. `position` counts from 1, `seconds` is the expected wait."""

    position: int
    seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress reported by the back end: `percent` 0..100, `position` and expected `seconds` in its own queue."""

    percent: int | None = None
    position: int | None = None
    seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """An unfinished image. It is not an event: it is not needed later, so it is kept in memory only.

    `index` is the image's number among those ordered, `number` counts its previews from 0, `format` is png, webp or
    jpeg. A preview of more than `MAX_PREVIEW_BYTES` is dropped.
    """

    content: bytes = field(repr=False)
    format: str
    index: int = 0
    number: int = 0


@dataclass(frozen=True, slots=True)
class Image:
    """One result. Either `name` (of an image that is stored here) or `url` (the back end's own) is set."""

    index: int
    name: str | None = None
    url: str | None = None

    def link(self, origin: str) -> str:
        """The address for clients: under this server's `origin`, or at the back end."""
        return f"{origin}/images/{self.name}" if self.name else self.url or ""


@dataclass(frozen=True, slots=True)
class Missing:
    """One image failed, although others did not. `code` and `message` are as in `Failed`."""

    index: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Completed:
    """The order has ended with at least one image."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The order has ended without an image. `code` is for programs, `message` for people; both are safe to show."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The client has cancelled the order."""


INTERNAL_ERROR = Failed("internal_error", "Internal server error.")
Event = Queued | Progress | Image | Missing | Completed | Failed | Cancelled
# The names under which events are stored and sent.
EVENTS: dict[str, type[Event]] = {
    "queued": Queued,
    "progress": Progress,
    "picture": Image,
    "missing": Missing,
    "completed": Completed,
    "failed": Failed,
    "cancelled": Cancelled,
}
KINDS = {event: kind for kind, event in EVENTS.items()}


def failure_of(event: Event) -> Failed | None:
    """The failure or cancellation that an event reports, else None."""
    match event:
        case Failed():
            return event
        case Cancelled():
            return Failed("cancelled", "The generation was cancelled.")
        case _:
            return None


def event_to_record(event: Event) -> tuple[str, dict[str, Any]]:
    """The kind and the fields of an event, as they are stored."""
    return KINDS[type(event)], asdict(event)


def event_from_record(kind: str, fields: dict[str, Any]) -> Event:
    """The inverse of `event_to_record`. Codes of older versions get their current names."""
    if fields.get("code") == "submission_unknown":
        fields = fields | {"code": "outcome_unknown"}
    return EVENTS[kind](**fields)
