"""EventLog: a numbered, append-only list of events, and its followers."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import aclosing
from typing import Generic, TypeVar

E = TypeVar("E")


class EventLog(Generic[E]):
    """The events, numbered from 1. Any number of followers can read them, now or later, each at its own pace."""

    def __init__(self, events: Iterable[E] = ()) -> None:
        # All the mutable state: the events, whether the log is closed, how often it was nudged, and the waiting
        # followers.
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
        """Add events and wake every follower. The store must have committed them."""
        self._events.extend(events)
        self._wake()

    def nudge(self) -> None:
        """Wake the followers that have `nudged` set: something outside of the log has changed."""
        self._nudges += 1
        self._wake()

    def close(self) -> None:
        """End all waits: the generation has ended, this process stops, or it takes too long."""
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
        """Yield the existing events numbered above `after`, then new ones, in batches, until the log is closed. Yields
        an empty sequence after `idle` seconds without an event, so that a heartbeat can be sent; with `nudged` also
        after each nudge, including earlier nudges.
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
    """The time since a follower's last batch. One timer serves all of them; it is moved only when it fires."""

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
        assert self._idle is not None  # noqa: S101 - there is no timer without it
        left = self._began_at + self._idle - self._loop.time()
        if left <= 0:
            left = self._idle
            if self._waiter is not None:
                _settle(self._waiter, False)
        self._timer = self._loop.call_later(left, self._fire)


def _settle(waiter: asyncio.Future[bool], result: bool) -> None:
    if not waiter.done():
        waiter.set_result(result)
