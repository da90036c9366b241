"""Roster: which key serves next. Of those that can serve, it is the one with the fewest grants for its weight.

Each key has a share: the number of its grants, divided by its weight. The lowest share is next. A key that could not
serve for a while continues from the share of the others: it does not catch up. Keys that serve the same models are a
group; without a key that is restricted to some models, there is one. Every step costs the number of groups and the
logarithm of the number of keys, because a key is checked only when it changed, or when the time has come at which it
can serve again.
"""

import heapq
import math
from collections.abc import Callable, Collection, Iterable, KeysView
from dataclasses import dataclass, field

from sora_proxy.scheduling.keys import Key
from sora_proxy.scheduling.lines import Models


@dataclass(slots=True, eq=False)
class _Group:
    """The keys that serve the same models. An entry of a heap counts only while its number is the key's latest."""

    models: Models
    entries: dict[Key, int] = field(default_factory=dict)
    ready: list[tuple[float, int, Key]] = field(default_factory=list)  # by share
    asleep: list[tuple[float, int, Key]] = field(default_factory=list)  # by the moments at which they can serve

    def tidy(self) -> None:
        for heap in (self.ready, self.asleep):
            heap[:] = [entry for entry in heap if self.entries.get(entry[2]) == entry[1]]
            heapq.heapify(heap)


class Roster:
    """All keys in service. Every change of one must be followed by `update`.

    `on_regroup` is called after a group was added or removed.
    """

    def __init__(self, on_regroup: Callable[[], None]) -> None:
        self._on_regroup = on_regroup
        # All the mutable state.
        self._groups: dict[Models, _Group] = {}
        self._group_of: dict[Key, _Group] = {}
        self._number = 0
        # The share of the key that served last, before it did: by the groups that could serve, and the highest.
        self._shares: dict[tuple[Models, ...], float] = {}
        self._share = 0.0

    @property
    def groups(self) -> KeysView[Models]:
        """What the keys of each group serve."""
        return self._groups.keys()

    def keys(self, models: Models) -> Collection[Key]:
        """The keys of a group."""
        return self._groups[models].entries.keys()

    def update(self, key: Key, now: float) -> None:
        """Note when a key can serve, and for which models, after it changed."""
        group = self._group_of.get(key)
        if group is None or group.models != key.models:
            group = self._regroup(key)
        self._number += 1
        group.entries[key] = self._number
        ready_at = key.ready_at()
        if ready_at <= now:
            heapq.heappush(group.ready, (key.share, self._number, key))
        elif math.isfinite(ready_at):
            heapq.heappush(group.asleep, (ready_at, self._number, key))
        if len(group.ready) + len(group.asleep) > 4 * len(group.entries) + 64:
            group.tidy()

    def discard(self, key: Key) -> None:
        """Remove a key."""
        if self._leave(key):
            self._regrouped()

    def pass_over(self, key: Key) -> None:
        """Do not let a key serve until it is updated."""
        self._number += 1
        self._group_of[key].entries[key] = self._number

    def best(self, groups: Iterable[Models], now: float) -> Key | None:
        """The key of some groups that serves next, if one can now. The caller must `update` it then."""
        best = None
        for models in groups:
            key = self._best_of(self._groups[models], now)
            if key is not None and (best is None or key.share < best.share):
                best = key
        return best

    def next_ready(self, groups: Iterable[Models]) -> float:
        """The moment at which the next key of some groups can serve; infinity if that depends on an event."""
        earliest = math.inf
        for models in groups:
            entries, asleep = self._groups[models].entries, self._groups[models].asleep
            while asleep and entries.get(asleep[0][2]) != asleep[0][1]:
                heapq.heappop(asleep)
            if asleep:
                earliest = min(asleep[0][0], earliest)
        return earliest

    def served(self, key: Key, groups: tuple[Models, ...]) -> None:
        """Count one grant to a key, of an order that a key of any of these groups could have got."""
        share = self._shares[groups] = max(key.share, self._shares.get(groups, self._share))
        self._share = max(share, self._share)
        key.count_grant(share)

    def _best_of(self, group: _Group, now: float) -> Key | None:
        while group.asleep and group.asleep[0][0] <= now:
            _, number, key = heapq.heappop(group.asleep)
            if group.entries.get(key) == number:
                self.update(key, now)
        while group.ready:
            _, number, key = group.ready[0]
            if group.entries.get(key) != number:
                heapq.heappop(group.ready)
            elif key.ready_at() > now:  # its egress is cooling down: the key itself did not change
                heapq.heappop(group.ready)
                self.update(key, now)
            else:
                return key
        return None

    def _regroup(self, key: Key) -> _Group:
        was_last, is_first = self._leave(key), key.models not in self._groups
        group = self._group_of[key] = self._groups.setdefault(key.models, _Group(key.models))
        if was_last or is_first:
            self._regrouped()
        return group

    def _regrouped(self) -> None:
        self._shares.clear()
        self._on_regroup()

    def _leave(self, key: Key) -> bool:
        """Take a key out of its group, if it is in one. Returns whether that was the last one."""
        group = self._group_of.pop(key, None)
        if group is None:
            return False
        del group.entries[key]
        if group.entries:
            return False
        del self._groups[group.models]
        return True
