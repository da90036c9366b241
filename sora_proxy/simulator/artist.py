"""Artist: draws images in two threads outside of the event loop, and keeps the newest ones in a cache."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

THREADS = 2
MAX_BYTES = 64 * 2**20
AHEAD = 64  # beyond this number of unfinished drawings, no image is drawn before it is requested

Result = TypeVar("Result")


class Artist:
    """A small pool of threads, and a bounded cache of the images that they drew."""

    def __init__(self) -> None:
        """Create the pool. Its threads are started by the first jobs."""
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="simulator-artist")
        self._drawn: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0
        self._closed = False
        self._drawing: dict[str, asyncio.Future[bytes]] = {}

    def begin(self, name: str, draw: Callable[[], bytes]) -> None:
        """Start to draw an image before it is requested, unless too many images are already waiting to be drawn."""
        if name not in self._drawn and name not in self._drawing and len(self._drawing) < AHEAD and not self._closed:
            self._start(name, draw)

    async def image(self, name: str, draw: Callable[[], bytes]) -> bytes:
        """Return the image with this name. Draw it if it is neither in the cache nor being drawn."""
        if name in self._drawn:
            self._drawn.move_to_end(name)
            return self._drawn[name]
        if name not in self._drawing:
            self._start(name, draw)
        # Other callers may be waiting for the same image, so a cancelled caller must not stop the drawing.
        return await asyncio.shield(self._drawing[name])

    def _start(self, name: str, draw: Callable[[], bytes]) -> None:
        drawing = asyncio.get_running_loop().run_in_executor(self._threads, draw)
        self._drawing[name] = drawing
        drawing.add_done_callback(lambda done: self._finished(name, done))

    async def work(self, job: Callable[[], Result]) -> Result:
        """Run another blocking job in the same threads."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, job)

    def forget(self) -> None:
        """Drop all images."""
        self._drawn.clear()
        self._bytes = 0

    async def close(self) -> None:
        """Finish the images that are being drawn, drop the waiting ones, and end the threads."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        await asyncio.gather(*self._drawing.values(), return_exceptions=True)

    def _finished(self, name: str, drawing: asyncio.Future[bytes]) -> None:
        del self._drawing[name]
        if drawing.cancelled() or drawing.exception() is not None:
            return
        self._drawn[name] = drawing.result()
        self._bytes += len(drawing.result())
        while self._bytes > MAX_BYTES:
            self._bytes -= len(self._drawn.popitem(last=False)[1])
