"""A generation: one order, its states, and the log of its events. No I/O in here.

Theory of operation. A generation has a `State`, and a transition listed in `TRANSITIONS` leads to the next state. The
next state replaces the current one only when the store has committed it. A commit is a `Step`: it may also contain new
events for clients, which are appended to the `EventLog`. Streams, waiting requests and status requests read that log.
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
    queued = "queued"  # waiting for a key, to be sent for the first time or again
    submitting = "submitting"  # the intent is on disk; the order may or may not have been sent yet
    unknown = "unknown"  # the order may or may not be registered upstream: search before sending it again
    running = "running"  # the upstream task's id is on disk
    saving = "saving"  # the task is done, and its results are on disk, as URLs or files
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


# A definite refusal leads from submitting back to queued, since another key may be tried. A search that does not find
# the order upstream leads back to queued, too. A running order is queued again only if its task was lost and the
# operator chose that: no other accepted order is sent again. At a synchronous back end, an order goes from submitting
# to saving without ever becoming a task. An order that is sent as single calls goes from queued, submitting or unknown
# to saving once no more images are expected.
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
ATTEMPT_NAMESPACE = uuid.UUID("5b3a2c1e-6f0e-4d5c-9a83-0d6b7f5a2e41")  # the namespace of the UUIDs of attempts
NOT_MADE = Failed("result_unavailable", "The back end did not make this image.")


@dataclass(frozen=True, slots=True)
class Asset:
    """A finished image: its URL at the back end, or the name of a file on this server.

    The URL expires, and it has the form that `plain_address` returns. `ours_only`: clients can't fetch the URL, because
    it is relative or private, or needs the key; such a URL may be any text that the back end's module understands.
    """

    url: str = ""
    width: int | None = None
    height: int | None = None
    id: str | None = None  # the back end's own id of the image
    file: str | None = None  # the name of the file, if the back end sent the image as bytes
    ours_only: bool = False
    key_id: str | None = None  # the key that was used for the image, if the order used several


@dataclass(frozen=True, slots=True)
class SingleCall:
    """One call of an order that is sent as several calls, one for each image.

    `sent`: the call's intent is on disk. The outcome is an image or an error. A call that has no outcome is under way
    if `sent` is set; otherwise it still has to be sent. `counted` is the number of the call's intents, without those
    after which the back end certainly did not accept the call.
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
        """This call as it was before its last intent, for use when the back end certainly did not accept the call."""
        return SingleCall(counted=self.counted - 1)

    @property
    def under_way(self) -> bool:
        return self.sent and not self.done


@dataclass(frozen=True, slots=True)
class State:
    """The state of a generation. It is immutable: the store commits the next state, which then replaces it."""

    status: Status = Status.queued
    key_id: str | None = None  # the key of the current attempt, set with the intent
    task_id: str | None = None  # the id of the upstream task
    intent_at: float | None = None  # the time of the last intent; None if nothing can have been registered
    attempts: int = 0  # the number of submits
    lost: int = 0  # the number of submits that a search did not find upstream, or that the back end lost
    listed: tuple[str, ...] | None = None  # ids of tasks that existed before the intent, if a search would need them
    upstream_done_at: float | None = None
    assets: tuple[Asset, ...] = ()
    backend: str | None = None  # the back end's name, set with the intent; older versions did not store it
    model: str | None = None  # the back end's own name of the model, set with the intent
    ignored: tuple[str, ...] = ()  # the parameters, perhaps also `size`, that the model ignores
    size: tuple[int, int] | None = None  # the width and height that the model uses, in pixels
    calls: tuple[SingleCall, ...] = ()  # one per image, if the order is sent as single calls
    usage: dict[str, Any] | None = None  # what the back end counted, in the form of `upstream/usage.py`

    def to(self, status: Status, **changes: Any) -> "State":
        """The state after one of the `TRANSITIONS`, with `changes` to other fields.

        Raises ValueError for any other transition.
        """
        if status not in TRANSITIONS[self.status]:
            raise ValueError(f"a generation can't go from {self.status} to {status}")
        return replace(self, status=status, **changes)

    @property
    def results(self) -> dict[int, Asset]:
        """The images finished so far, by their numbers in the order."""
        assets = [call.asset for call in self.calls] or self.assets
        return {index: asset for index, asset in enumerate(assets) if asset is not None}


@dataclass(slots=True)
class Generation:
    """One order, its state and its log. Times are wall-clock seconds since 1970, for people and for the store."""

    id: str
    client: str  # the fingerprint of the client key that ordered it
    spec: GenerationSpec
    created_at: float = field(default_factory=time.time)
    state: State = State()  # changed only by the store, when the new state is on disk
    log: EventLog[Event] = field(default_factory=EventLog)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)  # the store makes one commit at a time
    previews: dict[int, Preview] = field(default_factory=dict)  # the newest preview of each image, only in memory
    overdue: bool = False  # clients no longer wait for the generation, although it continues

    @property
    def status(self) -> Status:
        return self.state.status

    @property
    def size(self) -> tuple[int, int]:
        """The width and height in pixels: those that the model uses once they are known, else those of the spec."""
        return self.state.size or (self.spec.width, self.spec.height)

    @property
    def images_left(self) -> int:
        """How many images the order still needs when it is sent or sent again."""
        return sum(not call.done for call in self.state.calls) or self.spec.n

    @property
    def attempt_id(self) -> str:
        """A UUID of this attempt to send the order, unique among all orders and derived from stored data."""
        return str(uuid.uuid5(ATTEMPT_NAMESPACE, f"{self.id}/{self.state.attempts}"))

    def call_id(self, number: int) -> str:
        """A UUID of one of the single calls of this attempt, derived like `attempt_id`."""
        return str(uuid.uuid5(ATTEMPT_NAMESPACE, f"{self.id}/{self.state.attempts}/{number}"))

    @property
    def cancelled(self) -> bool:
        """Whether the client has cancelled the order. If the order has been sent, its status changes only when its task
        has ended."""
        return isinstance(self.log.last, Cancelled)

    @property
    def ended(self) -> bool:
        """Whether clients will get no more events of this generation."""
        return self.status in FINAL or self.cancelled

    def show_preview(self, preview: Preview) -> None:
        """Show an unfinished image to the followers of the log, if the client wants previews.

        It replaces the previous preview of the same image. Previews of images that were not ordered are dropped.
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
        """The failure or cancellation that ended the generation, if any."""
        return next((failed for event in self.log if (failed := failure_of(event))), None)

    @property
    def missing(self) -> dict[int, Failed]:
        """The reasons why images of a completed generation are missing, by the numbers of the images."""
        made = {image.index for image in self.events_of(Image)}
        known = {missing.index: Failed(missing.code, missing.message) for missing in self.events_of(Missing)}
        return {index: known.get(index, NOT_MADE) for index in range(self.spec.n) if index not in made}

    @property
    def made_by(self) -> dict[str, Any]:
        """The fields of answers that describe how the images are made: the back end, its name for the model, its task
        id, and the ignored parameters."""
        return {
            "backend": self.state.backend,
            "backend_model": self.state.model,
            "backend_id": self.state.task_id,
            "ignored_parameters": list(self.state.ignored),
        }

    def summary(self, origin: str) -> dict[str, Any]:
        """The state as an object for clients. Links to images begin with `origin`, this server's address."""
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
    """What one commit changes: a new state and new events. `generation` itself changes only after the commit."""

    generation: Generation
    old: State
    new: State
    events: Sequence[Event]

    @property
    def ends(self) -> bool:
        """Whether this step contains the last event for clients."""
        return bool(self.events) and isinstance(self.events[-1], Completed | Failed | Cancelled)

    @property
    def after(self) -> Generation:
        """A copy of the generation as it is after the commit."""
        return replace(self.generation, state=self.new, log=EventLog([*self.generation.log, *self.events]))


def new_generation_id() -> str:
    """A public id: unguessable, safe in a URL, never the id of an upstream task."""
    return f"chatcmpl-{secrets.token_hex(16)}"
