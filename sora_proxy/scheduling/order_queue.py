"""OrderQueue: holds the orders that are waiting for a key, limits their number, and keeps their positions current."""

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic

from sora_proxy.errors import QueueFull, ServerUnreachable, SoraProxyError
from sora_proxy.scheduling.line import G, Place
from sora_proxy.scheduling.lines import Lines
from sora_proxy.scheduling.models import Models

FIRST_UPDATE_SECONDS, UPDATE_INTERVAL_SECONDS = 0.2, 1.0  # before the first update of positions, and between updates
POSITIONS_PER_SECOND = 5000  # at most this many are updated; if more orders are waiting, updates are further apart
MAX_REFUSED_SECONDS = 60.0  # an order fails if its back end can't take it for longer, such as during a restart
MAX_RETRY_AFTER_SECONDS = 60  # with a longer `Retry-After`, SDKs do not retry, or retry at once


@dataclass(frozen=True, slots=True)
class QueueBounds:
    """The maximum number of waiting orders, in total and per client, and the longest expected wait that is allowed.

    `max_wait_at_own_servers` replaces `max_wait_seconds` if the servers of a back end have no queue of their own.
    """

    max_orders: int = 1000
    max_orders_of_client: int = 500
    max_wait_seconds: float = 120.0
    max_wait_at_own_servers: float = 120.0


class OrderQueue(Generic[G]):
    """The orders that are waiting for a key. A place's event `updated` is set when its position changes noticeably.

    `forecast` takes lines, a position in them and a time of the event loop's clock, and returns the seconds for which
    an order is likely to wait from then on.
    """

    def __init__(
        self, bounds: QueueBounds, lines: Lines[G], forecast: Callable[[tuple[Models, ...], int, float], float]
    ) -> None:
        self._bounds = bounds
        self._lines = lines
        self._forecast = forecast
        # All the mutable state.
        self._ticker: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def waiting(self) -> dict[str, int]:
        """The number of waiting orders, by client."""
        return self._lines.waiting

    @property
    def max_refused_seconds(self) -> float:
        """An order fails if the back end has been unable to take it for this many seconds."""
        return min(MAX_REFUSED_SECONDS, self._bounds.max_wait_seconds)

    def admit(self, model: str | None, client: str, arriving: Sequence[str], *, key_is_free: bool) -> None:
        """Check that one more order of a client may wait. `arriving` are the clients of orders that are being accepted.

        A key must serve the model of the order. Raises QueueFull.
        """
        position = self._lines.places_before(model, client) + len(arriving) + 1
        wait = 0.0 if position == 1 and key_is_free else self.expected_wait(model, position)
        orders_of_client = self.waiting.get(client, 0) + arriving.count(client)
        full = len(self) + len(arriving) >= self._bounds.max_orders
        full |= orders_of_client >= self._bounds.max_orders_of_client
        if full or wait > self._bounds.max_wait_seconds:
            until = max(wait - self._bounds.max_wait_seconds, self.expected_wait(model, 1) if full else 0.0, 1.0)
            seconds = math.ceil(min(until, MAX_RETRY_AFTER_SECONDS))
            raise QueueFull("Too many orders are waiting. Try again later.", retry_after=seconds)

    def expected_wait(self, model: str | None, position: int) -> float:
        """The expected wait, in seconds, of an order for this model at this position in line. Positions are counted
        from 1."""
        return self._forecast(self._lines.serving(model), position, asyncio.get_running_loop().time())

    def add(self, place: Place[G]) -> None:
        """Add an order to the lines for its model."""
        self._lines.add(place)
        self._tick_later(FIRST_UPDATE_SECONDS)

    def dismiss(self, why: SoraProxyError) -> None:
        """Make every order leave the queue. Orders that return get their old places."""
        for place in self._lines:
            self._lines.remove(place)
            place.refuse(why)

    def note_outage(self, reason: str, now: float, reachable: set[Models]) -> None:
        """Note that only the keys of the `reachable` lines work now. Orders that have waited too long for other keys
        fail."""
        for place in self._lines:
            unreachable = reachable.isdisjoint(self._lines.serving(place.model))
            if unreachable and place.note_refusal(now) >= self.max_refused_seconds:
                self._lines.remove(place)
                place.refuse(ServerUnreachable(reason))

    def end_outage(self, reachable: set[Models]) -> None:
        """Note that the keys of the `reachable` lines work again."""
        for place in self._lines:
            if not reachable.isdisjoint(self._lines.serving(place.model)):
                place.refused_since = math.inf

    def _tick_later(self, pause: float) -> None:
        if self._ticker is None:
            self._ticker = asyncio.get_running_loop().call_later(pause, self._tick)

    def _tick(self) -> None:
        """Update only orders whose position changed by a tenth or more, because each update is written to disk."""
        self._ticker = None
        for place, position in self._lines.positions().items():
            place.position = position
            if abs(position - place.last_position) >= max(place.last_position // 10, 1):
                place.last_position = position
                place.updated.set()
        if self:
            self._tick_later(max(UPDATE_INTERVAL_SECONDS, len(self) / POSITIONS_PER_SECOND))
