"""OrderQueue: the orders that wait for a key, how many may, and what they are told meanwhile."""

import asyncio
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sora_proxy.errors import QueueFull
from sora_proxy.scheduling.forecast import Forecast
from sora_proxy.scheduling.keys import Key
from sora_proxy.scheduling.lease import Lease
from sora_proxy.scheduling.line import Line, Place

FIRST_POSITION_AFTER, POSITION_INTERVAL = 0.2, 1.0  # when those in line hear of their place
LONGEST_RETRY_AFTER = 60  # seconds; SDKs stop trying, or try at once, above it


@dataclass(frozen=True, slots=True)
class QueueBounds:
    """How many may wait, in all and of one client, and for how many seconds as far as can be foreseen."""

    most: int = 1000
    most_per_client: int = 500
    seconds: float = 120.0


class OrderQueue(Line[Lease]):
    """The line of those who wait for one of the keys. Their `news` are set whenever their place changed noticeably."""

    def __init__(self, bounds: QueueBounds, weights: Mapping[str, float], keys: Collection[Key]) -> None:
        super().__init__(weights)
        self._bounds = bounds
        self.forecast = Forecast(keys)
        # All the mutable state.
        self._ticker: asyncio.TimerHandle | None = None

    def admit(self, client: str, arriving: Sequence[str], *, key_is_free: bool) -> None:
        """Check that one more order of a client may wait, beside those in line and others that these clients bring.

        Raises QueueFull.
        """
        place = self.places_before(client) + len(arriving) + 1
        wait = 0.0 if place == 1 and key_is_free else self.expected_wait(place)
        full = len(self) + len(arriving) >= self._bounds.most
        full |= self.waiting.get(client, 0) + arriving.count(client) >= self._bounds.most_per_client
        if full or wait > self._bounds.seconds:
            until = max(wait - self._bounds.seconds, self.expected_wait(1) if full else 0.0, 1.0)
            seconds = math.ceil(min(until, LONGEST_RETRY_AFTER))
            raise QueueFull("too many orders are waiting; try again later", retry_after=seconds)

    def expected_wait(self, place: int) -> float:
        """Seconds until the order at a place in line, counted from 1, is likely to get a key."""
        return self.forecast.wait(place, asyncio.get_running_loop().time())

    def add(self, place: Place[Lease]) -> None:
        super().add(place)
        self._tick_later(FIRST_POSITION_AFTER)

    def _tick_later(self, pause: float) -> None:
        if self._ticker is None:
            self._ticker = asyncio.get_running_loop().call_later(pause, self._tick)

    def _tick(self) -> None:
        """Tell those in line whose place changed by a tenth or more: what they are told is written to disk."""
        self._ticker = None
        for position, place in enumerate(self.in_order(), 1):
            place.position = position
            if abs(position - place.told) >= max(place.told // 10, 1):
                place.told = position
                place.news.set()
        if self._count:
            self._tick_later(max(POSITION_INTERVAL, len(self) / 5000))
