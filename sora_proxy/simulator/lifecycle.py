"""A task, what is fated to become of it, and how it looks at a given moment."""

import math
from dataclasses import dataclass
from typing import Any

from sora_proxy.simulator.options import SimulatorOptions

PREPROCESSING_SHARE = 0.2  # of the time before the run
QUEUE_LENGTH = 5
STUCK_AT = 0.99
STUCK_AFTER = 0.3  # of the run
STEPS = 4


@dataclass(frozen=True, slots=True)
class Order:
    """What was ordered."""

    prompt: str
    n_variants: int
    width: int
    height: int
    operation: str = "simple_compose"
    upload_id: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """How a task fails."""

    status: str
    reason: str
    moderation_code: str | None = None
    needs_review: bool = False


@dataclass(frozen=True, slots=True)
class Fate:
    """How a task strays from an ordinary life; the defaults are that ordinary life. Times are in seconds."""

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
    """A registered order; it lives in its account's chain of tasks, newest first."""

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
        """Make a task that is not yet placed in time."""
        self.id = task_id
        self.token = token
        self.order = order
        self.fate = fate
        self.registered_at = self.created_at = self.queue_seconds = self.run_seconds = 0.0
        self.older = self.newer = None

    @property
    def ends_at(self) -> float:
        """The clock time at which the task ends; infinite for one that never does."""
        return self.registered_at + self.queue_seconds + self.run_seconds if self.fate.finishes else math.inf

    def listed(self, now: float, lag: float) -> bool:
        """Tell whether the list shows the task."""
        age = now - self.registered_at
        return age >= lag and not 0 <= age - self.fate.hidden_after < self.fate.hidden_seconds

    def shown(self, now: float, lag: float) -> bool:
        """Tell whether the task is shown when it is asked for by its id."""
        return self.listed(now, lag) or (not self.fate.hidden_alone_too and now - self.registered_at >= lag)


@dataclass(frozen=True, slots=True)
class State:
    """How a task looks at one moment; the wait is in seconds."""

    status: str
    progress: float | None = None
    queue_position: int | None = None
    queue_wait: float | None = None
    finished: bool = False

    @property
    def succeeded(self) -> bool:
        """Tell whether there are images."""
        return self.status == "succeeded"


def state_of(task: Task, now: float, options: SimulatorOptions) -> State:
    """Say how the task looks at the clock time `now`."""
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
    """Say what moderation found: pending, passed or failed with a code."""
    if not state.finished:
        return {"type": "pending", "code": None}
    failure = task.fate.failure
    if failure is not None and failure.moderation_code is not None:
        return {"type": "failed", "code": failure.moderation_code}
    return {"type": "passed", "code": None}
