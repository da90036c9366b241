"""Line: those who wait for a key, and who of them is next. Fair between clients, in order of coming within one.

Start-time fair queueing: each client has a tag, a point of virtual time at which its next order may go. The lowest tag
goes, and moves on by the client's stride, which is the shorter the more weight it has. So one client's five hundred
orders do not hold up another's one, and who was away gets no credit for it. Virtual time is counted in whole numbers,
lest rounding decides who is next. Every step costs the logarithm of the number of clients, or of those in line.
"""

import asyncio
import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

STRIDE = 2**32  # of a client with weight 1
G = TypeVar("G")


@dataclass(slots=True, eq=False)
class Place(Generic[G]):
    """A place in line. It is kept over refusals: who has to line up again does so where it stood.

    `position` counts from 1; `told` is the one that was told last.
    """

    client: str
    order: str  # who lines up, for those who ask what happened
    number: int = 0
    position: int = 0
    told: int = 0
    grant: G | None = None
    refusal: Exception | None = None
    waiting: bool = False
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def __lt__(self, other: "Place[G]") -> bool:
        return self.number < other.number


@dataclass(slots=True)
class _Client(Generic[G]):
    number: int  # the order in which clients came decides between equal tags
    stride: int
    tag: int = 0  # where its next order stands in virtual time
    places: list[Place[G]] = field(default_factory=list)  # a heap; those who left stay in it until they come up
    count: int = 0  # of those who have not left
    entered: int | None = None  # the tag under which it is entered among those who are next

    def count_before(self, mark: tuple[int, int]) -> int:
        """How many of its orders go before a tag, with the number of that tag's client."""
        if not self.count or (self.tag, self.number) > mark:
            return 0
        return min(self.count, (mark[0] - self.tag - (self.number > mark[1])) // self.stride + 1)

    def take(self) -> Place[G]:
        while not (place := heapq.heappop(self.places)).waiting:
            pass
        return place


class Line(Generic[G]):
    """The line. `weights` are shares of clients by their names; who is not in it has 1."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        self._weights = weights
        # All the mutable state.
        self._clients: dict[str, _Client[G]] = {}
        self._next: list[tuple[int, int, str]] = []  # a heap of (tag, number, name) of clients
        self._virtual = 0
        self._numbers = 0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def waiting(self) -> dict[str, int]:
        """How many wait, by client."""
        return {name: client.count for name, client in self._clients.items() if client.count}

    def add(self, place: Place[G]) -> None:
        """Line up; at one's old place if one was in line before."""
        if not place.number:
            self._numbers += 1
            place.number = self._numbers
        place.waiting, place.grant, place.refusal = True, None, None
        place.news.clear()
        client = self._client(place.client)
        heapq.heappush(client.places, place)
        client.count += 1
        self._count += 1
        if client.count == 1:  # who was away gets no credit for it
            client.tag = max(client.tag, self._virtual)
            self._enter(place.client, client)

    def remove(self, place: Place[G]) -> None:
        """Leave the line."""
        place.waiting = False
        client = self._clients[place.client]
        client.count -= 1
        self._count -= 1
        if len(client.places) > 2 * client.count + 16:
            client.places = [each for each in client.places if each.waiting]
            heapq.heapify(client.places)

    def pop(self) -> Place[G]:
        """Take out who is next. The line must not be empty."""
        while True:
            tag, _, name = heapq.heappop(self._next)
            client = self._clients[name]
            if client.entered == tag:
                client.entered = None
                if client.count:
                    break
        self._virtual = tag
        place = client.take()
        self.remove(place)
        client.tag = tag + client.stride
        if client.count:
            self._enter(name, client)
        return place

    def places_before(self, name: str) -> int:
        """How many would go before an order that this client brings now."""
        client = self._client(name)
        mine = (max(client.tag, self._virtual) + client.count * client.stride, client.number)
        return sum(other.count_before(mine) for other in self._clients.values())

    def in_order(self) -> Iterator[Place[G]]:
        """Everyone in line, the next one first."""
        tagged = [
            (client.tag + ahead * client.stride, client.number, place)
            for client in self._clients.values()
            if client.count
            for ahead, place in enumerate(sorted(place for place in client.places if place.waiting))
        ]
        return (place for _, _, place in sorted(tagged))

    def _client(self, name: str) -> _Client[G]:
        if name not in self._clients:
            self._clients[name] = _Client(len(self._clients), round(STRIDE / self._weights.get(name, 1.0)))
        return self._clients[name]

    def _enter(self, name: str, client: _Client[G]) -> None:
        if client.entered != client.tag:
            client.entered = client.tag
            heapq.heappush(self._next, (client.tag, client.number, name))
