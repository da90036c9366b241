"""Rest: how long something that failed is left in peace. Times are seconds of the event loop's clock."""

import math
from dataclasses import dataclass

LONGEST_REST = 900.0  # whatever an upstream says, we look again after this
FIRST_BACK_OFF, LONGEST_BACK_OFF = 1.0, 60.0


@dataclass(frozen=True, slots=True)
class Incident:
    """Why something is out of service: the reason, since when (wall clock), and the order that met it, if one did."""

    reason: str
    at: float
    by: str | None = None


@dataclass(slots=True)
class Rest:
    """How long something is left in peace, and how much longer next time. One that is `due` is ended by time alone."""

    until: float = -math.inf
    failures: int = 0
    due: bool = False
    why: Incident | None = None

    def back_off(self, now: float, why: Incident, at_least: float = 0.0) -> None:
        """Rest for `at_least` seconds or the back-off, whichever is longer. An earlier, later end stays."""
        self.why = why
        delay = min(FIRST_BACK_OFF * 2 ** min(self.failures, 10), LONGEST_BACK_OFF)  # no float holds 2**1024
        if self.until <= now:  # calls that fail together are one failure
            self.failures += 1
        self.until = max(self.until, now + min(max(delay, at_least), LONGEST_REST))

    def over(self) -> bool:
        """It was seen at work: a rest that only waited for that is over. Returns whether that changed anything."""
        if self.due or (self.failures == 0 and self.until == -math.inf):
            return False
        self.end()
        return True

    def end(self) -> None:
        """Whatever it waited for, it is over."""
        self.until, self.failures, self.due, self.why = -math.inf, 0, False, None
