"""Forecast: how long those who wait for a key are likely to wait."""

import math
from bisect import bisect_left
from collections.abc import Collection
from dataclasses import dataclass
from operator import attrgetter, itemgetter

from sora_proxy.scheduling.keys import Key
from sora_proxy.scheduling.rate_window import MINUTE

FIRST_GUESS_OF_TASK_SECONDS = 30.0
GOOD_FOR_SECONDS = 1.0  # so long is what was added up about all keys good enough


@dataclass(frozen=True, slots=True)
class _Stretch:
    """From the moment at which one more key can serve to the next such moment."""

    start: float
    before: float  # orders that were taken until then
    at_once: float  # the same with the one that the new key takes in that moment
    per_second: float  # what all keys that can serve take from then on


class Forecast:
    """What can be expected of some keys together. `now` is a time of the event loop's clock."""

    def __init__(self, keys: Collection[Key]) -> None:
        self._keys = keys
        # All the mutable state.
        self._task_seconds = FIRST_GUESS_OF_TASK_SECONDS
        self._made_at = -math.inf
        self._stretches: list[_Stretch] = []

    def task_ended(self, seconds: float) -> None:
        """A task had a key for so long: what to expect of the next ones."""
        self._task_seconds += 0.1 * (seconds - self._task_seconds)

    def wait(self, place: int, now: float) -> float:
        """Seconds until the order at a place in line, counted from 1, is likely to get a key."""
        if now - self._made_at >= GOOD_FOR_SECONDS:
            self._look_ahead(now)
        if not self._stretches:
            return math.inf
        stretch = self._stretches[bisect_left(self._stretches, place, key=attrgetter("before")) - 1]
        return max(stretch.start + max(place - stretch.at_once, 0.0) / stretch.per_second - now, 0.0)

    def _look_ahead(self, now: float) -> None:
        self._made_at, self._stretches = now, []
        start, taken, per_second = now, 0.0, 0.0
        for ready_at, key in sorted(((max(key.rests_until(), now), key) for key in self._keys), key=itemgetter(0)):
            before = taken + per_second * (ready_at - start)
            start, taken, per_second = ready_at, before + key.has_room, per_second + self._rate(key)
            self._stretches.append(_Stretch(start, before, taken, per_second))

    def _rate(self, key: Key) -> float:
        """Orders per second that a key can take."""
        return min(key.config.max_rpm / MINUTE, key.limit / self._task_seconds if key.limit else math.inf)
