"""KeyPool: who gets which upstream key, when, and what a fault does to a key.

Orders wait in one line. Every change of state ends in one synchronous step, `_assign`, which can't be interrupted and
decides everything: it hands keys to the first in line for as long as a key can serve, and if none can, it sets one
timer for the next moment at which one can. Nobody polls.

A lease covers the whole time in which its task counts upstream. In its first part, until `accepted`, it also holds the
key's only place for an open intent: an order whose outcome gets lost can then be told from every other one.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog

from sora_proxy.egress import Egress
from sora_proxy.errors import (
    EgressFault,
    Fault,
    KeyRejected,
    NoUpstreamKey,
    QueueFull,
    RateLimited,
    TooManyTasks,
    UpstreamFault,
)
from sora_proxy.keys import MINUTE, Key
from sora_proxy.setting_types import UpstreamKey

log = structlog.get_logger(__name__)

FIRST_POSITION_AFTER, POSITION_INTERVAL = 0.2, 1.0  # when those in line hear of their place
FIRST_GUESS_OF_TASK_SECONDS = 30.0

OnWait = Callable[[int, int | None], Awaitable[None]]


@dataclass(slots=True)
class Lease:
    """The right to one task on `key`."""

    key: Key
    _pool: "KeyPool"
    _intent_open: bool = True

    def sending(self) -> None:
        """The order goes out now, which may be long after the key was given: the upstream's minute counts from here."""
        self.key.bucket.restamp(time.monotonic())

    def accepted(self) -> None:
        """The order's outcome is on disk: the key may take the next one."""
        if self._intent_open:
            self._intent_open = False
            self.key.intents -= 1
            self.key.rest.due = False
            self.key.rest.over()
            self.key.egress(time.monotonic()).rest.over()
            self._pool.changed()

    def end(self) -> None:
        """The task does not count upstream any more."""
        self.key.intents -= self._intent_open
        self.key.tasks -= 1
        self._pool.changed()


@dataclass(slots=True, eq=False)
class _Waiter:
    granted: "asyncio.Future[Key]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    position: int = 1


class KeyPool:
    """All upstream keys, and the line of those who wait for one. Times are seconds of the monotonic clock."""

    def __init__(self, keys: Iterable[UpstreamKey], *, max_queue: int, max_queue_wait: float) -> None:
        self._max_queue = max_queue
        self._max_queue_wait = max_queue_wait
        # All the mutable state.
        self.egress = Egress()  # one way out for all keys: the proxy, or none
        self._keys = {key.id: key for key in (Key(config, n, [self.egress]) for n, config in enumerate(keys, 1))}
        self._line: deque[_Waiter] = deque()
        self._numbered_at = -math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._share = 0.0  # that of the key granted last
        self._task_seconds = FIRST_GUESS_OF_TASK_SECONDS

    def __repr__(self) -> str:
        tasks = sum(key.tasks for key in self._keys.values())
        return f"<KeyPool {len(self._keys)} keys, {tasks} tasks, {len(self._line)} waiting>"

    @property
    def usable(self) -> bool:
        """Whether any key could serve, now or later."""
        return any(not key.rejected for key in self._keys.values())

    def admit(self, arriving: int = 0) -> None:
        """Check that one more may wait in line, behind those in it and `arriving` others.

        Raises NoUpstreamKey or QueueFull.
        """
        if not self.usable:
            raise NoUpstreamKey("no upstream key is left that could serve")
        place = len(self._line) + arriving + 1
        wait = self.expected_wait(place)
        if place > self._max_queue or wait > self._max_queue_wait:
            seconds = math.ceil(min(max(wait - self._max_queue_wait, 1.0), 60.0))
            raise QueueFull("too many orders are waiting; try again later", retry_after=seconds)

    def doubt(self, key: Key) -> None:
        """A running task's key was refused: it gets nothing new for a while, and nobody is sent away for its sake."""
        key.rest.back_off(time.monotonic())
        self.changed()

    def works(self, key: Key) -> None:
        """The key was just seen at work."""
        key.rest.over()
        key.egress(time.monotonic()).rest.over()
        self.changed()

    def get(self, key_id: str) -> Key | None:
        return self._keys.get(key_id)

    def expected_wait(self, place: int) -> float:
        """Seconds until the order at a place in line, counted from 1, is likely to get a key."""
        now = time.monotonic()
        usable = [key for key in self._keys.values() if not key.rejected]
        if place == 1 and any(key.ready_at() <= now for key in usable):
            return 0.0
        per_second = sum(
            min(key.max_rpm / MINUTE, key.limit / self._task_seconds if key.limit else math.inf) for key in usable
        )
        first = min((max(key.rest.until, self.egress.rest.until, key.bucket.ready_at()) for key in usable), default=now)
        return max(first - now, 0.0) + (place / per_second if per_second else math.inf)

    @asynccontextmanager
    async def lease(self, on_wait: OnWait, *, first: bool = False) -> AsyncIterator[Lease]:
        """Wait in line for a key (at its head if `first`) and hold it.

        `on_wait` hears of the place in line and the expected seconds about once a second. A Fault that leaves the
        block tells the pool about the key's health. Raises NoUpstreamKey when no key is left that could serve.
        """
        key = await self._wait(on_wait, first=first)
        async with self._held(Lease(key, self)) as lease:
            yield lease

    @asynccontextmanager
    async def resume(self, key_id: str, *, intent_open: bool) -> AsyncIterator[Lease]:
        """Hold again the key that a generation was on before a restart, whatever its limits say.

        Raises NoUpstreamKey if the key is not configured any more.
        """
        key = self._keys.get(key_id)
        if key is None:
            raise NoUpstreamKey("the upstream key of this generation was removed")
        key.tasks += 1
        key.intents += intent_open
        async with self._held(Lease(key, self, intent_open)) as lease:
            yield lease

    def report(self, key: Key, fault: Fault) -> None:
        """Let a fault have its effect on the key, or on the way to the upstream."""
        now = time.monotonic()
        if isinstance(fault, KeyRejected):
            key.rejected = str(fault)
            log.warning("key out of service", key=key.alias, reason=str(fault))
        elif isinstance(fault, TooManyTasks):
            others = max(key.tasks - 1, 0)
            learned = max(fault.limit if fault.limit is not None else others, 1)
            key.limit = min(learned, key.max_concurrent or learned)
            log.info("key limit learned", key=key.alias, limit=key.limit)
            if others < key.limit:  # tasks that are not ours fill it: only time can tell when they end
                key.rest.back_off(now)
                key.rest.due = True
        elif isinstance(fault, RateLimited):
            key.rest.back_off(now, at_least=fault.retry_after or 0.0)
            key.rest.due = True
            log.info("key rests", key=key.alias, seconds=round(key.rest.until - now, 1), reason=str(fault))
        elif isinstance(fault, EgressFault):
            key.egress(now).rest.back_off(now)
            log.warning("way to the back end rests", seconds=round(self.egress.rest.until - now, 1), reason=str(fault))
        elif isinstance(fault, UpstreamFault):
            key.rest.back_off(now)
        self.changed()

    def changed(self) -> None:
        """Something may have made a key ready: look at the line."""
        self._assign()

    async def _wait(self, on_wait: OnWait, *, first: bool) -> Key:
        waiter = _Waiter()
        if first:
            self._line.appendleft(waiter)
        else:
            self._line.append(waiter)
        try:
            self._assign()
            pause = FIRST_POSITION_AFTER
            while not waiter.granted.done():
                await asyncio.wait([waiter.granted], timeout=pause)
                pause = POSITION_INTERVAL
                if not waiter.granted.done():
                    position = self._position(waiter)
                    seconds = self.expected_wait(position)
                    await on_wait(position, math.ceil(seconds) if math.isfinite(seconds) else None)
            return waiter.granted.result()
        except BaseException:
            self._leave(waiter)
            raise

    def _leave(self, waiter: _Waiter) -> None:
        """A waiter that goes away leaves no trace, even if it was just given a key."""
        if waiter in self._line:
            self._line.remove(waiter)
        elif not waiter.granted.cancelled() and waiter.granted.exception() is None:
            key = waiter.granted.result()
            key.tasks -= 1
            key.intents -= 1
            key.bucket.give_back()
        self._assign()

    @asynccontextmanager
    async def _held(self, lease: Lease) -> AsyncIterator[Lease]:
        since = time.monotonic()
        try:
            yield lease
        except Fault as fault:
            self.report(lease.key, fault)
            raise
        else:
            self._task_seconds += 0.1 * (time.monotonic() - since - self._task_seconds)
        finally:
            lease.end()

    def _position(self, waiter: _Waiter) -> int:
        now = time.monotonic()
        if now - self._numbered_at >= POSITION_INTERVAL:
            self._numbered_at = now
            for position, each in enumerate(self._line, 1):
                each.position = position
        return waiter.position

    def _assign(self) -> None:
        """Give keys to the first in line, for as long as one can serve."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = time.monotonic()
        while self._line and (key := self._best(now)) is not None:
            self._grant(key, self._line.popleft(), now)
        if not self._line:
            return
        if not self.usable:
            self._refuse_all()
            return
        next_ready = min(key.ready_at() for key in self._keys.values())
        if math.isfinite(next_ready):
            self._timer = asyncio.get_running_loop().call_at(next_ready, self._assign)

    def _best(self, now: float) -> Key | None:
        """Of the keys that can serve, the one that had the least for its weight."""
        ready = [key for key in self._keys.values() if key.ready_at() <= now]
        return min(ready, key=lambda key: key.share, default=None)

    def _grant(self, key: Key, waiter: _Waiter, now: float) -> None:
        key.bucket.take(now)
        key.tasks += 1
        key.intents += 1
        # A key that was away must not catch up on all it missed: it goes on from where the others are.
        self._share = max(key.share, self._share)
        key.share = self._share + 1 / key.weight
        waiter.granted.set_result(key)

    def _refuse_all(self) -> None:
        while self._line:
            self._line.popleft().granted.set_exception(NoUpstreamKey("no upstream key is left that could serve"))
