"""Forecast: how long those who wait for a key are likely to wait."""

import math
from collections.abc import Collection

from sora_proxy.keys import MINUTE, Key

FIRST_GUESS_OF_TASK_SECONDS = 30.0
GOOD_FOR_SECONDS = 1.0  # so long is what was added up about all keys good enough


class Forecast:
    """What can be expected of some keys together. `now` is a time of the event loop's clock."""

    def __init__(self, keys: Collection[Key]) -> None:
        self._keys = keys
        # All the mutable state.
        self._task_seconds = FIRST_GUESS_OF_TASK_SECONDS
        self._made_at = -math.inf
        self._first = 0.0  # when the first key can serve
        self._per_second = 0.0  # orders that they can take

    def task_ended(self, seconds: float) -> None:
        """A task had a key for so long: what to expect of the next ones."""
        self._task_seconds += 0.1 * (seconds - self._task_seconds)

    def wait(self, place: int, now: float) -> float:
        """Seconds until the order at a place in line, counted from 1, is likely to get a key."""
        if now - self._made_at >= GOOD_FOR_SECONDS:
            self._add_up(now)
        return max(self._first - now, 0.0) + (place / self._per_second if self._per_second else math.inf)

    def _add_up(self, now: float) -> None:
        self._made_at = now
        self._first = min((key.rests_until() for key in self._keys), default=now)
        self._per_second = sum(
            min(key.config.max_rpm / MINUTE, key.limit / self._task_seconds if key.limit else math.inf)
            for key in self._keys
        )
