"""Following: waits until the upstream task of an accepted order has ended, and shows its progress to clients."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager

import structlog

from sora_proxy.errors import RequestFault, TaskFailed
from sora_proxy.event_log import Preview, Progress, Queued
from sora_proxy.generation import Asset, Generation
from sora_proxy.scheduling.keys import Key
from sora_proxy.scheduling.lease import Lease
from sora_proxy.upstream import Snapshot, TaskState

log = structlog.get_logger(__name__)

MAX_EMPTY_POLLS = 3  # a task fails when this many polls have shown it as succeeded, but without a result

Follow = Callable[[Key, str], AsyncGenerator[Snapshot, None]]  # takes a task's key and id, and yields its snapshots
Show = Callable[[Generation, Queued | Progress | Preview], Awaitable[None]]


@contextmanager
def limited_wait(generation: Generation, seconds: float) -> Iterator[None]:
    """After `seconds` in the block, make all clients stop waiting. The generation itself continues."""

    def end_wait() -> None:
        log.warning("generation overdue", seconds=seconds)
        generation.end_wait()

    # The time is measured from now, not from the intent: the task may have ended while the server was down, and the
    # wall clock may have been changed.
    timer = asyncio.get_running_loop().call_later(seconds, end_wait)
    try:
        yield
    finally:
        timer.cancel()


class Following:
    """Follows upstream tasks, each for at most `longest` seconds."""

    def __init__(self, follow: Follow, longest: float) -> None:
        self._follow = follow
        self._longest = longest

    async def results(self, generation: Generation, lease: Lease, show: Show) -> tuple[Asset, ...]:
        """Wait for the results of a generation's task; `show` is called with its progress. Raises Fault if there are no
        results."""
        try:
            async with asyncio.timeout(self._longest):
                return await self._watch(generation, lease, show)
        except TimeoutError:
            message = f"The back end took longer than {self._longest:g} seconds."
            raise TaskFailed(message, code="generation_timeout") from None

    async def _watch(self, generation: Generation, lease: Lease, show: Show) -> tuple[Asset, ...]:
        empty = 0
        async with aclosing(self._follow(lease.key, generation.state.task_id or "")) as snapshots:
            async for snapshot in snapshots:
                match snapshot.state:
                    case TaskState.running:
                        await show(generation, _progress_of(snapshot))
                        if snapshot.preview is not None:
                            await show(generation, snapshot.preview)
                    case TaskState.refused:
                        raise RequestFault(
                            "The order violates the back end's content policy. Change the prompt or a reference image."
                        )
                    case TaskState.failed:
                        raise TaskFailed(snapshot.reason or "The back end failed to make the image.")
                    case TaskState.succeeded if snapshot.assets:
                        return snapshot.assets[: generation.spec.n]
                    case TaskState.succeeded:
                        empty += 1
                        if empty == MAX_EMPTY_POLLS:
                            break
        raise TaskFailed("The back end finished without an image.", code="result_unavailable")


def _progress_of(snapshot: Snapshot) -> Progress:
    """The progress of a running task as clients see it."""
    percent = None if snapshot.progress is None else round(min(max(0.0, snapshot.progress), 1.0) * 100)
    return Progress(percent, snapshot.position, snapshot.seconds)
