"""The events of a generation that clients can receive, and EventLog, a numbered, append-only list of them. No I/O."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, field
from typing import Any, Generic, TypeVar

E = TypeVar("E")
MAX_PREVIEW_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Queued:
    """The order is waiting for a key. `position` is its place in the queue, counted from 1; `seconds` is the expected
    wait."""

    position: int
    seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress at the back end. `percent` is 0 to 100; `position` is the place in the back end's queue, and `seconds`
    is the wait."""

    percent: int | None = None
    position: int | None = None
    seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """An unfinished image. Previews are not events: they exist only in memory, since they are not needed later.

    `index` is the number of the image in its order, `number` counts the image's previews from 0, and `format` is png,
    webp or jpeg. A preview of more than `MAX_PREVIEW_BYTES` is dropped.
    """

    content: bytes = field(repr=False)
    format: str
    index: int = 0
    number: int = 0


@dataclass(frozen=True, slots=True)
class Image:
    """One finished image. `name` is set if the image is stored here, `url` if it is at the back end."""

    index: int
    name: str | None = None
    url: str | None = None

    def link(self, origin: str) -> str:
        """The address of the image for clients: under this server's `origin`, or at the back end."""
        return f"{origin}/images/{self.name}" if self.name else self.url or ""


@dataclass(frozen=True, slots=True)
class Missing:
    """One image failed, although other images were made. `code` and `message` are as in `Failed`."""

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
    """The inverse of `event_to_record`. Error codes that older versions stored are replaced by their current names."""
    if fields.get("code") == "submission_unknown":
        fields = fields | {"code": "outcome_unknown"}
    return EVENTS[kind](**fields)


class EventLog(Generic[E]):
    """The events, numbered from 1. Any number of followers can read the events, now or later, each at its own pace."""

    def __init__(self, events: Iterable[E] = ()) -> None:
        # All the mutable state: the events, whether the log is closed, how many times it was nudged, and the
        # waiting followers.
        self._events = list(events)
        self._closed = False
        self._nudges = 0
        self._waiters: set[asyncio.Future[bool]] = set()

    def __len__(self) -> int:
        return len(self._events)

    def __iter__(self) -> Iterator[E]:
        return iter(self._events)

    @property
    def last(self) -> E | None:
        return self._events[-1] if self._events else None

    def append(self, *events: E) -> None:
        """Add events, which the store must have committed, and wake every follower."""
        self._events.extend(events)
        self._wake()

    def nudge(self) -> None:
        """Wake the followers that have `nudged` set, because something outside the log has changed."""
        self._nudges += 1
        self._wake()

    def close(self) -> None:
        """End all waits. Called when the generation has ended or is taking too long, or when this process is
        stopping."""
        self._closed = True
        self._wake()

    async def end(self) -> None:
        """Wait until the log is closed."""
        async with aclosing(self.follow()) as batches:
            async for _ in batches:
                pass

    async def follow(
        self, after: int = 0, idle: float | None = None, *, nudged: bool = False
    ) -> AsyncGenerator[Sequence[E], None]:
        """Yield the events after number `after` in batches, first existing events and then new ones, until the log is
        closed.

        After `idle` seconds without an event, yield an empty sequence, so that a heartbeat can be sent. With `nudged`,
        yield an empty sequence after nudges too, even if the nudges came before the call.
        """
        seen, nudges = after, 0
        silence = _Silence(self._waiters, idle)
        try:
            while True:
                if seen < len(self._events):
                    new = self._events[seen:]
                    seen = len(self._events)
                    yield new
                    silence.restart()
                elif self._closed:
                    return
                elif (nudged and nudges != self._nudges) or not await silence.broken():
                    nudges = self._nudges
                    yield ()
                    silence.restart()
        finally:
            silence.end()

    def _wake(self) -> None:
        for waiter in self._waiters:
            _settle(waiter, True)


class _Silence:
    """The time since a follower's last batch. One timer serves all batches; it is restarted only when it fires."""

    def __init__(self, waiters: set[asyncio.Future[bool]], idle: float | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiters = waiters
        self._idle = idle
        # All the mutable state.
        self._waiter: asyncio.Future[bool] | None = None
        self._began_at = self._loop.time()
        self._timer = self._loop.call_later(idle, self._fire) if idle is not None else None

    async def broken(self) -> bool:
        """Wait until the log has changed (True) or `idle` seconds have passed (False)."""
        self._waiter = self._loop.create_future()
        self._waiters.add(self._waiter)
        try:
            return await self._waiter
        finally:
            self._waiters.discard(self._waiter)
            self._waiter = None

    def restart(self) -> None:
        self._began_at = self._loop.time()

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _fire(self) -> None:
        assert self._idle is not None  # noqa: S101 - without `idle` there is no timer
        left = self._began_at + self._idle - self._loop.time()
        if left <= 0:
            left = self._idle
            if self._waiter is not None:
                _settle(self._waiter, False)
        self._timer = self._loop.call_later(left, self._fire)


def _settle(waiter: asyncio.Future[bool], result: bool) -> None:
    if not waiter.done():
        waiter.set_result(result)
