"""TaskLimit: how many tasks a key may have at once, as its operator chose and as the back end's refusals show.

What a refusal showed may be over: the account has a better plan, or another program that used it has ended. So a
learned limit grows back while it is used, by one at a time. A limit that is still right costs one refused order then.
"""

import math

GROWTH_SECONDS = 600.0  # without a refusal


class TaskLimit:
    """The limit of one key. Times are seconds of the event loop's clock."""

    def __init__(self, configured: int | None) -> None:
        # All the mutable state.
        self.value = configured  # None: neither the operator nor the back end set one
        self.learned: int | None = None
        self._configured = configured
        self._since = -math.inf

    def configure(self, tasks: int | None) -> None:
        """Change the operator's limit."""
        self._configured = tasks
        self._set(self.learned)

    def learn(self, tasks: int | None, now: float) -> None:
        """Change the learned limit; None: it is not known."""
        self._since = now
        self._set(tasks)

    def accepted(self, tasks: int, now: float) -> bool:
        """The back end accepted an order, which is the last of so many tasks. Returns whether the limit grew."""
        if self.learned is None or tasks < self.learned or now - self._since < GROWTH_SECONDS:
            return False
        self.learn(self.learned + 1, now)
        return True

    def _set(self, learned: int | None) -> None:
        self.learned = learned
        self.value = min((tasks for tasks in (self._configured, learned) if tasks is not None), default=None)
