"""Clock: the clock that jobs and the pauses of injected faults follow."""

import time

from sora_proxy.simulator.news import News


class Clock(News):
    """A clock that can be moved forward; times are in seconds."""

    def __init__(self) -> None:
        """Start with the time of the machine."""
        super().__init__()
        self._ahead = 0.0

    def now(self) -> float:
        """Return the number of seconds since an arbitrary moment."""
        return time.monotonic() + self._ahead

    def milliseconds(self) -> int:
        """Return the number of milliseconds since 1970."""
        return round((time.time() + min(self._ahead, 1e9)) * 1000)

    def advance(self, seconds: float) -> None:
        """Move the clock forward. Infinity ends all pauses, including later ones."""
        self._ahead += seconds
        self.wake()

    async def sleep(self, seconds: float) -> None:
        """Wait for this many seconds."""
        await self.reach(self.now() + seconds)

    async def reach(self, due: float) -> None:
        """Wait until `now` reaches `due`."""
        while (left := due - self.now()) > 0:
            await self.wait_for(lambda: self.now() >= due, left)
