"""Engine: the accounts, tasks and uploads of the service. No I/O and no timers: the state follows the clock."""

import heapq
import itertools
import math
import random
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from sora_proxy.simulator import refusals
from sora_proxy.simulator.lifecycle import ORDINARY, Fate, Order, State, Task, state_of
from sora_proxy.simulator.options import SimulatorOptions

FINISHED_TASKS_KEPT = 20_000
UPLOADED_BYTES_KEPT = 64 * 2**20
MAX_PEAKS = 10_000  # tokens
RATE_WINDOW = 60.0


@dataclass(frozen=True, slots=True)
class Clocks:
    """The sources of time and chance. `now` measures durations and `wall` gives dates, both in seconds; `roll` returns
    a random number from 0 to 1."""

    now: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    roll: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True)
class Upload:
    """An uploaded image, bound to the account that uploaded it."""

    id: str
    token: str
    image: bytes


@dataclass(slots=True)
class Account:
    """The tasks of one token."""

    newest: Task | None = None
    unfinished: int = 0
    registered_at: deque[float] = field(default_factory=deque)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of an account's list, newest first."""

    tasks: list[Task]
    has_more: bool


@dataclass(slots=True)
class Peaks:
    """The largest number of tasks that were unfinished at the same time, overall and by token."""

    overall: int = 0
    by_token: dict[str, int] = field(default_factory=dict)


class Engine:
    """The service itself. The oldest finished tasks and uploads are forgotten when the limits in this module are
    exceeded."""

    def __init__(self, options: SimulatorOptions, clocks: Clocks | None = None) -> None:
        """Start without tasks and uploads."""
        self.options = options
        self.clocks = clocks or Clocks()
        self._numbers = itertools.count()
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.peaks = Peaks()
        self._tasks: dict[str, Task] = {}
        self._accounts: dict[str, Account] = {}
        self._unfinished: list[tuple[float, int, Task]] = []
        self._finished: deque[Task] = deque()
        self._uploads: dict[str, Upload] = {}
        self._uploaded_bytes = 0

    def admit(self, token: str, order: Order) -> None:
        """Refuse an order that its account may not place now."""
        if order.upload_id is not None and self.upload(order.upload_id, token) is None:
            raise refusals.invalid("media_not_found", "This account has no upload with that id.")
        account = self._accounts.get(token)
        if account is None:
            return
        now = self._settle()
        if 0 < self.options.max_concurrent <= account.unfinished:
            raise refusals.too_many_concurrent(self.options.max_concurrent)
        self._check_rate(account, now)

    def register(self, token: str, order: Order, fate: Fate = ORDINARY) -> Task:
        """Admit an order, and register it as a task."""
        self.admit(token, order)
        now = self._settle()
        task = Task(f"task_{secrets.token_hex(13)}", token, order, fate)
        task.registered_at, task.created_at = now, self.clocks.wall()
        task.queue_seconds = self.options.queue_seconds
        task.run_seconds = self.options.seconds * (1 + self.options.jitter * (2 * self.clocks.roll() - 1))
        account = self._accounts.setdefault(token, Account())
        self._tasks[task.id] = task
        task.older, account.newest = account.newest, task
        if task.older is not None:
            task.older.newer = task
        if self.options.rpm:
            account.registered_at.append(now)
        account.unfinished += 1
        heapq.heappush(self._unfinished, (task.ends_at, next(self._numbers), task))
        self._note_peaks(token, account)
        return task

    def page(self, token: str, limit: int, before: str | None = None) -> Page:
        """List the account's newest tasks, or those older than `before`."""
        now = self._settle()
        account = self._accounts.get(token)
        task = account.newest if account else None
        if before is not None:
            last = self._tasks.get(before)
            if last is None or last.token != token:
                raise refusals.invalid("invalid_cursor", "`before` is not the id of a task of this account.")
            task = last.older
        found: list[Task] = []
        while task is not None and len(found) <= limit:
            if task.listed(now, self.options.list_lag):
                found.append(task)
            task = task.older
        return Page(found[:limit], len(found) > limit)

    def task(self, task_id: str, token: str) -> Task | None:
        """Find a task of the account, unless the task is still hidden from it."""
        now = self._settle()
        task = self._tasks.get(task_id)
        if task is None or task.token != token or not task.shown(now, self.options.list_lag):
            return None
        return task

    def any_task(self, task_id: str) -> Task | None:
        """Find a task of any account, visible or not."""
        return self._tasks.get(task_id)

    def state(self, task: Task) -> State:
        """Return the state of a task now."""
        return state_of(task, self.clocks.now(), self.options)

    def add_upload(self, token: str, image: bytes) -> Upload:
        """Store an uploaded image for its account."""
        upload = Upload(f"media_{secrets.token_hex(13)}", token, image)
        self._uploads[upload.id] = upload
        self._uploaded_bytes += len(image)
        while self._uploaded_bytes > UPLOADED_BYTES_KEPT and len(self._uploads) > 1:
            oldest = self._uploads.pop(next(iter(self._uploads)))
            self._uploaded_bytes -= len(oldest.image)
        return upload

    def upload(self, upload_id: str, token: str) -> Upload | None:
        """Find an upload of the account."""
        upload = self._uploads.get(upload_id)
        return upload if upload is not None and upload.token == token else None

    def any_upload(self, upload_id: str) -> Upload | None:
        """Find an upload of any account."""
        return self._uploads.get(upload_id)

    def unfinished(self) -> int:
        """Count the tasks that are unfinished now."""
        self._settle()
        return len(self._unfinished)

    def _check_rate(self, account: Account, now: float) -> None:
        times = account.registered_at
        while times and now - times[0] >= RATE_WINDOW:
            times.popleft()
        if 0 < self.options.rpm <= len(times):
            raise refusals.rate_limited(math.ceil(times[0] + RATE_WINDOW - now))

    def _settle(self) -> float:
        """Note the tasks that have ended. Returns the current time."""
        now = self.clocks.now()
        while self._unfinished and self._unfinished[0][0] <= now:
            task = heapq.heappop(self._unfinished)[2]
            self._accounts[task.token].unfinished -= 1
            self._finished.append(task)
        while len(self._finished) > FINISHED_TASKS_KEPT:
            self._forget(self._finished.popleft())
        return now

    def _forget(self, task: Task) -> None:
        del self._tasks[task.id]
        if task.older is not None:
            task.older.newer = task.newer
        if task.newer is not None:
            task.newer.older = task.older
        else:
            self._accounts[task.token].newest = task.older
        # The links are cut, because a caller that still holds the task would otherwise keep its neighbours in memory.
        task.older = task.newer = None
        if self._accounts[task.token].newest is None:
            del self._accounts[task.token]

    def _note_peaks(self, token: str, account: Account) -> None:
        peaks = self.peaks
        peaks.overall = max(peaks.overall, len(self._unfinished))
        if token not in peaks.by_token and len(peaks.by_token) >= MAX_PEAKS:
            return
        peaks.by_token[token] = max(peaks.by_token.get(token, 0), account.unfinished)
