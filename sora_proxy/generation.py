"""A generation: one order, its states, and the log of its events. No I/O in here.

Theory of operation. A generation has a `State`. A transition of `TRANSITIONS` makes the next state, the store commits
it, and only then does it replace the current state and take effect. Events for clients are appended to the `EventLog`
in the same commit: together they are a `Step`. Streams, waiting requests and status requests read that log.
"""

import asyncio
import secrets
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, TypeVar

from sora_proxy.event_log import (
    MAX_PREVIEW_BYTES,
    Cancelled,
    Completed,
    Event,
    EventLog,
    Failed,
    Image,
    Missing,
    Preview,
    failure_of,
)
from sora_proxy.spec import GenerationSpec


class Status(StrEnum):
    queued = "queued"  # waits for a key; was never sent
    submitting = "submitting"  # the intent is on disk; the order is being sent, was sent or will be
    unknown = "unknown"  # it may or may not be registered upstream: search before sending again
    running = "running"  # the upstream task's id is on disk
    saving = "saving"  # the upstream is done and its results are on disk as URLs
    completed = "completed"
    failed = "failed"
    cancelled = "cancelled"


FINAL = frozenset({Status.completed, Status.failed, Status.cancelled})
# A cancelled generation may still be in one of these states, since its upstream task continues.
BEYOND_RECALL = frozenset({Status.submitting, Status.unknown, Status.running, Status.saving})


class Phase(StrEnum):
    """The status of a generation as clients see it."""

    queued = "queued"
    in_progress = "in_progress"
    completed = "completed"
    failed = "failed"
    cancelled = "cancelled"


# A definite refusal leads from submitting back to queued (another key may be tried); so does an intent whose search
# upstream found nothing. From running, only a lost task leads back, if the operator chose that: no other accepted order
# is sent again. The order of a synchronous back end is saved without ever being a task. An order that is sent as single
# calls is saved from any of the first three, with the images it has, once no more are expected.
TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.queued: frozenset({Status.submitting, Status.saving, Status.failed, Status.cancelled}),
    Status.submitting: frozenset(
        {Status.running, Status.saving, Status.unknown, Status.queued, Status.failed, Status.cancelled}
    ),
    Status.unknown: frozenset({Status.running, Status.saving, Status.queued, Status.failed, Status.cancelled}),
    Status.running: frozenset({Status.saving, Status.queued, Status.failed, Status.cancelled}),
    Status.saving: frozenset({Status.completed, Status.failed, Status.cancelled}),
    Status.completed: frozenset(),
    Status.failed: frozenset(),
    Status.cancelled: frozenset(),
}

E = TypeVar("E", bound=Event)
ATTEMPT_NAMESPACE = uuid.UUID("5b3a2c1e-6f0e-4d5c-9a83-0d6b7f5a2e41")  # the namespace of their ids
NOT_MADE = Failed("result_unavailable", "The back end did not make this image.")


@dataclass(frozen=True, slots=True)
class Asset:
    """A finished image: its URL at the back end, or the name of a file here that holds its bytes.

    The URL is as `plain_address` writes it, and expires. `ours_only`: clients can't fetch it, since it is relative,
    private or needs the key; then it may be any text that the module of the back end understands.
    """

    url: str = ""
    width: int | None = None
    height: int | None = None
    id: str | None = None  # the back end's own name for it
    file: str | None = None  # the name of a result that arrived as bytes
    ours_only: bool = False
    key_id: str | None = None  # the key that made it, if the generation used several


@dataclass(frozen=True, slots=True)
class SingleCall:
    """One of the calls of an order that is sent as one call for each image.

    `sent`: its intent is on disk. The outcome is an image or an error. Without an outcome, the call is under way if it
    was sent, and otherwise still has to be sent. `counted` is the number of its intents, without those that the back
    end is known not to have accepted.
    """

    sent: bool = False
    counted: int = 0
    asset: Asset | None = None
    error: Failed | None = None

    @property
    def done(self) -> bool:
        return self.asset is not None or self.error is not None

    @property
    def refused(self) -> "SingleCall":
        """The same call when it is known that the back end did not accept it."""
        return SingleCall(counted=self.counted - 1)

    @property
    def under_way(self) -> bool:
        return self.sent and not self.done


@dataclass(frozen=True, slots=True)
class State:
    """The state of a generation. It is immutable: the store commits the next state, which then replaces it."""

    status: Status = Status.queued
    key_id: str | None = None  # set from the intent on: a generation stays on its key
    task_id: str | None = None  # the upstream task
    intent_at: float | None = None  # of the last attempt; None once it is known that nothing was registered
    attempts: int = 0  # submits that were tried
    lost: int = 0  # of them, those that a search did not find upstream, or that the back end lost
    listed: tuple[str, ...] | None = None  # tasks that existed before the intent, if the back end lists no prompts
    upstream_done_at: float | None = None
    assets: tuple[Asset, ...] = ()
    backend: str | None = None  # its name, set from the intent on; older versions did not store it
    model: str | None = None  # the back end's own name of the model, set with it
    ignored: tuple[str, ...] = ()  # the parameters that the model does not take, perhaps `size` too
    size: tuple[int, int] | None = None  # the width and height that its model uses, in pixels
    calls: tuple[SingleCall, ...] = ()  # of an order that is sent as single calls, by the numbers of their images
    usage: dict[str, Any] | None = None  # the back end's counters, in the form of `upstream/usage.py`

    def to(self, status: Status, **changes: Any) -> "State":
        """The state after one transition of `TRANSITIONS`, with other fields changed too.

        Raises ValueError for any other transition.
        """
        if status not in TRANSITIONS[self.status]:
            raise ValueError(f"a generation can't go from {self.status} to {status}")
        return replace(self, status=status, **changes)

    @property
    def results(self) -> dict[int, Asset]:
        """The images finished so far, by their numbers among those ordered."""
        assets = [call.asset for call in self.calls] or self.assets
        return {index: asset for index, asset in enumerate(assets) if asset is not None}


@dataclass(slots=True)
class Generation:
    """One order, its state and its log. Times are wall-clock seconds since 1970, for people and for the store."""

    id: str
    client: str  # the fingerprint of the client key that ordered it
    spec: GenerationSpec
    created_at: float = field(default_factory=time.time)
    state: State = State()  # changed by the store only, once it is on disk
    log: EventLog[Event] = field(default_factory=EventLog)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)  # used by the store: one commit at a time
    previews: dict[int, Preview] = field(default_factory=dict)  # the newest of each image, while it runs
    overdue: bool = False  # clients no longer wait for it, although it continues

    @property
    def status(self) -> Status:
        return self.state.status

    @property
    def size(self) -> tuple[int, int]:
        """The width and height in pixels: the model's, once it is known, else those of the spec."""
        return self.state.size or (self.spec.width, self.spec.height)

    @property
    def images_left(self) -> int:
        """How many images are still to be ordered, before it is sent or sent again."""
        return sum(not call.done for call in self.state.calls) or self.spec.n

    @property
    def attempt_id(self) -> str:
        """A UUID of this attempt to send the order, unique among all orders and derived from stored data."""
        return str(uuid.uuid5(ATTEMPT_NAMESPACE, f"{self.id}/{self.state.attempts}"))

    def call_id(self, number: int) -> str:
        """A UUID of one single call of this attempt, derived in the same way."""
        return str(uuid.uuid5(ATTEMPT_NAMESPACE, f"{self.id}/{self.state.attempts}/{number}"))

    @property
    def cancelled(self) -> bool:
        """Whether its client cancelled it. Its status becomes `cancelled` when the back end has ended its task."""
        return isinstance(self.log.last, Cancelled)

    @property
    def ended(self) -> bool:
        """Whether clients will get no more events about it."""
        return self.status in FINAL or self.cancelled

    def show_preview(self, preview: Preview) -> None:
        """Show an unfinished image to the followers of the log, in place of the previous one, if its client wants that.

        Previews of images that were not ordered are dropped.
        """
        wanted = preview.index in range(self.spec.n) and self.spec.previews and not self.ended
        if wanted and len(preview.content) <= MAX_PREVIEW_BYTES:
            self.previews[preview.index] = preview
            self.log.nudge()

    def end_wait(self) -> None:
        """End the wait of all current and future clients. The generation continues without them."""
        self.overdue = True
        self.log.close()

    @property
    def phase(self) -> Phase:
        if self.cancelled:
            return Phase.cancelled
        return Phase.in_progress if self.status in BEYOND_RECALL else Phase(self.status.value)

    @property
    def failure(self) -> Failed | None:
        """The failure or cancellation that ended it, if any."""
        return next((failed for event in self.log if (failed := failure_of(event))), None)

    @property
    def missing(self) -> dict[int, Failed]:
        """The reasons why images of a completed one are missing, by their numbers among those ordered."""
        made = {image.index for image in self.events_of(Image)}
        known = {missing.index: Failed(missing.code, missing.message) for missing in self.events_of(Missing)}
        return {index: known.get(index, NOT_MADE) for index in range(self.spec.n) if index not in made}

    @property
    def made_by(self) -> dict[str, Any]:
        """The fields that describe in answers how it was made: the back end, its name for the model, its task id, and
        the ignored parameters."""
        return {
            "backend": self.state.backend,
            "backend_model": self.state.model,
            "backend_id": self.state.task_id,
            "ignored_parameters": list(self.state.ignored),
        }

    def summary(self, origin: str) -> dict[str, Any]:
        """Its state as an object for clients. Links to images begin with `origin`, this server's address."""
        failed = self.failure
        links = [image.link(origin) for image in self.events_of(Image)]
        missing = self.missing.items() if self.status is Status.completed else ()
        errors = [{"index": index, "code": each.code, "message": each.message} for index, each in missing]
        return {
            "id": self.id,
            "object": "generation",
            "status": self.phase,
            "created": int(self.created_at),
            "model": self.spec.model,
            "n": self.spec.n,
            **self.made_by,
            "pictures": [link for link in links if link],
            "error": {"code": failed.code, "message": failed.message} if failed else None,
            **({"errors": errors} if errors else {}),
        }

    def events_of(self, kind: type[E]) -> list[E]:
        """The logged events of one kind, oldest first."""
        return [event for event in self.log if isinstance(event, kind)]


@dataclass(frozen=True, slots=True)
class Step:
    """The changes of a generation in one commit: a new state and new events. `generation` changes only afterwards."""

    generation: Generation
    old: State
    new: State
    events: Sequence[Event]

    @property
    def ends(self) -> bool:
        """Whether this is the last step that clients learn of."""
        return bool(self.events) and isinstance(self.events[-1], Completed | Failed | Cancelled)

    @property
    def after(self) -> Generation:
        """A copy of the generation as it is after the commit."""
        return replace(self.generation, state=self.new, log=EventLog([*self.generation.log, *self.events]))


def new_generation_id() -> str:
    """A public id: unguessable, safe in a URL, never the id of an upstream task."""
    return f"chatcmpl-{secrets.token_hex(16)}"
