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

    def free(self, now: float) -> int:
        """How many more uses are allowed now."""
        return self.size - sum(use > now - MINUTE for use in self._uses)

    def use(self, now: float) -> None:
        """Count a use."""
        while self._uses and self._uses[0] < now - MINUTE:
            self._uses.popleft()
        self._uses.append(now)

    def undo(self, count: int) -> None:
        """Remove the last uses: they did not happen."""
        for _ in range(count):
            self._uses.pop()

    def restamp(self, count: int, now: float) -> None:
        """Move the last uses to this moment."""
        self.undo(count)
        self._uses.extend([now] * count)

    def load(self, uses: Iterable[float]) -> None:
        """Add the uses of an earlier process, oldest first."""
        self._uses = deque([*uses, *self._uses])
