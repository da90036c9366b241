"""What is known of one upstream account (`Key`): its limits, its health, its share. No waiting in here.

Who gets a key and when is `key_pool.py`, and only the pool changes what is in here. Times are seconds of the event
loop's clock, but for those in a `KeyMemory`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sora_proxy.errors import Fault, KeyRejected, RateLimited, TooManyTasks, UpstreamFault
from sora_proxy.scheduling.cooldown import LONGEST_REST, Incident, Rest
from sora_proxy.scheduling.egress import Egress
from sora_proxy.scheduling.rate_window import SlidingWindow
from sora_proxy.settings.account import Account
from sora_proxy.settings.kinds import UpstreamKey


@dataclass(frozen=True, slots=True)
class KeyMemory:
    """What outlives the process about a key. Times are wall-clock seconds."""

    rejected: Incident | None = None
    rest_until: float | None = None
    rest_failures: int = 0
    rest_due: bool = False
    rest_why: Incident | None = None
    unproven: bool = False
    learned_limit: int | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment on both clocks, to tell the times of one by the other."""

    loop: float
    wall: float


class Key:
    """One upstream account and what we know of it. Only the pool changes it."""

    def __init__(self, key_id: str, config: UpstreamKey, egresses: Sequence[Egress]) -> None:
        self.id = key_id  # never changes, though the token may
        self.config = config
        self.egresses = tuple(egresses)  # in the order in which they are used
        # All the mutable state.
        self.window = SlidingWindow(config.max_rpm)
        self.learned_limit: int | None = None  # tasks at once, as the upstream told
        self.limit = config.max_concurrent  # tasks at once; None until somebody tells
        self.tasks = 0
        self.intents = 0  # open ones: at most 1, but for those that a restart brings back
        self.rest = Rest()
        self.unproven = False  # it was tired: a free call must work before an order is risked on it
        self.rejected: Incident | None = None  # why it is out of service
        self.removed = False  # it serves its tasks to their end and gets no more
        self.share = 0.0  # grants divided by weight

    def __repr__(self) -> str:
        rejected = self.rejected.reason if self.rejected else None
        return f"<Key {self.alias} tasks={self.tasks}/{self.limit or '-'} rejected={rejected!r}>"

    @property
    def token(self) -> str:
        return self.config.token

    @property
    def alias(self) -> str:
        """What logs and operators call it."""
        return self.config.name or self.id

    @property
    def in_service(self) -> bool:
        """Whether it can serve, now or later, without an operator."""
        return self.config.enabled and self.rejected is None and not self.removed

    @property
    def has_room(self) -> bool:
        """Whether it may have one more task."""
        return self.limit is None or self.tasks < self.limit

    def egress(self, now: float) -> Egress:
        """The way out for a call now: the first that does not rest, else the one that is back first."""
        return next((each for each in self.egresses if each.rest.until <= now), None) or min(
            self.egresses, key=lambda each: each.rest.until
        )

    def account(self, now: float) -> Account:
        """What a call to the back end needs of it now."""
        return Account(self.id, self.token, self.egress(now).proxy)

    def rests_until(self) -> float:
        """The moment from which neither its rate nor a rest of its own or of its ways out is in the way."""
        egress = self.egresses[0].rest.until if len(self.egresses) == 1 else min(e.rest.until for e in self.egresses)
        return max(self.window.ready_at(), self.rest.until, egress)

    def ready_at(self) -> float:
        """The moment from which it can take an order; infinity if only an event can tell."""
        can_serve = self.in_service and self.has_room and not self.intents
        return self.rests_until() if can_serve else math.inf

    def configure(self, config: UpstreamKey, egresses: Sequence[Egress]) -> None:
        """Be another key from now on, with the same tasks. What was known of another token does not count."""
        if config.token != self.token:
            self.rejected, self.unproven = None, False
            self.rest.end()
        self.config, self.egresses = config, tuple(egresses)
        self.window.size = config.max_rpm
        self.learn_limit(self.learned_limit)

    def learn_limit(self, tasks: int | None) -> None:
        """So many tasks at once are possible, as the upstream told; None if it did not."""
        self.learned_limit = tasks
        known = [limit for limit in (self.config.max_concurrent, tasks) if limit is not None]
        self.limit = min(known, default=None)

    def suffer(self, fault: Fault, now: float, incident: Incident) -> bool:
        """Let a fault of the key or its upstream have its effect. Returns whether it had any."""
        match fault:
            case KeyRejected():
                self.rejected = incident
            case TooManyTasks() if incident.by or fault.limit:
                self._learn_limit(fault.limit, now, incident)
            case TooManyTasks():  # told to a call that adds no task: it says nothing about how many there may be
                self.rest.back_off(now, incident)
            case RateLimited():
                self.rest.back_off(now, incident, at_least=fault.retry_after or 0.0)
                self.rest.due = self.unproven = True
            case UpstreamFault():
                self.rest.back_off(now, incident)
            case _:
                return False
        return True

    def _learn_limit(self, told: int | None, now: float, incident: Incident) -> None:
        others = max(self.tasks - 1, 0)
        self.learn_limit(max(told if told is not None else others, 1))
        if self.limit is not None and others < self.limit:  # tasks that are not ours fill it: only time can tell
            self.rest.back_off(now, incident)
            self.rest.due = True

    def memory(self, now: Moment) -> KeyMemory:
        """What is to be remembered of it."""
        resting = self.rest.until > now.loop
        return KeyMemory(
            rejected=self.rejected,
            rest_until=now.wall + self.rest.until - now.loop if resting else None,
            rest_failures=self.rest.failures,
            rest_due=self.rest.due,
            rest_why=self.rest.why,
            unproven=self.unproven,
            learned_limit=self.learned_limit,
        )

    def remember(self, memory: KeyMemory, now: Moment) -> None:
        """The inverse. An end that a changed clock puts far away is no further than any rest."""
        self.rejected, self.unproven = memory.rejected, memory.unproven
        self.learn_limit(memory.learned_limit)
        until = -math.inf
        if memory.rest_until is not None:
            until = now.loop + min(memory.rest_until - now.wall, LONGEST_REST)
        self.rest = Rest(until, memory.rest_failures, memory.rest_due, memory.rest_why)
