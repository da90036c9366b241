"""Lifecycle: defines tasks and their fates, and determines the state of a task at a given moment."""

import math
from dataclasses import dataclass
from typing import Any

from sora_proxy.simulator.options import SimulatorOptions

PREPROCESSING_SHARE = 0.2  # preprocessing takes this share of the time before the run
QUEUE_LENGTH = 5
STUCK_AT = 0.99
STUCK_AFTER = 0.3  # in a stuck task, progress stops after this share of the run
STEPS = 4


@dataclass(frozen=True, slots=True)
class Order:
    """An order as a client sent it."""

    prompt: str
    n_variants: int
    width: int
    height: int
    operation: str = "simple_compose"
    upload_id: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """The failure of a task."""

    status: str
    reason: str
    moderation_code: str | None = None
    needs_review: bool = False


@dataclass(frozen=True, slots=True)
class Fate:
    """The course of a task; the defaults are those of an ordinary task. Times are in seconds."""

    finishes: bool = True
    failure: Failure | None = None
    running_word: str = "running"
    shows_progress: bool = True
    has_urls: bool = True
    unsafe_variants: int = 0
    hidden_after: float = 0.0
    hidden_seconds: float = 0.0
    hidden_alone_too: bool = True


ORDINARY = Fate()


class Task:
    """A registered order. Each task of an account is linked to the next older and the next newer one."""

    __slots__ = (
        "created_at",
        "fate",
        "id",
        "newer",
        "older",
        "order",
        "queue_seconds",
        "registered_at",
        "run_seconds",
        "token",
    )

    id: str
    token: str
    order: Order
    fate: Fate
    registered_at: float
    created_at: float
    queue_seconds: float
    run_seconds: float
    older: "Task | None"
    newer: "Task | None"

    def __init__(self, task_id: str, token: str, order: Order, fate: Fate) -> None:
        """Make a task whose times are not set yet."""
        self.id = task_id
        self.token = token
        self.order = order
        self.fate = fate
        self.registered_at = self.created_at = self.queue_seconds = self.run_seconds = 0.0
        self.older = self.newer = None

    @property
    def ends_at(self) -> float:
        """The clock time at which the task ends; infinity if the task never ends."""
        return self.registered_at + self.queue_seconds + self.run_seconds if self.fate.finishes else math.inf

    def listed(self, now: float, lag: float) -> bool:
        """Return whether the list contains the task."""
        age = now - self.registered_at
        return age >= lag and not 0 <= age - self.fate.hidden_after < self.fate.hidden_seconds

    def shown(self, now: float, lag: float) -> bool:
        """Return whether a request for the task's id finds the task."""
        return self.listed(now, lag) or (not self.fate.hidden_alone_too and now - self.registered_at >= lag)


@dataclass(frozen=True, slots=True)
class State:
    """The state of a task at one moment; the wait is in seconds."""

    status: str
    progress: float | None = None
    queue_position: int | None = None
    queue_wait: float | None = None
    finished: bool = False

    @property
    def succeeded(self) -> bool:
        """Return whether the task has ended with images."""
        return self.status == "succeeded"


def state_of(task: Task, now: float, options: SimulatorOptions) -> State:
    """Return the state of a task at the clock time `now`."""
    age = now - task.registered_at
    if age < task.queue_seconds:
        return _waiting(age, task.queue_seconds)
    full = 100.0 if options.progress_scale == "percent" else 1.0
    if now < task.ends_at:
        share = (age - task.queue_seconds) / task.run_seconds if task.run_seconds else 1.0
        progress = _progress(options, min(share, STUCK_AT)) if task.fate.shows_progress else None
        return State(task.fate.running_word, None if progress is None else round(progress * full, 4))
    if task.fate.failure is not None:
        return State(task.fate.failure.status, finished=True)
    return State("succeeded", full if task.fate.shows_progress else None, finished=True)


def _waiting(age: float, queue_seconds: float) -> State:
    if age < queue_seconds * PREPROCESSING_SHARE:
        return State("preprocessing")
    wait = queue_seconds - age
    position = math.ceil(wait / (queue_seconds * (1 - PREPROCESSING_SHARE)) * QUEUE_LENGTH)
    return State("queued", None, position, round(wait, 3))


def _progress(options: SimulatorOptions, share: float) -> float | None:
    if options.progress == "none" or share < options.progress_null_share:
        return None
    if options.progress == "stuck":
        return min(STUCK_AT, share / STUCK_AFTER)
    if options.progress == "steps":
        return math.floor(share * STEPS) / STEPS
    return share


def moderation_of(task: Task, state: State) -> dict[str, Any]:
    """Return the result of moderation: pending, passed or failed with a code."""
    if not state.finished:
        return {"type": "pending", "code": None}
    failure = task.fate.failure
    if failure is not None and failure.moderation_code is not None:
        return {"type": "failed", "code": failure.moderation_code}
    return {"type": "passed", "code": None}
