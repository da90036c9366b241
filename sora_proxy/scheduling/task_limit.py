"""TaskLimit: the maximum number of concurrent tasks of a key, configured by the operator or learned from refusals.

A learned limit may become obsolete, for example because the account gets a better plan, or because another program
stops using the account. A learned limit that is reached therefore grows, by one at a time. If the learned limit is
still right, each growth costs one refused order.
"""

import math

GROWTH_SECONDS = 600.0  # time without a refusal before the limit grows by one


class TaskLimit:
    """The limit of one key. Times are seconds of the event loop's clock."""

    def __init__(self, configured: int | None) -> None:
        # All the mutable state.
        self.value = configured  # None: no limit is set or known
        self.learned: int | None = None
        self._configured = configured
        self._since = -math.inf

    def configure(self, tasks: int | None) -> None:
        """Change the operator's limit."""
        self._configured = tasks
        self._set(self.learned)

    def learn(self, tasks: int | None, now: float) -> None:
        """Change the learned limit; None: forget it."""
        self._since = now
        self._set(tasks)

    def accepted(self, tasks: int, now: float) -> bool:
        """Note that the back end accepted an order, after which the key has this many tasks. Returns whether the limit
        grew."""
        if self.learned is None or tasks < self.learned or now - self._since < GROWTH_SECONDS:
            return False
        self.learn(self.learned + 1, now)
        return True

    def _set(self, learned: int | None) -> None:
        self.learned = learned
        self.value = min((tasks for tasks in (self._configured, learned) if tasks is not None), default=None)
