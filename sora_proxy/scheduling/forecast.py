"""Forecast: predicts how long orders will wait for a key."""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter, itemgetter

from sora_proxy.scheduling.keys import Key
from sora_proxy.scheduling.models import Models
from sora_proxy.scheduling.rate_window import MINUTE

INITIAL_TASK_SECONDS = 30.0  # the expected length of a task before any task has ended
FORECAST_LIFETIME_SECONDS = 1.0
TASK_SMOOTHING_FACTOR = 0.1


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A stretch of time that begins when one more key becomes able to serve, and ends when the next one does."""

    start: float
    before: float  # the number of orders that got a key before the start
    at_once: float  # `before`, plus the order that the new key takes at once
    per_second: float  # the rate at which the keys take orders in this stretch


class Forecast:
    """Predicts how long orders will wait. Keys that serve the same models form a group; `keys_of` returns the keys of
    the given groups, each with the moment from which it serves. Times are seconds of the event loop's clock."""

    def __init__(self, keys_of: Callable[[Iterable[Models]], Mapping[Key, float]]) -> None:
        self._keys_of = keys_of
        # All the mutable state.
        self._task_seconds, self._tasks_ended = INITIAL_TASK_SECONDS, 0
        self._made_at = -math.inf
        self._predictions: dict[tuple[Models, ...], list[_Stretch]] = {}

    def task_ended(self, seconds: float) -> None:
        """Learn from a task that occupied a key for this long. Early tasks count more than later ones."""
        self._tasks_ended += 1
        weight = max(TASK_SMOOTHING_FACTOR, 1 / self._tasks_ended)
        self._task_seconds += weight * (seconds - self._task_seconds)

    def wait(self, groups: tuple[Models, ...], position: int, now: float) -> float:
        """The expected wait, in seconds, of the order at this position in line for a key of these groups.

        Positions are counted from 1.
        """
        if now - self._made_at >= FORECAST_LIFETIME_SECONDS:
            self._made_at, self._predictions = now, {}
        if groups not in self._predictions:
            self._predictions[groups] = self._predicted(groups, now)
        if not (stretches := self._predictions[groups]):
            return math.inf
        stretch = stretches[bisect_left(stretches, position, key=attrgetter("before")) - 1]
        return max(stretch.start + max(position - stretch.at_once, 0.0) / stretch.per_second - now, 0.0)

    def _predicted(self, groups: Iterable[Models], now: float) -> list[_Stretch]:
        stretches: list[_Stretch] = []
        start, taken, per_second = now, 0.0, 0.0
        keys = self._keys_of(groups).items()
        ready = ((max(key.blocked_until(), since, now), key) for key, since in keys)
        for ready_at, key in sorted(ready, key=itemgetter(0)):
            before = taken + per_second * (ready_at - start)
            start, taken, per_second = ready_at, before + key.has_room, per_second + self._rate(key)
            stretches.append(_Stretch(start, before, taken, per_second))
        return stretches

    def _rate(self, key: Key) -> float:
        """The number of orders per second that a key can take."""
        return min(key.config.max_rpm / MINUTE, key.limit / self._task_seconds if key.limit else math.inf)
