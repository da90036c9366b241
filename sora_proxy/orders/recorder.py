"""Recorder: commits the steps of generations, and retries for as long as the storage refuses them."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

import structlog

from sora_proxy.errors import StorageUnavailable
from sora_proxy.event_log import Event, Failed, Preview, Progress, Queued
from sora_proxy.generation import Generation, SingleCall, State, Status
from sora_proxy.orders.store import Store

log = structlog.get_logger(__name__)

STORAGE_RETRY_SECONDS = 1.0
MAX_NUMBER = 2**53  # a larger number can't be a count or a time, and JSON does not represent it exactly
SET_BY_AN_INTENT = ("key_id", "task_id", "listed")
# These fields do not change any more once a single call may have been registered.
SET_BY_FIRST_INTENT = ("backend", "model", "ignored", "size", "calls")
T = TypeVar("T")


async def retry_until_stored(write: Callable[[], Awaitable[T]]) -> T:
    """Repeat a write for as long as the storage refuses it, and return its result."""
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
    """Commits the steps of generations. Each method returns only after its step is on disk, so the caller can begin the
    next step at once."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def record(self, generation: Generation, state: State, *events: Event) -> None:
        """Commit the next state and new events."""
        await retry_until_stored(lambda: self._store.record(generation, state, *events))

    async def show(self, generation: Generation, event: Queued | Progress | Preview) -> None:
        """Add an event to the log unless it repeats the last one. Progress never decreases; previews are kept only in
        memory."""
        last = generation.log.last
        if isinstance(event, Progress):
            event = _plausible(event)
            if isinstance(last, Progress) and last.percent is not None:
                event = replace(event, percent=max(last.percent, event.percent or 0))
        if isinstance(event, Preview):
            generation.show_preview(event)
        elif event not in (last, Progress()) and not generation.cancelled:
            await self.record(generation, generation.state, event)

    async def accept(self, generation: Generation, task_id: str) -> None:
        """Record that the back end accepted the order as this task."""
        listed = None if generation.state.listed is None else ()  # the list was needed only to find the task
        await self.record(generation, generation.state.to(Status.running, task_id=task_id, listed=listed))

    async def requeue(self, generation: Generation, *, proven: bool = True) -> None:
        """Queue an order again, because it was refused, never arrived, or was lost.

        Single calls that have an outcome keep it, and the other calls of the order stay at the same back end. `proven`:
        it is certain that the back end did not register the images that will be requested again, so they are subtracted
        from the count of ordered images.
        """
        state = generation.state
        lost = state.lost + (state.status in (Status.unknown, Status.running))
        calls = tuple(_requeued(call, proven=proven) for call in state.calls)
        before, begun = State(), any(call.done or call.counted for call in calls)
        undone = {name: getattr(before, name) for name in SET_BY_AN_INTENT + (() if begun else SET_BY_FIRST_INTENT)}
        kept: dict[str, Any] = {"calls": calls, "intent_at": None if proven else state.intent_at}
        await self.record(generation, state.to(Status.queued, lost=lost, **kept | undone))

    async def fail(self, generation: Generation, failed: Failed, *, refused: bool = False) -> None:
        """End a generation without an image. `refused`: it is certain that the back end registered nothing."""
        undone = {"intent_at": None} if refused else {}
        await self.record(generation, generation.state.to(Status.failed, **undone), failed)

    async def give_up(self, generation: Generation, failed: Failed) -> None:
        """Give up the missing images of a generation. It ends with the images that single calls have made so far."""
        state = generation.state
        calls = tuple(call if call.done else replace(call, error=failed) for call in state.calls)
        key_id = state.key_id or next(asset.key_id for asset in state.results.values())
        await self.record(generation, state.to(Status.saving, calls=calls, key_id=key_id, **done_fields(generation)))


def _requeued(call: SingleCall, *, proven: bool) -> SingleCall:
    if call.done or not call.sent:
        return call
    return call.refused if proven else SingleCall(counted=call.counted)


def done_fields(generation: Generation) -> dict[str, Any]:
    """The state's fields for an order that a synchronous back end has finished. The id of the attempt becomes the task
    id."""
    return {"upstream_done_at": time.time(), "task_id": generation.attempt_id}


def _plausible(progress: Progress) -> Progress:
    """Reported progress without impossible values. The percentage stays below 100 until the task has ended."""
    percent = None if progress.percent is None else round(min(max(0, progress.percent), 99))  # NaN becomes 0
    return Progress(percent, _count(progress.position), _count(progress.seconds))


def _count(value: float | None) -> int | None:
    return math.ceil(value) if value is not None and 0 < value <= MAX_NUMBER else None
