"""TaskWatcher: one look per key and interval tells about all of that key's tasks.

A key with running tasks has one coroutine that asks for them together. Whoever waits for a task gets what was seen; no
thread and no call belongs to a single generation. Looks are never closer than the interval; they are spread a little
wider where the reported progress tells when a task will end, so that one of them comes right after that end.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, field

import structlog

from sora_proxy.background import start_task
from sora_proxy.errors import Fault, KeyRejected, TaskFailed, UpstreamUnavailable
from sora_proxy.scheduling.key_pool import KeyPool
from sora_proxy.scheduling.keys import Key
from sora_proxy.upstream import Snapshot, TaskState, Upstream

log = structlog.get_logger(__name__)

LONGEST_INTERVAL = 30.0  # between looks that fail
KEY_GRACE = 1800.0  # how long a key may be rejected before its tasks are given up
LOST_LOOKS, LOST_SECONDS = 10, 120.0  # good looks, and time, without a task before it is given up
DEEP_AFTER_LOOKS = 5
AFTER_THE_END = 0.1  # a task that should be done is looked for this much later


@dataclass(slots=True, eq=False)
class _Watch:
    """One task that somebody waits for."""

    news: asyncio.Queue[Snapshot | Fault] = field(default_factory=asyncio.Queue)
    last: Snapshot | None = None
    first_progress: tuple[float, float] | None = None  # when it was seen, and how far the task was
    ends_at: float | None = None  # as its progress so far lets expect
    misses: int = 0  # good looks in a row that did not show it
    missing_since: float = 0.0

    @property
    def look_deeper(self) -> bool:
        """Whether it was pushed out of the first page, rather than not listed yet."""
        return self.misses > 0 and (self.last is not None or self.misses >= DEEP_AFTER_LOOKS)

    def seen(self, snapshot: Snapshot, now: float) -> None:
        self.misses = 0
        self._expect(snapshot.progress, now)
        # An answer that has not changed is no news; a success without results is looked at again.
        if snapshot != self.last or snapshot.state is TaskState.succeeded:
            self.last = snapshot
            self.news.put_nowait(snapshot)

    def _expect(self, progress: float | None, now: float) -> None:
        """When a task ends that goes on as it did so far."""
        if not progress:
            return
        since, first = self.first_progress = self.first_progress or (now, progress)
        if progress > first:
            self.ends_at = now + (1 - progress) * (now - since) / (progress - first)

    def missed(self) -> None:
        now = time.monotonic()
        if self.misses == 0:
            self.missing_since = now
        self.misses += 1
        if self.misses >= LOST_LOOKS and now - self.missing_since >= LOST_SECONDS:
            self.news.put_nowait(TaskFailed("the back end does not know the task any more", code="upstream_lost"))


class TaskWatcher:
    """Follows upstream tasks. `interval` is the least number of seconds between two looks at a key."""

    def __init__(self, upstream: Upstream, keys: KeyPool, *, interval: float) -> None:
        self._upstream = upstream
        self._keys = keys
        self._interval = interval
        # All the mutable state: what is watched, by key and task, and the coroutine of each key.
        self._watched: defaultdict[Key, dict[str, _Watch]] = defaultdict(dict)
        self._pollers: dict[Key, asyncio.Task[None]] = {}

    async def follow(self, key: Key, task_id: str) -> AsyncGenerator[Snapshot, None]:
        """What is seen of a task whenever it changes, until the caller has seen enough.

        Raises TaskFailed if the task vanished for good, KeyRejected if its key did.
        """
        watch = _Watch()
        self._watched[key][task_id] = watch
        if key not in self._pollers:
            self._pollers[key] = start_task(self._poll(key), name=f"poll {key.alias}")
        try:
            while True:
                news = await watch.news.get()
                if isinstance(news, Fault):
                    raise news
                yield news
        finally:
            del self._watched[key][task_id]

    async def close(self) -> None:
        """End every coroutine and wait for their calls."""
        pollers = list(self._pollers.values())
        for poller in pollers:
            poller.cancel()
        await asyncio.gather(*pollers, return_exceptions=True)

    async def _poll(self, key: Key) -> None:
        watched = self._watched[key]
        failures, rejected_since = 0, None
        try:
            await asyncio.sleep(self._interval)
            while watched:
                started = time.monotonic()
                fault = await self._look(key, watched)
                failures = failures + 1 if fault else 0
                rejected_since = (rejected_since or started) if isinstance(fault, KeyRejected) else None
                if fault and rejected_since and started - rejected_since >= KEY_GRACE:
                    self._keys.report(key, fault)
                    for watch in watched.values():
                        watch.news.put_nowait(fault)
                if failures:
                    pause = min(self._interval * 2 ** min(failures, 10), LONGEST_INTERVAL)
                else:
                    pause = _pause(started, self._interval, watched.values())
                await asyncio.sleep(max(started + pause - time.monotonic(), 0))
        finally:
            # No await since the loop saw that nothing is watched: nobody can have come in between.
            del self._pollers[key]

    async def _look(self, key: Key, watched: dict[str, _Watch]) -> Fault | None:
        """Ask once, for all tasks; return what went wrong."""
        asked, now = dict(watched), time.monotonic()
        account = self._keys.account(key)
        try:
            snapshots = await self._upstream.poll(list(asked), account, deep=any(w.look_deeper for w in asked.values()))
        except Fault as fault:
            log.warning("poll failed", key=key.alias, reason=str(fault))
            if isinstance(fault, KeyRejected):  # it may be over in a moment, and its tasks depend on it
                self._keys.suspect(key, fault)
            else:
                self._keys.report(key, fault)
            return fault
        except Exception:
            # A mistake of ours in reading one answer must not leave all of a key's tasks unwatched.
            log.exception("poll broke", key=key.alias)
            return UpstreamUnavailable("internal server error")
        self._keys.succeeded(key, account)
        for task_id, watch in asked.items():
            if snapshot := snapshots.get(task_id):
                watch.seen(snapshot, now)
            else:
                watch.missed()
        return None


def _pause(now: float, interval: float, watched: Iterable[_Watch]) -> float:
    """How long until the next look: the interval, stretched (below twice) to land just after the next expected ends.

    Ends that are close together are seen by one look, after the last of them.
    """
    ends = sorted(watch.ends_at for watch in watched if watch.ends_at is not None and watch.ends_at > now)
    if not ends:
        return interval
    last = max(end for end in ends if end <= ends[0] + interval / 2)
    distance = last + AFTER_THE_END - now
    return distance / max(int(distance / interval), 1) if distance >= interval else interval
