"""Line: the queue of orders that wait for a key, fair between clients. The orders of one client are served first-in,
first-out.

Start-time fair queueing: each client has a tag, a point of virtual time at which its next order may be served. The
client with the lowest tag is next, and its tag then grows by its stride, which is shorter for a client with more
weight. So five hundred orders from one client do not hold up a single order from another, and a client gets no credit
for the time in which it had no orders. Virtual time is counted in integers, so that rounding never decides which client
is next. The cost of adding, removing and choosing an order grows with the logarithm of the number of clients, or of
their orders.
"""

import asyncio
import heapq
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

UNIT_STRIDE = 2**32  # the stride of a client with weight 1
G = TypeVar("G")


@dataclass(slots=True, eq=False)
class Place(Generic[G]):
    """The place of one generation's order in line. An order that returns after a refusal gets its old place.

    `model` is the back end's own name for the order's model; None: any key can take the order. `number` grows with each
    order that arrives. `position` counts from 1; `last_position` is the position that was reported last. `updated` is
    set when the place gets a `grant` or a `refusal`, or when its position has changed noticeably.
    """

    client: str
    generation_id: str
    model: str | None = None
    number: int = 0
    position: int = 0
    last_position: int = 0
    grant: G | None = None
    refusal: Exception | None = None
    waiting: bool = False
    refused_since: float = math.inf  # the time of the first refusal that the order did not cause
    updated: asyncio.Event = field(default_factory=asyncio.Event)

    def note_refusal(self, now: float) -> float:
        """Note that the back end could not take the order. Returns for how many seconds that has been the case."""
        self.refused_since = min(self.refused_since, now)
        return now - self.refused_since

    def refuse(self, reason: Exception) -> None:
        """Note why the order left the line without a key."""
        self.grant, self.refusal = None, reason
        self.updated.set()

    def __lt__(self, other: "Place[G]") -> bool:
        return self.number < other.number


@dataclass(slots=True)
class _Client(Generic[G]):
    number: int  # clients are numbered as they arrive; if tags are equal, the lower number is next
    stride: int
    tag: int = 0  # the virtual time at which the client's next order may be served
    waiting: set[Place[G]] = field(default_factory=set)  # the client's orders in line
    places: list[Place[G]] = field(default_factory=list)  # a heap of these orders, and of some that have left
    entered: int | None = None  # the tag of the client's entry in `Line._next`

    def count_before(self, mark: tuple[int, int]) -> int:
        """How many orders of this client come before a mark, which consists of a tag and a client's number."""
        if not self.waiting or (self.tag, self.number) > mark:
            return 0
        return min(len(self.waiting), (mark[0] - self.tag - (self.number > mark[1])) // self.stride + 1)

    def take(self) -> Place[G]:
        while (place := heapq.heappop(self.places)) not in self.waiting:
            pass
        return place


class Line(Generic[G]):
    """One line. `weights` are the shares of clients by name; every other client has weight 1."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        self._weights = weights
        # All the mutable state.
        self._clients: dict[str, _Client[G]] = {}
        self._next: list[tuple[int, int, str]] = []  # a heap of (tag, number, name) of clients
        self._virtual = 0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, place: Place[G]) -> None:
        """Add an order. Its number decides where in the line it stands."""
        client = self._client(place.client)
        heapq.heappush(client.places, place)
        client.waiting.add(place)
        self._count += 1
        if len(client.waiting) == 1:  # no credit for the time without orders
            client.tag = max(client.tag, self._virtual)
            self._enter(place.client, client)

    def remove(self, place: Place[G]) -> None:
        """Remove an order."""
        client = self._clients[place.client]
        client.waiting.remove(place)
        self._count -= 1
        if len(client.places) > 2 * len(client.waiting) + 16:
            client.places = list(client.waiting)
            heapq.heapify(client.places)

    def next(self) -> Place[G]:
        """Advance to the next order, which the caller must `remove`. The line must not be empty."""
        while True:
            tag, _, name = heapq.heappop(self._next)
            client = self._clients[name]
            if client.entered == tag:
                client.entered = None
                if client.waiting:
                    break
        self._virtual = tag
        client.tag = tag + client.stride
        if len(client.waiting) > 1:
            self._enter(name, client)
        return client.take()

    def places_before(self, name: str) -> int:
        """The number of orders that would be served before a new order of this client."""
        client = self._client(name)
        mine = (max(client.tag, self._virtual) + len(client.waiting) * client.stride, client.number)
        return sum(other.count_before(mine) for other in self._clients.values())

    def in_order(self) -> Iterator[Place[G]]:
        """All orders in line, the next one first."""
        tagged = [
            (client.tag + ahead * client.stride, client.number, place)
            for client in self._clients.values()
            for ahead, place in enumerate(sorted(client.waiting))
        ]
        return (place for _, _, place in sorted(tagged))

    def _client(self, name: str) -> _Client[G]:
        if name not in self._clients:
            self._clients[name] = _Client(len(self._clients), round(UNIT_STRIDE / self._weights.get(name, 1.0)))
        return self._clients[name]

    def _enter(self, name: str, client: _Client[G]) -> None:
        if client.entered != client.tag:
            client.entered = client.tag
            heapq.heappush(self._next, (client.tag, client.number, name))
