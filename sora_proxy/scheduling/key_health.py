"""KeyHealth: how the faults of an account affect its key, and which of these effects are stored.

Times are seconds of the event loop's clock, except in a `KeyMemory`.
"""

import math
from dataclasses import dataclass

from sora_proxy.errors import Fault, KeyRejected, RateLimited, TooManyTasks, UpstreamFault
from sora_proxy.scheduling.cooldown import MAX_COOLDOWN_SECONDS, NO_COOLDOWN, Cooldown, Incident
from sora_proxy.scheduling.models import Models


@dataclass(frozen=True, slots=True)
class KeyMemory:
    """The part of a key's state that is stored. Times are wall-clock seconds."""

    rejected: Incident | None = None
    rest_until: float | None = None
    rest_failures: int = 0
    rest_due: bool = False
    rest_why: Incident | None = None
    unproven: bool = False
    learned_limit: int | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment on both clocks, to convert times between them."""

    loop: float
    wall: float


class FamilyCooldowns:
    """The cooldowns of a key for families of models, by the families' names.

    These cooldowns are not stored: if a limit still applies after a restart, the first refusal shows it, and a refusal
    costs nothing.
    """

    def __init__(self) -> None:
        # All the mutable state. A cooldown that is over remains until the key has served, because it contains the
        # number of failures.
        self._cooldowns: dict[str, Cooldown] = {}

    def __bool__(self) -> bool:
        return bool(self._cooldowns)

    def add(self, family: str, now: float, incident: Incident, seconds: float | None) -> None:
        """Begin a cooldown of at least this many seconds, or a longer one after several consecutive failures."""
        before = self._cooldowns.get(family, NO_COOLDOWN)
        self._cooldowns[family] = before.after_fault(now, incident, at_least=seconds or 0.0, fixed=True)

    def served(self, now: float) -> None:
        """Forget the cooldowns that are over, since the back end has accepted an order that was sent with the key."""
        self._cooldowns = self.now(now)

    def now(self, now: float) -> dict[str, Cooldown]:
        """The cooldowns that are not over."""
        return {family: cooldown for family, cooldown in self._cooldowns.items() if cooldown.until > now}

    def stages(self, names: frozenset[str], now: float) -> dict[Models, float]:
        """The sets of models that a key serves, now and after the end of each cooldown, with the moments from which it
        serves them."""
        ends = sorted((cooldown.until, family) for family, cooldown in self.now(now).items())
        since = [-math.inf, *(until for until, _ in ends)]
        return {
            Models(names, frozenset(family for _, family in ends[ended:])): since[ended] for ended in range(len(since))
        }


class KeyHealth:
    """The health of one key. `rejected` is the reason why the back end does not accept the key. `unproven`: the key was
    rate-limited, so a probe must succeed before the key gets an order."""

    def __init__(self) -> None:
        # All the mutable state.
        self.rejected: Incident | None = None
        self.unproven = False
        self.cooldown = NO_COOLDOWN
        self.family_cooldowns = FamilyCooldowns()

    def apply(self, fault: Fault, now: float, incident: Incident) -> bool:
        """Apply the effect of a fault. Returns whether anything changed."""
        match fault:
            case KeyRejected():
                self.rejected = incident
            case RateLimited() if fault.family:
                self.family_cooldowns.add(fault.family, now, incident, fault.retry_after)
            case RateLimited():
                self.cool_down(now, incident, at_least=fault.retry_after or 0.0, fixed=True)
                self.unproven = True
            case TooManyTasks() | UpstreamFault():
                self.cool_down(now, incident)
            case _:
                return False
        return True

    def cool_down(self, now: float, incident: Incident, *, at_least: float = 0.0, fixed: bool = False) -> None:
        """Accept no orders for a while after a fault."""
        self.cooldown = self.cooldown.after_fault(now, incident, at_least=at_least, fixed=fixed)

    def end_cooldown(self) -> bool:
        """End the cooldown, since the key works. Returns whether there was a cooldown."""
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
        """Restore a stored state. A changed clock can't make a cooldown longer than the maximum."""
        self.rejected, self.unproven = memory.rejected, memory.unproven
        until = -math.inf
        if memory.rest_until is not None:
            until = now.loop + min(memory.rest_until - now.wall, MAX_COOLDOWN_SECONDS)
        self.cooldown = Cooldown(until, memory.rest_failures, memory.rest_due, memory.rest_why)
