"""The time of jobs and of pauses on purpose."""

import time

from sora_proxy.simulator.news import News


class Clock(News):
    """It runs as all clocks do, and it can be put forward; times are in seconds."""

    def __init__(self) -> None:
        """Start at the time of the machine."""
        super().__init__()
        self._ahead = 0.0

    def now(self) -> float:
        """Return the time, which starts anywhere."""
        return time.monotonic() + self._ahead

    def milliseconds(self) -> int:
        """Return the time since 1970 in milliseconds."""
        return round((time.time() + min(self._ahead, 1e9)) * 1000)

    def advance(self, seconds: float) -> None:
        """Put the clock forward; by infinity, every pause ends, now and later."""
        self._ahead += seconds
        self.wake()

    async def sleep(self, seconds: float) -> None:
        """Wait until so much time is over."""
        await self.reach(self.now() + seconds)

    async def reach(self, due: float) -> None:
        """Wait until it is that late."""
        while (left := due - self.now()) > 0:
            await self.wait_for(lambda: self.now() >= due, left)
