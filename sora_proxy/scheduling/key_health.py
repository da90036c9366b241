"""KeyHealth: what keeps a key from serving, by faults of its account, and what is stored of that.

Times are seconds of the event loop's clock, except in a `KeyMemory`.
"""

import math
from dataclasses import dataclass

from sora_proxy.errors import Fault, KeyRejected, RateLimited, TooManyTasks, UpstreamFault
from sora_proxy.scheduling.cooldown import MAX_COOLDOWN_SECONDS, NO_COOLDOWN, Cooldown, Incident
from sora_proxy.scheduling.models import Models


@dataclass(frozen=True, slots=True)
class KeyMemory:
    """The part of a key's state that outlives the process. Times are wall-clock seconds."""

    rejected: Incident | None = None
    rest_until: float | None = None
    rest_failures: int = 0
    rest_due: bool = False
    rest_why: Incident | None = None
    unproven: bool = False
    learned_limit: int | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment on both clocks, to convert times of one to the other."""

    loop: float
    wall: float


class Rests:
    """The families of models that a key takes no orders for, for a while, by their names.

    They are not stored: after a restart, the back end's first refusal, which costs nothing, shows them again.
    """

    def __init__(self) -> None:
        # All the mutable state: those that are over, too, until the key has served.
        self._cooldowns: dict[str, Cooldown] = {}

    def __bool__(self) -> bool:
        return bool(self._cooldowns)

    def add(self, family: str, now: float, incident: Incident, seconds: float | None) -> None:
        """Begin a rest of so many seconds; None: of as many as failures in a row call for."""
        before = self._cooldowns.get(family, NO_COOLDOWN)
        self._cooldowns[family] = before.after_fault(now, incident, at_least=seconds or 0.0, fixed=True)

    def served(self, now: float) -> None:
        """The back end accepted an order of the key: forget the rests that are over."""
        self._cooldowns = self.now(now)

    def now(self, now: float) -> dict[str, Cooldown]:
        """The rests that are not over."""
        return {family: cooldown for family, cooldown in self._cooldowns.items() if cooldown.until > now}

    def stages(self, names: frozenset[str], now: float) -> dict[Models, float]:
        """What a key of these models serves now, and from which moment on it will serve more, as its rests end."""
        ends = sorted((cooldown.until, family) for family, cooldown in self.now(now).items())
        since = [-math.inf, *(until for until, _ in ends)]
        return {
            Models(names, frozenset(family for _, family in ends[ended:])): since[ended] for ended in range(len(since))
        }


class KeyHealth:
    """The health of one key. `rejected` says why the back end does not accept it, `unproven` that a free call must
    succeed before it gets an order, since it was rate-limited."""

    def __init__(self) -> None:
        # All the mutable state.
        self.rejected: Incident | None = None
        self.unproven = False
        self.cooldown = NO_COOLDOWN
        self.rests = Rests()

    def apply(self, fault: Fault, now: float, incident: Incident) -> bool:
        """Change as a fault demands. Returns whether anything changed."""
        match fault:
            case KeyRejected():
                self.rejected = incident
            case RateLimited() if fault.family:
                self.rests.add(fault.family, now, incident, fault.retry_after)
            case RateLimited():
                self.cool_down(now, incident, at_least=fault.retry_after or 0.0, fixed=True)
                self.unproven = True
            case TooManyTasks() | UpstreamFault():
                self.cool_down(now, incident)
            case _:
                return False
        return True

    def cool_down(self, now: float, incident: Incident, *, at_least: float = 0.0, fixed: bool = False) -> None:
        """Take no orders for a while after a fault."""
        self.cooldown = self.cooldown.after_fault(now, incident, at_least=at_least, fixed=fixed)

    def end_cooldown(self) -> bool:
        """The key works. Returns whether there was a cooldown to end."""
        failures, self.cooldown = self.cooldown.failures, NO_COOLDOWN
        return failures > 0

    def memory(self, now: Moment, learned_limit: int | None) -> KeyMemory:
        """The state to store."""
        cooldown = self.cooldown
        return KeyMemory(
            rejected=self.rejected,
            rest_until=now.wall + cooldown.until - now.loop if cooldown.until > now.loop else None,
            rest_failures=cooldown.failures,
            rest_due=cooldown.fixed,
            rest_why=cooldown.why,
            unproven=self.unproven,
            learned_limit=learned_limit,
        )

    def remember(self, memory: KeyMemory, now: Moment) -> None:
        """Restore a stored state. A cooldown that a changed clock would make longer than any other is cut."""
        self.rejected, self.unproven = memory.rejected, memory.unproven
        until = -math.inf
        if memory.rest_until is not None:
            until = now.loop + min(memory.rest_until - now.wall, MAX_COOLDOWN_SECONDS)
        self.cooldown = Cooldown(until, memory.rest_failures, memory.rest_due, memory.rest_why)
