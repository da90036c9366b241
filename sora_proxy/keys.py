"""What is known of one upstream account (`Key`): its limits, its health, its share. No waiting in here.

Who gets a key and when is `key_pool.py`, and only the pool changes what is in here. Times are seconds of the monotonic
clock.
"""

import hashlib
import math
from collections import deque
from collections.abc import Sequence

from sora_proxy.egress import Egress
from sora_proxy.rest import Rest
from sora_proxy.setting_types import UpstreamKey

MINUTE = 60.0


def fingerprint(secret: str) -> str:
    """A stable name for a secret that tells nothing of it: 16 hex digits."""
    return hashlib.sha256(secret.encode()).hexdigest()[:16]


class TokenBucket:
    """At most `size` takes in any 60 seconds, over a true sliding minute."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._taken: deque[float] = deque(maxlen=size)

    def ready_at(self) -> float:
        """The moment from which one more may be taken."""
        return self._taken[0] + MINUTE if len(self._taken) == self._size else -math.inf

    def take(self, now: float) -> None:
        self._taken.append(now)

    def give_back(self) -> None:
        """What was taken last was not used."""
        self._taken.pop()

    def restamp(self, now: float) -> None:
        """What was taken last is used only now."""
        self._taken[-1] = now


class Key:
    """One upstream account and what we know of it. Only the pool changes it."""

    def __init__(self, config: UpstreamKey, number: int, egresses: Sequence[Egress]) -> None:
        self.token = config.token
        self.id = fingerprint(config.token)
        self.alias = config.name or f"key-{number}"
        self.weight = config.weight
        self.max_rpm = config.max_rpm
        self.egresses = tuple(egresses)  # in the order in which they are used
        # All the mutable state.
        self.bucket = TokenBucket(config.max_rpm)
        self.limit = self.max_concurrent = config.max_concurrent  # tasks at once; None until the upstream tells
        self.tasks = 0
        self.intents = 0  # open ones: at most 1, but for those that a restart brings back
        self.rest = Rest()
        self.rejected: str | None = None  # the reason, if it is out of service
        self.share = 0.0  # grants divided by weight

    def __repr__(self) -> str:
        return f"<Key {self.alias} tasks={self.tasks}/{self.limit or '-'} rejected={self.rejected!r}>"

    def egress(self, now: float) -> Egress:
        """The way out for a call now: the first that does not rest, else the one that is back first."""
        return next((each for each in self.egresses if each.rest.until <= now), None) or min(
            self.egresses, key=lambda each: each.rest.until
        )

    def ready_at(self) -> float:
        """The moment from which it can take an order; infinity if only an event can tell."""
        if self.rejected or self.intents or (self.limit is not None and self.tasks >= self.limit):
            return math.inf
        way_out = min(each.rest.until for each in self.egresses)
        return max(self.bucket.ready_at(), self.rest.until, way_out)
