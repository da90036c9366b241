"""BlockingPool: runs blocking calls on threads, so that they do not block the event loop.

Calls to cloudscraper, SQLite and Pillow, and operations on files, run here and nowhere else. Each kind of work has its
own bounded pool, so that slow downloads never delay a submit. A thread never sleeps and never waits for a generation.
"""

import asyncio
import contextvars
import functools
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from enum import StrEnum
from typing import Any, ParamSpec, TypeVar
from weakref import WeakSet

from sora_proxy.background import finished

P = ParamSpec("P")
T = TypeVar("T")


class Work(StrEnum):
    """The kinds of blocking work. Each has its own threads."""

    submit = "submit"
    poll = "poll"
    probe = "probe"
    download = "download"
    media = "media"
    send = "send"  # reads stored images for answers; not in `media`, so that answers do not wait for conversions
    store_write = "store-write"
    store_read = "store-read"


# Threads hide latency but do not add throughput: because of the GIL, 64 threads make no more calls per second than one.
# The store has a single writer by design: one connection does all writes.
THREADS = {
    Work.submit: 16,
    Work.poll: 16,
    Work.probe: 4,
    Work.download: 16,
    Work.media: 2,
    Work.send: 2,
    Work.store_write: 1,
    Work.store_read: 2,
}


class BlockingPool:
    """Bounded thread pools, one for each kind of `Work`."""

    def __init__(self) -> None:
        self._executors = {
            work: ThreadPoolExecutor(max_workers=size, thread_name_prefix=f"sora-{work}")
            for work, size in THREADS.items()
        }
        # All the mutable state: the calls that are running or waiting for a thread, and the branches.
        self._calls: set[Future[Any]] = set()
        self._branches: WeakSet[BlockingPool] = WeakSet()

    def __repr__(self) -> str:
        return f"<BlockingPool {len(self._calls)} calls>"

    @property
    def busy(self) -> bool:
        """Whether any call is running or waiting for a thread."""
        return bool(self._calls)

    def branch(self) -> "BlockingPool":
        """A second pool of the same size, for calls that must not wait for calls in this pool. The second pool is
        closed together with this pool, or when no object refers to it any more.
        """
        branch = BlockingPool()
        branch._calls = self._calls
        self._branches.add(branch)
        return branch

    async def run(self, work: Work, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `call` on a thread of `work` and return its result.

        If the caller is cancelled before the call has begun, the call is dropped. If it has begun, the caller gets its
        CancelledError only when the call has ended; until then, the caller still holds what the call uses, such as
        a key.
        """
        bound = functools.partial(contextvars.copy_context().run, functools.partial(call, *args, **kwargs))
        future: Future[T] = self._executors[work].submit(bound)
        self._calls.add(future)
        future.add_done_callback(self._calls.discard)
        waiting = asyncio.wrap_future(future)
        try:
            return await asyncio.shield(waiting)
        except asyncio.CancelledError:
            if not future.cancel():
                await finished(waiting)
            raise

    def close(self) -> None:
        """Refuse new calls and drop those that have not begun; running calls end at their own deadlines."""
        for executor in self._executors.values():
            executor.shutdown(wait=False, cancel_futures=True)
        for branch in self._branches:
            branch.close()
