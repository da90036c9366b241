"""Lines: the lines in which orders wait, one for each group of keys that serve the same models (`line.py`).

If no key is restricted to some models, there is one line. Otherwise an order waits in the lines of all keys that serve
its model. The first of these keys that can serve takes the order out of all these lines. So an order never delays
orders that can be sent with other keys. Each line by itself is fair between clients.
"""

import itertools
from collections import Counter
from collections.abc import Collection, Iterator, KeysView, Mapping
from typing import Generic

from sora_proxy.scheduling.line import G, Line, Place
from sora_proxy.scheduling.models import Models


class Lines(Generic[G]):
    """All orders that are waiting for a key of one back end. `weights` are the shares of clients by name."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        self._weights = weights
        # All the mutable state.
        self._lines: dict[Models, Line[G]] = {}
        self._serving: dict[
            str | None, tuple[Models, ...]
        ] = {}  # the results of `serving`, which are valid until the lines change
        self._occupied: dict[Models, None] = {}
        self._counts: Counter[str] = Counter()
        self._numbers = itertools.count(1)

    def __len__(self) -> int:
        return sum(self._counts.values())

    def __iter__(self) -> Iterator[Place[G]]:
        return iter({place: None for line in self._lines.values() for place in line.in_order()})

    @property
    def waiting(self) -> dict[str, int]:
        """The number of waiting orders, by client."""
        return dict(+self._counts)

    @property
    def occupied(self) -> Collection[Models]:
        """The lines in which orders are waiting. The returned collection is live: it shows later changes."""
        return self._occupied

    def serving(self, model: str | None) -> tuple[Models, ...]:
        """The lines for the orders of a model; an empty tuple if no key serves it."""
        if model not in self._serving:
            self._serving[model] = tuple(models for models in self._lines if models.serve(model))
        return self._serving[model]

    def keep(self, wanted: KeysView[Models]) -> list[Place[G]]:
        """Keep or create these lines, and drop all others. Removes and returns the orders that have no line left."""
        places, new = sorted(self), wanted - self._lines.keys()
        for models in self._lines.keys() - wanted:
            del self._lines[models]
            self._occupied.pop(models, None)
        self._lines |= {models: Line(self._weights) for models in new}
        self._serving.clear()
        for place in places:
            for models in new.intersection(self.serving(place.model)):
                self._lines[models].add(place)
                self._occupied[models] = None
        left = [place for place in places if not self.serving(place.model)]
        for place in left:
            self.remove(place)
        return left

    def add(self, place: Place[G]) -> None:
        """Add an order to the lines for its model, at its old place if it waited before. A key must serve the model."""
        place.number = place.number or next(self._numbers)
        place.waiting, place.grant, place.refusal = True, None, None
        place.updated.clear()
        self._counts[place.client] += 1
        for models in self.serving(place.model):
            self._lines[models].add(place)
            self._occupied[models] = None

    def remove(self, place: Place[G]) -> None:
        """Remove an order."""
        place.waiting = False
        self._counts[place.client] -= 1
        for models in self.serving(place.model):
            line = self._lines[models]
            line.remove(place)
            if not line:
                del self._occupied[models]

    def pop(self, models: Models) -> Place[G]:
        """Remove the next order of a line, which must not be empty."""
        place = self._lines[models].next()
        self.remove(place)
        return place

    def places_before(self, model: str | None, client: str) -> int:
        """The number of orders that would be served before a new order of a client, in the shortest of its lines."""
        return min(self._lines[models].places_before(client) for models in self.serving(model))

    def positions(self) -> dict[Place[G], int]:
        """The position of each order in the shortest of its lines, counted from 1."""
        positions: dict[Place[G], int] = {}
        for line in self._lines.values():
            for position, place in enumerate(line.in_order(), 1):
                positions[place] = min(position, positions.get(place, position))
        return positions
