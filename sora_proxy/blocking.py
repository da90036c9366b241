"""BlockingPool: all threads that the event loop uses.

cloudscraper, SQLite, Pillow and files block; they run here and nowhere else. Each kind of work has its own bounded
pool, so that slow downloads never delay a submit. A thread never sleeps and never waits for a generation.
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
    send = "send"  # images for clients: sending must not wait until other images are converted
    store_write = "store-write"
    store_read = "store-read"


# Threads hide latency but add no throughput: under the GIL, 1 thread and 64 threads reach the same number of calls per
# second. The store has a single writer by design: one connection does all writes.
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
        # All the mutable state: the calls that run or wait for a thread, and the branches.
        self._calls: set[Future[Any]] = set()
        self._branches: WeakSet[BlockingPool] = WeakSet()

    def __repr__(self) -> str:
        return f"<BlockingPool {len(self._calls)} calls>"

    @property
    def busy(self) -> bool:
        """Whether calls run or wait for a thread."""
        return bool(self._calls)

    def branch(self) -> "BlockingPool":
        """A second pool of the same size, for calls that must not wait for those in this pool. It is closed with this
        pool, or when no object refers to it any more.
        """
        branch = BlockingPool()
        branch._calls = self._calls
        self._branches.add(branch)
        return branch

    async def run(self, work: Work, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `call` on a thread of `work` and return its result.

        A caller that is cancelled gets its CancelledError only when the thread is done; a call that has not begun is
        dropped at once. So a caller that holds a key or a file keeps it until the call has ended.
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
