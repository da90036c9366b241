"""Roster: which key serves next. Of those that can serve, it is the one with the fewest grants for its weight.

Each key has a share: the number of its grants, divided by its weight. The lowest share is next. A key that could not
serve for a while continues from the share of the others: it does not catch up. Every step costs the logarithm of the
number of keys, because a key is checked only when it changed, or when the time has come at which it can serve again.
"""

import heapq
import math

from sora_proxy.scheduling.keys import Key


class Roster:
    """All keys that may serve. Every change of one must be followed by `update`."""

    def __init__(self) -> None:
        # All the mutable state. An entry of a heap counts only while its number is the key's latest.
        self._entries: dict[Key, int] = {}
        self._number = 0
        self._ready: list[tuple[float, int, Key]] = []  # by share
        self._asleep: list[tuple[float, int, Key]] = []  # by the moments at which they can serve
        self._share = 0.0  # of the key that served last, before it did

    def update(self, key: Key, now: float) -> None:
        """Note when a key can serve, after it changed."""
        self._number += 1
        self._entries[key] = self._number
        ready_at = key.ready_at()
        if ready_at <= now:
            heapq.heappush(self._ready, (key.share, self._number, key))
        elif math.isfinite(ready_at):
            heapq.heappush(self._asleep, (ready_at, self._number, key))
        if len(self._ready) + len(self._asleep) > 4 * len(self._entries) + 64:
            self._tidy()

    def discard(self, key: Key) -> None:
        """Remove a key."""
        self._entries.pop(key, None)

    def best(self, now: float) -> Key | None:
        """The key that serves next, if one can now. The caller must `update` it then."""
        while self._asleep and self._asleep[0][0] <= now:
            _, number, key = heapq.heappop(self._asleep)
            if self._entries.get(key) == number:
                self.update(key, now)
        while self._ready:
            _, number, key = self._ready[0]
            if self._entries.get(key) != number:
                heapq.heappop(self._ready)
            elif key.ready_at() > now:  # its egress is cooling down: the key itself did not change
                heapq.heappop(self._ready)
                self.update(key, now)
            else:
                return key
        return None

    def next_ready(self) -> float:
        """The moment at which the next key can serve; infinity if that depends on an event."""
        while self._asleep and self._entries.get(self._asleep[0][2]) != self._asleep[0][1]:
            heapq.heappop(self._asleep)
        return self._asleep[0][0] if self._asleep else math.inf

    def served(self, key: Key) -> None:
        """Count one grant to a key."""
        self._share = max(key.share, self._share)
        key.count_grant(self._share)

    def _tidy(self) -> None:
        for heap in (self._ready, self._asleep):
            heap[:] = [entry for entry in heap if self._entries.get(entry[2]) == entry[1]]
            heapq.heapify(heap)
