"""Recorder: commits what becomes of a generation, however long the storage refuses."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

import structlog

from sora_proxy.errors import StorageUnavailable
from sora_proxy.events import Event, Failed, Preview, Progress, Queued
from sora_proxy.generation import Generation, SingleCall, State, Status
from sora_proxy.orders.store import Store

log = structlog.get_logger(__name__)

STORAGE_RETRY_SECONDS = 1.0
LARGEST = 2**53  # beyond it a number is no count and no time, and JSON does not hold it exactly
SET_BY_AN_INTENT = ("key_id", "task_id", "listed")
SET_BY_THE_FIRST = ("backend", "model", "ignored", "size", "calls")  # that was not refused as a whole
T = TypeVar("T")


async def once_stored(write: Callable[[], Awaitable[T]]) -> T:
    """What a write returns, which is tried again for as long as the storage refuses it."""
    refused = False
    while True:
        try:
            return await write()
        except StorageUnavailable as error:
            if not refused:
                log.warning("storage unavailable, retrying", reason=str(error))
            refused = True
            await asyncio.sleep(STORAGE_RETRY_SECONDS)


class Recorder:
    """The steps of generations. A step returns once it is on disk: what follows must not happen before."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def record(self, generation: Generation, state: State, *events: Event) -> None:
        """Commit the next state and new events."""
        await once_stored(lambda: self._store.record(generation, state, *events))

    async def show(self, generation: Generation, event: Queued | Progress | Preview) -> None:
        """Log an event if it is news. Progress never goes back, and a preview is kept in memory only."""
        last = generation.log.last
        if isinstance(event, Progress):
            event = _sensible(event)
            if isinstance(last, Progress) and last.percent is not None:
                event = replace(event, percent=max(last.percent, event.percent or 0))
        if isinstance(event, Preview):
            generation.show_preview(event)
        elif event not in (last, Progress()) and not generation.cancelled:
            await self.record(generation, generation.state, event)

    async def accept(self, generation: Generation, task_id: str) -> None:
        """The back end has the order, as this task."""
        listed = None if generation.state.listed is None else ()  # which tasks they were matters no more
        await self.record(generation, generation.state.to(Status.running, task_id=task_id, listed=listed))

    async def requeue(self, generation: Generation, *, proven: bool = True) -> None:
        """The order is to be sent again, as far as it was refused, never arrived, or was lost.

        Of one that is sent as single calls, what has an outcome stays, and the rest stays with its back end. `proven`:
        what is sent again is known not to have been registered, so it does not count as ordered.
        """
        state = generation.state
        lost = state.lost + (state.status in (Status.unknown, Status.running))
        calls = tuple(_to_send(call, proven=proven) for call in state.calls)
        before, begun = State(), any(call.done or call.counted for call in calls)
        undone = {name: getattr(before, name) for name in SET_BY_AN_INTENT + (() if begun else SET_BY_THE_FIRST)}
        again: dict[str, Any] = {"calls": calls, "intent_at": None if proven else state.intent_at}
        await self.record(generation, state.to(Status.queued, lost=lost, **again | undone))

    async def fail(self, generation: Generation, failed: Failed, *, refused: bool = False) -> None:
        """End it without an image. `refused`: the back end registered nothing."""
        undone = {"intent_at": None} if refused else {}
        await self.record(generation, generation.state.to(Status.failed, **undone), failed)

    async def give_up(self, generation: Generation, failed: Failed) -> None:
        """Have it end with the images that single calls made so far: the others will not come."""
        state = generation.state
        calls = tuple(call if call.done else replace(call, error=failed) for call in state.calls)
        key_id = state.key_id or next(asset.key_id for asset in state.results.values())
        await self.record(generation, state.to(Status.saving, calls=calls, key_id=key_id, **done_now(generation)))


def _to_send(call: SingleCall, *, proven: bool) -> SingleCall:
    if call.done or not call.sent:
        return call
    return call.refused if proven else SingleCall(counted=call.counted)


def done_now(generation: Generation) -> dict[str, Any]:
    """What a state notes of an order that a synchronous back end, which knows no tasks, is done with."""
    return {"upstream_done_at": time.time(), "task_id": generation.attempt_id}


def _sensible(progress: Progress) -> Progress:
    """What a back end reported, as far as it can be true. Only its end says that an order is done."""
    percent = None if progress.percent is None else round(min(max(0, progress.percent), 99))  # NaN becomes 0
    return Progress(percent, _count(progress.position), _count(progress.seconds))


def _count(value: float | None) -> int | None:
    return math.ceil(value) if value is not None and 0 < value <= LARGEST else None
