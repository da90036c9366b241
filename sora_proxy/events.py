"""Events: everything that a client can learn about a generation. No I/O in here."""

from dataclasses import asdict, dataclass, field
from typing import Any

MAX_PREVIEW_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Queued:
    """It waits for a key; `position` counts from 1, `seconds` is the expected wait."""

    position: int
    seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """What the upstream said: `percent` 0..100, `position` in its own queue, `seconds` it expects us to wait there."""

    percent: int | None = None
    position: int | None = None
    seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """An unfinished image. It is not an event: nobody needs it later, so it is kept in memory only.

    `index` is the image's number among those ordered, `number` counts its previews from 0, `format` is png, webp or
    jpeg. One of more than `MAX_PREVIEW_BYTES` is dropped.
    """

    content: bytes = field(repr=False)
    format: str
    index: int = 0
    number: int = 0


@dataclass(frozen=True, slots=True)
class Image:
    """One result. Either `name` (an image that we keep) or `url` (the upstream's own) is set."""

    index: int
    name: str | None = None
    url: str | None = None

    def link(self, origin: str) -> str:
        """Where clients find it: here, where they reach us by `origin`, or at the upstream."""
        return f"{origin}/images/{self.name}" if self.name else self.url or ""


@dataclass(frozen=True, slots=True)
class Missing:
    """One of the images will not come, although others did. `code` and `message` are as those of `Failed`."""

    index: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Completed:
    """All images are there, or as many as there will be."""


@dataclass(frozen=True, slots=True)
class Failed:
    """It ended without an image. `code` is for programs, `message` for people; both are safe to show."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The client cancelled it."""


OUR_MISTAKE = Failed("internal_error", "Internal server error.")
Event = Queued | Progress | Image | Missing | Completed | Failed | Cancelled
# By the names under which they are stored and sent.
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
    """The bad end that an event tells of, if it is one."""
    match event:
        case Failed():
            return event
        case Cancelled():
            return Failed("cancelled", "The generation was cancelled.")
        case _:
            return None


def event_to_record(event: Event) -> tuple[str, dict[str, Any]]:
    """The kind and the fields of an event, as the store keeps them."""
    return KINDS[type(event)], asdict(event)


def event_from_record(kind: str, fields: dict[str, Any]) -> Event:
    """The inverse of `event_to_record`. A code that an older version stored gets its present name."""
    if fields.get("code") == "submission_unknown":
        fields = fields | {"code": "outcome_unknown"}
    return EVENTS[kind](**fields)
