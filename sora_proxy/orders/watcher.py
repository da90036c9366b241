"""TaskWatcher: polls upstream tasks. One poll per key and interval covers all tasks of that key.

A key with running tasks has one coroutine, which polls for all of them and gives each generation the snapshots of its
task. Polls are never closer together than the interval, unless the back end itself reports that a task has ended. If
the reported progress shows when a task will end, the polls are a little further apart, so that one of them comes right
after the expected end.
"""

import asyncio
import math
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, field

import structlog

from sora_proxy.background import start_task
from sora_proxy.errors import Fault, KeyRejected, TaskLost, UpstreamUnavailable
from sora_proxy.scheduling.key_pool import KeyPool
from sora_proxy.scheduling.keys import Key
from sora_proxy.upstream import Snapshot, TaskState, Upstream

log = structlog.get_logger(__name__)

MAX_INTERVAL_SECONDS = 30.0  # between polls that fail, or polls of overdue tasks
# Between polls that fail in an outage. It is short, because a lost task occupies its key until a poll succeeds.
MAX_OUTAGE_INTERVAL_SECONDS = 5.0
OVERDUE_POLL_DIVISOR = 60  # the time between two polls of an overdue task is a sixtieth of its age
REJECTED_KEY_GRACE_SECONDS = 1800.0  # how long a key may be rejected before its tasks are given up
LOST_TASK_POLLS, LOST_TASK_SECONDS = 10, 120.0  # how long a task may be missing from good polls before it is given up
GONE_TASK_POLLS, GONE_TASK_SECONDS = 3, 5.0  # shorter limits for a back end whose polls show all tasks
DEEP_POLL_MISSES = 5  # how many good polls may miss a task before older pages are polled, too
EXPECTED_END_DELAY_SECONDS = 0.1  # from the expected end of a task to the next poll


@dataclass(slots=True, eq=False)
class _Watch:
    """A task that a generation waits for."""

    since: float
    updates: asyncio.Queue[Snapshot | Fault] = field(default_factory=asyncio.Queue)
    last: Snapshot | None = None
    first_progress: tuple[float, float] | None = None  # the time and the value of the first report
    ends_at: float | None = None  # the end of the task, as estimated from its progress
    misses: int = 0  # consecutive good polls that did not show the task
    missing_since: float = 0.0
    ended: asyncio.Event | None = None

    @property
    def needs_deep_poll(self) -> bool:
        """Whether the task has probably moved past the first page of the list, and is not just missing because
        the list lags behind."""
        return self.misses > 0 and (self.last is not None or self.misses >= DEEP_POLL_MISSES)

    def seen(self, snapshot: Snapshot, now: float) -> None:
        self.misses, self.ended = 0, snapshot.ended
        self._expect(snapshot.progress, now)
        # A snapshot that equals the last one is skipped, except a success without results, which is counted.
        if snapshot != self.last or snapshot.state is TaskState.succeeded:
            self.last = snapshot
            self.updates.put_nowait(snapshot)

    def _expect(self, progress: float | None, now: float) -> None:
        """Estimate the end of a task from the speed of its progress."""
        if not progress:
            return
        since, first = self.first_progress = self.first_progress or (now, progress)
        if progress > first:
            self.ends_at = now + (1 - progress) * (now - since) / (progress - first)

    def missed(self, now: float, *, is_proof: bool) -> None:
        if self.misses == 0:
            self.missing_since = now
        self.misses += 1
        polls, seconds = (GONE_TASK_POLLS, GONE_TASK_SECONDS) if is_proof else (LOST_TASK_POLLS, LOST_TASK_SECONDS)
        if self.misses >= polls and now - self.missing_since >= seconds:
            self.updates.put_nowait(TaskLost("The back end no longer knows the task."))


class TaskWatcher:
    """Follows upstream tasks. `interval` is the minimum number of seconds between two polls with a key.

    A task that is followed for more than `patience` seconds is overdue. If all tasks of a key are overdue, polls are
    further apart.
    """

    def __init__(self, upstream: Upstream, keys: KeyPool, *, interval: float, patience: float) -> None:
        self.upstream = upstream
        self._keys = keys
        self._interval = interval
        self._patience = patience
        # All the mutable state: the watched tasks, by key and id, and the coroutine of each key.
        self._watched: defaultdict[Key, dict[str, _Watch]] = defaultdict(dict)
        self._pollers: dict[Key, asyncio.Task[None]] = {}

    async def follow(self, key: Key, task_id: str) -> AsyncGenerator[Snapshot, None]:
        """Yield a snapshot of a task whenever it changes, until the caller stops.

        Raises TaskLost if the back end lost the task, or KeyRejected if the back end has rejected the key for too long.
        """
        watch = _Watch(self._keys.now)
        self._watched[key][task_id] = watch
        if key not in self._pollers:
            self._pollers[key] = start_task(self._run_polls(key), name=f"poll {key.alias}", shared=True)
        try:
            while True:
                update = await watch.updates.get()
                if isinstance(update, Fault):
                    raise update
                yield update
        finally:
            del self._watched[key][task_id]

    async def close(self) -> None:
        """End all coroutines, and wait until their calls have ended."""
        pollers = list(self._pollers.values())
        for poller in pollers:
            poller.cancel()
        await asyncio.gather(*pollers, return_exceptions=True)

    async def _run_polls(self, key: Key) -> None:
        watched = self._watched[key]
        try:
            while watched:
                try:
                    await self._poll_all(key, watched)
                except Exception:
                    # A bug must not leave the tasks of a key without polls.
                    log.exception("poll loop crashed", key=key.alias)
                    await asyncio.sleep(MAX_INTERVAL_SECONDS)
        finally:
            # Nothing was awaited after the loop ended, so no task can have been added in between.
            del self._pollers[key]

    async def _poll_all(self, key: Key, watched: dict[str, _Watch]) -> None:
        """Poll until no task is watched."""
        failures, rejected_since, started = 0, None, -math.inf
        await asyncio.sleep(self._interval)
        while watched:
            if self._keys.now < started + self._overdue_pause(watched.values()):
                await asyncio.sleep(self._interval)  # not longer, because a task that is not overdue may be added
                continue
            started = self._keys.now
            fault = await self._poll(key, watched)
            failures = failures + 1 if fault else 0
            rejected_since = (rejected_since or started) if isinstance(fault, KeyRejected) else None
            if fault and rejected_since and started - rejected_since >= REJECTED_KEY_GRACE_SECONDS:
                self._keys.report(key, fault)
                for watch in watched.values():
                    watch.updates.put_nowait(fault)
            if fault:
                pause = _pause_after(fault, failures, self._interval)
            else:
                pause = _pause(started, self._interval, watched.values())
            await _sleep(max(started + pause - self._keys.now, 0), watched.values())

    async def _poll(self, key: Key, watched: dict[str, _Watch]) -> Fault | None:
        """Poll all tasks once. Returns the fault if the poll failed."""
        polled, now = dict(watched), self._keys.now
        deep, account = any(watch.needs_deep_poll for watch in polled.values()), self._keys.account(key)
        try:
            snapshots = await self.upstream.poll(list(polled), account, deep=deep)
        except Fault as fault:
            log.warning("poll failed", key=key.alias, reason=str(fault))
            if isinstance(fault, KeyRejected):  # only this key can poll its tasks, and the next poll may succeed
                self._keys.suspect(key, fault)
            else:
                self._keys.report(key, fault)
            return fault
        except Exception:
            # A bug in reading one answer must not end the polls of all tasks of a key.
            log.exception("poll crashed", key=key.alias)
            return UpstreamUnavailable("Internal server error.")
        self._keys.succeeded(key, account)
        for task_id, watch in polled.items():
            if snapshot := snapshots.get(task_id):
                watch.seen(snapshot, now)
            else:
                watch.missed(now, is_proof=self.upstream.polls_are_complete)
        return None

    def _overdue_pause(self, watched: Iterable[_Watch]) -> float:
        """Seconds between two polls of tasks that are all overdue; 0 if one of them is not."""
        age = min((self._keys.now - watch.since for watch in watched), default=0.0)
        return min(age / OVERDUE_POLL_DIVISOR, MAX_INTERVAL_SECONDS) if age > self._patience else 0.0


async def _sleep(seconds: float, watched: Iterable[_Watch]) -> None:
    """Sleep for this many seconds, or until the back end reports that a task has ended."""
    ends = [watch.ended.wait() for watch in watched if watch.ended and not watch.ended.is_set()]
    if not ends:
        await asyncio.sleep(seconds)
        return
    waiting = [start_task(end, name="end of a task", awaited=True) for end in ends]
    try:
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()


def _pause_after(fault: Fault, failures: int, interval: float) -> float:
    """Seconds until the next poll after a number of consecutive failures."""
    longest = MAX_OUTAGE_INTERVAL_SECONDS if isinstance(fault, UpstreamUnavailable) else MAX_INTERVAL_SECONDS
    return min(interval * 2.0 ** min(failures, 10), max(longest, interval))


def _pause(now: float, interval: float, watched: Iterable[_Watch]) -> float:
    """Seconds until the next poll. The interval may be extended, to less than twice its length, so that it ends just
    after the expected end of a task. If several tasks are expected to end at almost the same time, one poll follows the
    last of these ends."""
    ends = sorted(watch.ends_at for watch in watched if watch.ends_at is not None and watch.ends_at > now)
    if not ends:
        return interval
    last = max(end for end in ends if end <= ends[0] + interval / 2)
    distance = last + EXPECTED_END_DELAY_SECONDS - now
    return distance / max(int(distance / interval), 1) if distance >= interval else interval
