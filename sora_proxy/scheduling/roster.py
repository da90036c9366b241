"""Roster: chooses the key that serves next, which is the one with the fewest grants relative to its weight.

Each key has a share: the number of its grants, divided by its weight. The key with the lowest share is next. A key that
could not serve for a while continues from the share of the others and does not catch up. Keys that serve the same
models form a group; if no key is restricted to some models, there is one group. The cost of every step grows with the
number of groups and the logarithm of the number of keys, because a key is checked only when it changed, or when it can
serve again. A key that is cooling down for a family of models is in two groups: it serves in the group of its other
models now, and in the group of all its models once the cooldown has ended. So orders for the family still have a line
to wait in.
"""

import heapq
import math
from collections.abc import Callable, Iterable, KeysView, Mapping
from dataclasses import dataclass, field

from sora_proxy.scheduling.keys import Key
from sora_proxy.scheduling.models import Models


@dataclass(slots=True, eq=False)
class _Group:
    """The keys that serve the same models. An entry of a heap is valid only if its number is the latest number of its
    key."""

    entries: dict[Key, int] = field(default_factory=dict)
    ready: list[tuple[float, int, Key]] = field(default_factory=list)  # by share
    asleep: list[tuple[float, int, Key]] = field(default_factory=list)  # by the moment at which they can serve

    def note(self, key: Key, number: int, ready_at: float, now: float) -> None:
        self.entries[key] = number
        if ready_at <= now:
            heapq.heappush(self.ready, (key.share, number, key))
        elif math.isfinite(ready_at):
            heapq.heappush(self.asleep, (ready_at, number, key))
        if len(self.ready) + len(self.asleep) > 4 * len(self.entries) + 64:
            self.tidy()

    def tidy(self) -> None:
        for heap in (self.ready, self.asleep):
            heap[:] = [entry for entry in heap if self.entries.get(entry[2]) == entry[1]]
            heapq.heapify(heap)


class Roster:
    """All keys in service. After every change of a key, `update` must be called.

    `on_regroup` is called after a group was added or removed.
    """

    def __init__(self, on_regroup: Callable[[], None]) -> None:
        self._on_regroup = on_regroup
        # All the mutable state.
        self._groups: dict[Models, _Group] = {}
        # The groups of each key, and the moment from which it serves each of them.
        self._stages: dict[Key, Mapping[Models, float]] = {}
        self._number = 0
        # For each combination of groups that could serve an order, the share of the key that served last; and the
        # highest of these shares.
        self._shares: dict[tuple[Models, ...], float] = {}
        self._share = 0.0

    @property
    def groups(self) -> KeysView[Models]:
        """The models of each group."""
        return self._groups.keys()

    def keys(self, groups: Iterable[Models]) -> dict[Key, float]:
        """The keys of these groups, and the moment from which each key serves in one of them."""
        keys: dict[Key, float] = {}
        for models in groups:
            for key in self._groups[models].entries:
                keys[key] = min(self._stages[key][models], keys.get(key, math.inf))
        return keys

    def update(self, key: Key, now: float) -> None:
        """Note, after a change of a key, when it can serve and which models it serves."""
        stages, before = key.stages(now), self._stages.get(key)
        if stages is not before and stages != before:
            self._regroup(key, stages)
        self._note(key, now)

    def discard(self, key: Key) -> None:
        """Remove a key."""
        if self._leave(key):
            self._regrouped()

    def pass_over(self, key: Key) -> None:
        """Do not let a key serve until `update` is called for it."""
        self._number += 1
        for models in self._stages[key]:
            self._groups[models].entries[key] = self._number

    def best(self, groups: Iterable[Models], now: float) -> tuple[Key, Models] | None:
        """The key of these groups that serves next, and its group; None if no key can serve now."""
        best = None
        for models in groups:
            key = self._best_of(self._groups[models], now)
            if key is not None and (best is None or key.share < best[0].share):
                best = key, models
        return best

    def next_ready(self, groups: Iterable[Models]) -> float:
        """The moment at which the next key of these groups can serve; infinity if no such moment is known."""
        earliest = math.inf
        for models in groups:
            entries, asleep = self._groups[models].entries, self._groups[models].asleep
            while asleep and entries.get(asleep[0][2]) != asleep[0][1]:
                heapq.heappop(asleep)
            if asleep:
                earliest = min(asleep[0][0], earliest)
        return earliest

    def served(self, key: Key, groups: tuple[Models, ...]) -> None:
        """Count one grant to a key, for an order that keys of any of these groups could serve."""
        share = self._shares[groups] = max(key.share, self._shares.get(groups, self._share))
        self._share = max(share, self._share)
        key.count_grant(share)

    def _best_of(self, group: _Group, now: float) -> Key | None:
        while group.asleep and group.asleep[0][0] <= now:
            _, number, key = heapq.heappop(group.asleep)
            if group.entries.get(key) == number:
                self._note(key, now)
        while group.ready:
            _, number, key = group.ready[0]
            if group.entries.get(key) != number:
                heapq.heappop(group.ready)
            elif key.ready_at() > now:  # the key itself did not change, but its egress is cooling down
                heapq.heappop(group.ready)
                self._note(key, now)
            else:
                return key
        return None

    def _note(self, key: Key, now: float) -> None:
        """Note when a key can serve. Its groups stay the same, since callers may be iterating over them."""
        self._number += 1
        ready_at = key.ready_at()
        for models, since in self._stages[key].items():
            self._groups[models].note(key, self._number, max(ready_at, since), now)

    def _regroup(self, key: Key, stages: Mapping[Models, float]) -> None:
        before = set(self._groups)
        self._leave(key)
        self._stages[key] = stages
        for models in stages:
            self._groups.setdefault(models, _Group()).entries[key] = 0
        if self._groups.keys() != before:
            self._regrouped()

    def _regrouped(self) -> None:
        self._shares.clear()
        self._on_regroup()

    def _leave(self, key: Key) -> bool:
        """Take a key out of its groups, and drop the groups that are then empty. Returns whether any groups were
        dropped."""
        was_last = False
        for models in self._stages.pop(key, ()):
            del self._groups[models].entries[key]
            if not self._groups[models].entries:
                del self._groups[models]
                was_last = True
        return was_last
