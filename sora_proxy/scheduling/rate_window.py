"""SlidingWindow: a rate limit over the last minute. Times are seconds of a clock that the caller chooses."""

import contextlib
import math
from collections import deque
from collections.abc import Collection, Iterable

MINUTE = 60.0


class SlidingWindow:
    """Allows at most `size` uses in any 60 seconds."""

    def __init__(self, size: int) -> None:
        # All the mutable state: the size, which may change, and the times of all uses in the last minute, oldest first.
        self.size = size
        self._uses: deque[float] = deque()

    def ready_at(self) -> float:
        """The moment from which one more use is allowed."""
        return self._uses[-self.size] + MINUTE if len(self._uses) >= self.size else -math.inf

    def free(self, now: float) -> int:
        """The number of uses that are still allowed now."""
        return self.size - sum(use > now - MINUTE for use in self._uses)

    def use(self, now: float) -> None:
        """Count a use."""
        while self._uses and self._uses[0] < now - MINUTE:
            self._uses.popleft()
        self._uses.append(now)

    def undo(self, uses: Iterable[float]) -> None:
        """Remove the uses at these times, because they did not happen. Uses from before the last minute may already be
        gone."""
        for use in uses:
            with contextlib.suppress(ValueError):
                self._uses.remove(use)

    def restamp(self, uses: Collection[float], now: float) -> None:
        """Move the uses at these times to the time `now`."""
        self.undo(uses)
        self._uses.extend([now] * len(uses))

    def load(self, uses: Iterable[float]) -> None:
        """Add the uses of an earlier process, oldest first."""
        self._uses = deque([*uses, *self._uses])
