"""KeyMemory: what is stored of a key's state, and the two clocks between which its times are converted."""

from dataclasses import dataclass

from sora_proxy.scheduling.cooldown import Incident


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
