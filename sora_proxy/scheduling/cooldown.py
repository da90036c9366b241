"""Cooldown: the time for which a key or circuit is not used after a fault, in seconds of the event loop's clock."""

import math
from dataclasses import dataclass

MAX_COOLDOWN_SECONDS = 900.0  # even if a back end demands more
MIN_BACK_OFF_SECONDS, MAX_BACK_OFF_SECONDS = 1.0, 60.0
MAX_DOUBLINGS = 10  # after many more doublings, the number would be too large for a float


@dataclass(frozen=True, slots=True)
class Incident:
    """The reason for a cooldown or rejection, its wall-clock time, and the id of the generation that encountered it."""

    reason: str
    at: float
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Cooldown:
    """`until` is the end of the cooldown. `failures` counts consecutive faults, each of which makes the next cooldown
    longer; `since` is the wall-clock time of the first of them.

    A success ends the cooldown early, unless the cooldown is `fixed`.
    """

    until: float = -math.inf
    failures: int = 0
    fixed: bool = False
    why: Incident | None = None
    since: float = 0.0

    def after_fault(
        self,
        now: float,
        why: Incident,
        *,
        at_least: float = 0.0,
        back_off_limit: float = MAX_BACK_OFF_SECONDS,
        fixed: bool = False,
    ) -> "Cooldown":
        """The cooldown after one more fault: the back-off or `at_least` seconds, whichever is longer.

        It never ends earlier than the current cooldown.
        """
        back_off = min(MIN_BACK_OFF_SECONDS * 2 ** min(self.failures, MAX_DOUBLINGS), back_off_limit)
        seconds = min(max(back_off, at_least), MAX_COOLDOWN_SECONDS)
        return Cooldown(
            until=max(self.until, now + seconds),
            failures=self.failures + (self.until <= now),  # calls that fail at the same time count as one failure
            fixed=self.fixed or fixed,
            why=why,
            since=self.since or why.at,
        )


NO_COOLDOWN = Cooldown()
