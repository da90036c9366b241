"""SlidingWindow: a rate limit over the last minute. Times are seconds of one clock, which the caller chooses."""

import math
from collections import deque
from collections.abc import Iterable

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

    def use(self, now: float) -> None:
        """Count a use."""
        while self._uses and self._uses[0] < now - MINUTE:
            self._uses.popleft()
        self._uses.append(now)

    def undo(self) -> None:
        """Remove the last use: it did not happen."""
        self._uses.pop()

    def restamp(self, now: float) -> None:
        """Move the last use to this moment."""
        self._uses[-1] = now

    def load(self, uses: Iterable[float]) -> None:
        """Add the uses of an earlier process, oldest first."""
        self._uses = deque([*uses, *self._uses])
