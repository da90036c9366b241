"""Background tasks and loops. A loop that crashes is restarted; the log and the readiness check show the crash.

All tasks outside of task groups are started here, so that each task has a name and every failure is logged.
"""

import asyncio
import contextlib
import contextvars
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

import structlog

log = structlog.get_logger(__name__)

FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 1.0, 60.0  # the wait before a crashed loop is restarted
MANY_DEATHS = 5  # this many in a row; the pauses between them add up to 15 seconds
T = TypeVar("T")
Loop = Callable[[], Coroutine[Any, Any, object]]


def start_task(
    coroutine: Coroutine[Any, Any, T], *, name: str, awaited: bool = False, shared: bool = False
) -> asyncio.Task[T]:
    """Start a task. An exception that ends the task is logged, unless `awaited` is set, which means that the caller
    awaits the task.

    `shared`: the task serves more than one order or request, so its log lines contain no id of an order or request.
    """
    context = contextvars.Context() if shared else None
    task = asyncio.get_running_loop().create_task(coroutine, name=name, context=context)
    if not awaited:
        task.add_done_callback(_log_death)
    return task


def _log_death(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("background task crashed", task=task.get_name(), exc_info=error)


async def finished(waiting: asyncio.Future[Any]) -> None:
    """Wait until a future is done, even if the caller is cancelled meanwhile, and discard its result."""
    while not waiting.done():
        try:
            await asyncio.wait([waiting])
        except asyncio.CancelledError:
            continue
    if not waiting.cancelled():
        waiting.exception()  # retrieves the exception, so that asyncio does not report it


async def uninterrupted(coroutine: Coroutine[Any, Any, T]) -> T:
    """Await work that must not be interrupted. A first cancellation takes effect when the work has ended, a second one
    at once."""
    task = start_task(coroutine, name="uninterrupted", awaited=True)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # retrieves the exception, since the cancelled caller does not
        raise


class Background:
    """Keeps loops running. A loop that returns is finished; a loop that raises is restarted after a growing pause."""

    def __init__(self) -> None:
        # All the mutable state: how many times in a row each loop has died. Once a restarted loop has been running for
        # long enough, its entry is removed.
        self._dead: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"<Background, dead: {', '.join(self.dead) or 'none'}>"

    @property
    def dead(self) -> list[str]:
        """The names of the loops that died. A name is removed once the restarted loop has been running for as long as
        its next pause would last."""
        return sorted(self._dead)

    @property
    def failing(self) -> list[str]:
        """The names of the loops that have died at least `MANY_DEATHS` times in a row."""
        return [name for name in self.dead if self._dead[name] >= MANY_DEATHS]

    @contextlib.asynccontextmanager
    async def running(self, **loops: Loop) -> AsyncIterator[None]:
        """Run named loops until the block ends."""
        keepers = [start_task(self._keep(name, loop), name=f"keep {name}") for name, loop in loops.items()]
        try:
            yield
        finally:
            for keeper in keepers:
                keeper.cancel()
            for keeper in keepers:
                await finished(keeper)

    async def _keep(self, name: str, loop: Loop) -> None:
        pause, clock = FIRST_PAUSE_SECONDS, asyncio.get_running_loop().time
        while True:
            started = clock()
            task = start_task(loop(), name=name, awaited=True)
            try:
                await asyncio.wait([task], timeout=pause if name in self._dead else None)
                if not task.done():
                    self._dead.pop(name, None)
                    await asyncio.wait([task])
            except asyncio.CancelledError:
                task.cancel()
                await finished(task)
                raise
            if not task.cancelled() and task.exception() is None:
                return
            if clock() - started > MAX_PAUSE_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            error = None if task.cancelled() else task.exception()
            log.error("background loop crashed", loop=name, restart_seconds=pause, exc_info=error)
            self._dead[name] = self._dead.get(name, 0) + 1
            await asyncio.sleep(pause)
            pause = min(pause * 2, MAX_PAUSE_SECONDS)
