"""A generation: one order, the states it goes through, and the log of what happened to it. No I/O in here.

Theory of operation. Where a generation stands is a `State`; the next one is made by an arrow of `ARROWS`, committed by
the store, and only then takes its place and has its effect. What clients may see is appended to the `EventLog`, in the
same commit; whoever wants to know about a generation (a stream, a waiting request, a poll) follows or reads that log.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, TypeVar


class Status(StrEnum):
    queued = "queued"  # waits for a key; was never sent
    submitting = "submitting"  # the intent is on disk; the order is, was or will be on the wire
    unknown = "unknown"  # it may or may not be registered upstream: look before you send
    running = "running"  # the upstream task's id is on disk
    saving = "saving"  # the upstream is done and its results are on disk as URLs
    completed = "completed"
    failed = "failed"
    cancelled = "cancelled"


FINAL = frozenset({Status.completed, Status.failed, Status.cancelled})

# A definite refusal leads from submitting back to queued (another key may be tried); so does an intent that was looked
# for upstream and not found. Nothing leads back from running: what the upstream accepted is never sent again.
ARROWS: dict[Status, frozenset[Status]] = {
    Status.queued: frozenset({Status.submitting, Status.failed, Status.cancelled}),
    Status.submitting: frozenset({Status.running, Status.unknown, Status.queued, Status.failed}),
    Status.unknown: frozenset({Status.running, Status.queued, Status.failed}),
    Status.running: frozenset({Status.saving, Status.failed, Status.cancelled}),
    Status.saving: frozenset({Status.completed, Status.failed, Status.cancelled}),
    Status.completed: frozenset(),
    Status.failed: frozenset(),
    Status.cancelled: frozenset(),
}


@dataclass(frozen=True, slots=True)
class GenerationSpec:
    """What was ordered. `image` names a stored input picture (a remix), `width` and `height` are pixels.

    `include_usage` is how the answer was asked for: a stream that is taken up later must be told the same way.
    `metadata` is what the client noted on its order.
    """

    model: str
    prompt: str
    n: int = 1
    width: int = 720
    height: int = 480
    image: str | None = None
    include_usage: bool = False
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asset:
    """A finished picture where the back end keeps it. Its URL expires."""

    url: str
    width: int | None = None
    height: int | None = None
    id: str | None = None  # the back end's own name for it


# --- Events: everything a client can learn about a generation ---------------------------------------------------------


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
class Picture:
    """One result. Either `name` (a picture that we keep) or `url` (the upstream's own) is set."""

    index: int
    name: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Completed:
    """All pictures are there."""


@dataclass(frozen=True, slots=True)
class Failed:
    """It ended without a picture. `code` is for programs, `message` for people; both are safe to show."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The client cancelled it."""


Event = Queued | Progress | Picture | Completed | Failed | Cancelled
EVENTS: dict[str, type[Event]] = {
    kind.__name__.lower(): kind for kind in (Queued, Progress, Picture, Completed, Failed, Cancelled)
}


def failure_of(event: Event) -> Failed | None:
    """The bad end that an event tells of, if it is one."""
    match event:
        case Failed():
            return event
        case Cancelled():
            return Failed("cancelled", "the generation was cancelled")
        case _:
            return None


def event_to_record(event: Event) -> tuple[str, dict[str, Any]]:
    """The kind and the fields of an event, as the store keeps them."""
    return type(event).__name__.lower(), asdict(event)


def event_from_record(kind: str, fields: dict[str, Any]) -> Event:
    """The inverse of `event_to_record`."""
    return EVENTS[kind](**fields)


E = TypeVar("E", bound=Event)


class EventLog:
    """The numbered, append-only story of one generation. Numbers start at 1.

    Any number of followers read it, each at its own pace, now or later; all of them see the same events.
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        # All the mutable state: the events, whether more can come, and who waits for them.
        self._events = list(events)
        self._closed = False
        self._waiters: set[asyncio.Future[bool]] = set()

    def __len__(self) -> int:
        return len(self._events)

    def __iter__(self) -> Iterator[Event]:
        return iter(self._events)

    @property
    def last(self) -> Event | None:
        return self._events[-1] if self._events else None

    def append(self, *events: Event) -> None:
        """Show events to every follower. The store must have committed them."""
        self._events.extend(events)
        self._wake()

    def close(self) -> None:
        """No event will follow: the generation has ended, or this process stops."""
        self._closed = True
        self._wake()

    async def follow(self, after: int = 0, idle: float | None = None) -> AsyncGenerator[Sequence[Event], None]:
        """Yield the events numbered above `after`, as many as there are, then those to come, until the log is closed.

        Yields an empty sequence whenever `idle` seconds passed without an event: the moment for a heartbeat.
        """
        seen = after
        alarm = _Alarm(self._waiters, idle)
        try:
            while True:
                if seen < len(self._events):
                    new = self._events[seen:]
                    seen = len(self._events)
                    yield new
                    alarm.heard()
                elif self._closed:
                    return
                elif not await alarm.news():
                    yield ()
                    alarm.heard()
        finally:
            alarm.off()

    def _wake(self) -> None:
        for waiter in self._waiters:
            _settle(waiter, True)


class _Alarm:
    """Wakes one follower, by news or by silence. One timer serves its whole life, and moves only when it rings."""

    def __init__(self, waiters: set[asyncio.Future[bool]], idle: float | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiters = waiters
        self._idle = idle
        # All the mutable state.
        self._waiter: asyncio.Future[bool] | None = None
        self._heard_at = self._loop.time()
        self._timer = self._loop.call_later(idle, self._ring) if idle is not None else None

    async def news(self) -> bool:
        """Wait until the log has changed (True) or has been silent for long (False)."""
        self._waiter = self._loop.create_future()
        self._waiters.add(self._waiter)
        try:
            return await self._waiter
        finally:
            self._waiters.discard(self._waiter)
            self._waiter = None

    def heard(self) -> None:
        """The silence is broken."""
        self._heard_at = self._loop.time()

    def off(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _ring(self) -> None:
        assert self._idle is not None  # noqa: S101 - there is no timer without it
        left = self._heard_at + self._idle - self._loop.time()
        if left <= 0:
            left = self._idle
            if self._waiter is not None:
                _settle(self._waiter, False)
        self._timer = self._loop.call_later(left, self._ring)


def _settle(waiter: asyncio.Future[bool], result: bool) -> None:
    if not waiter.done():
        waiter.set_result(result)


# --- The generation ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class State:
    """Where a generation stands. It never changes: the store commits the next one, and only then it takes its place."""

    status: Status = Status.queued
    key_id: str | None = None  # set from the intent on: a generation stays on its key
    task_id: str | None = None  # the upstream task
    intent_at: float | None = None
    attempts: int = 0  # submits that were tried
    lost: int = 0  # those of them that were looked for upstream and not found
    listed: tuple[str, ...] | None = None  # tasks that were there before the intent, where lists tell no prompts
    upstream_done_at: float | None = None
    assets: tuple[Asset, ...] = ()

    def to(self, status: Status, **changes: Any) -> "State":
        """The state after one arrow of the table, with other fields changed too.

        Raises ValueError for an arrow that does not exist.
        """
        if status not in ARROWS[self.status]:
            raise ValueError(f"a generation can't go from {self.status} to {status}")
        return replace(self, status=status, **changes)


@dataclass(slots=True)
class Generation:
    """One order, its state and its log. Times are wall-clock seconds since 1970, for people and for the store."""

    id: str
    client: str  # the fingerprint of the client key that ordered it
    spec: GenerationSpec
    created_at: float = field(default_factory=time.time)
    state: State = State()  # changed by the store only, once it is on disk
    log: EventLog = field(default_factory=EventLog)

    @property
    def status(self) -> Status:
        return self.state.status

    @property
    def ended(self) -> bool:
        return self.status in FINAL

    @property
    def failure(self) -> Failed | None:
        """How it ended badly, if it did."""
        return next((failed for event in self.log if (failed := failure_of(event))), None)

    def events_of(self, kind: type[E]) -> list[E]:
        """The logged events of one kind, oldest first."""
        return [event for event in self.log if isinstance(event, kind)]


def new_generation_id() -> str:
    """A public id: unguessable, safe in a URL, never an upstream's."""
    return f"chatcmpl-{secrets.token_hex(16)}"
