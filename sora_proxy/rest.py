"""Rest: how long something that failed is left in peace. Times are seconds of the monotonic clock."""

import math
from dataclasses import dataclass

LONGEST_REST = 900.0  # whatever an upstream says, we look again after this
FIRST_BACK_OFF, LONGEST_BACK_OFF = 1.0, 60.0


@dataclass(slots=True)
class Rest:
    """How long something is left in peace, and how much longer next time. One that is `due` is ended by time alone."""

    until: float = -math.inf
    failures: int = 0
    due: bool = False

    def back_off(self, now: float, at_least: float = 0.0) -> None:
        """Rest for `at_least` seconds or the back-off, whichever is longer. An earlier, later end stays."""
        delay = min(FIRST_BACK_OFF * 2 ** min(self.failures, 10), LONGEST_BACK_OFF)  # no float holds 2**1024
        self.failures += 1
        self.until = max(self.until, now + min(max(delay, at_least), LONGEST_REST))

    def over(self) -> None:
        """It was seen at work: a rest that only waited for that is over."""
        if not self.due:
            self.until, self.failures = -math.inf, 0
