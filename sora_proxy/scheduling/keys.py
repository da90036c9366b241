"""Key: one upstream account, with its limits, its health and its share. Every method returns at once.

`key_pool.py` decides which order gets which key, and when. Only the pool and its leases call the methods that change
a key. Times are seconds of the event loop's clock, except in a `KeyMemory`.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Final

from sora_proxy.errors import Fault, NoUpstreamKey, RateLimited, TooManyTasks
from sora_proxy.scheduling.circuits import Circuit, Egress
from sora_proxy.scheduling.cooldown import Cooldown, Incident
from sora_proxy.scheduling.key_health import KeyHealth, KeyMemory, Moment
from sora_proxy.scheduling.models import Models
from sora_proxy.scheduling.rate_window import SlidingWindow
from sora_proxy.scheduling.task_limit import TaskLimit
from sora_proxy.settings.accounts import Account
from sora_proxy.settings.kinds import UpstreamKey


class Key:
    """One upstream account and its state."""

    def __init__(
        self,
        key_id: str,
        config: UpstreamKey,
        egresses: Sequence[Egress],
        server: Circuit,
        *,
        one_intent: bool = True,
    ) -> None:
        self.id: Final = key_id  # stays the same if the token changes
        self._one_intent = one_intent
        # All the mutable state.
        self._config = config
        self._egresses = tuple(egresses)  # in order of preference
        self._server = server
        self._models = frozenset(config.models)
        self._always = {Models(self._models): -math.inf}  # `stages` while no family of models is cooling down
        self._window = SlidingWindow(config.max_rpm)
        self._limit = TaskLimit(config.max_concurrent)
        self._tasks = 0
        self._intents = 0
        self._share = 0.0
        self._health = KeyHealth()
        self._removed = False

    def __repr__(self) -> str:
        rejected = self.rejected.reason if self.rejected else None
        return f"<Key {self.alias} tasks={self._tasks}/{self.limit or '-'} rejected={rejected!r}>"

    # --- State -------------------------------------------------------------------------------------------------------

    @property
    def config(self) -> UpstreamKey:
        return self._config

    @property
    def token(self) -> str:
        return self._config.token

    @property
    def alias(self) -> str:
        """The name in logs and answers."""
        return self._config.name or self.id

    @property
    def egresses(self) -> tuple[Egress, ...]:
        """The egresses of the key's calls, in order of preference."""
        return self._egresses

    @property
    def circuits(self) -> tuple[Circuit, ...]:
        """The server and the egresses of the key's calls."""
        return (self._server, *self._egresses)

    @property
    def server(self) -> Circuit:
        return self._server

    @property
    def models(self) -> Models:
        """The models that the key serves when no family of models is cooling down."""
        return Models(self._models)

    def stages(self, now: float) -> dict[Models, float]:
        """The sets of models that the key serves, now and later, each with the moment from which it is served."""
        cooldowns = self._health.family_cooldowns
        return cooldowns.stages(self._models, now) if cooldowns else self._always

    def family_cooldowns(self, now: float) -> dict[str, Cooldown]:
        """The families of models for which the key takes no orders now, with their cooldowns."""
        return self._health.family_cooldowns.now(now)

    @property
    def limit(self) -> int | None:
        """The maximum number of tasks at once; None if neither the operator nor the back end set a limit."""
        return self._limit.value

    @property
    def tasks(self) -> int:
        return self._tasks

    @property
    def intents(self) -> int:
        """The number of the key's orders with an open intent."""
        return self._intents

    @property
    def share(self) -> float:
        """The number of grants, divided by the weight of the key."""
        return self._share

    @property
    def cooldown(self) -> Cooldown:
        return self._health.cooldown

    @property
    def unproven(self) -> bool:
        """Whether the key was rate-limited. If so, a probe must succeed before the key gets an order."""
        return self._health.unproven

    @property
    def rejected(self) -> Incident | None:
        """Why the back end does not accept the key; None if it does."""
        return self._health.rejected

    @property
    def removed(self) -> bool:
        """Whether the key only finishes its tasks and gets no more orders."""
        return self._removed

    @property
    def in_service(self) -> bool:
        """Whether the key can serve, now or later, without a change by an operator."""
        return self._config.enabled and self.rejected is None and not self._removed

    @property
    def has_room(self) -> bool:
        """Whether the limit of the key allows one more task."""
        return self._limit.value is None or self._tasks < self._limit.value

    def room(self, now: float) -> int:
        """The number of further orders that the limit and the rate of the key allow now."""
        free = self._window.free(now)
        return free if self._limit.value is None else max(min(free, self._limit.value - self._tasks), 0)

    def egress(self, now: float) -> Egress:
        """The egress of a call that begins now: the first one that is ready, else the one that will be ready first."""
        return next((each for each in self._egresses if each.ready_at(self) <= now), None) or min(
            self._egresses, key=lambda each: each.ready_at(self)
        )

    def route(self, now: float) -> tuple[Circuit, Circuit]:
        """The server and the egress of a call that begins now."""
        return self._server, self.egress(now)

    def reachable(self, now: float) -> bool:
        """Whether neither the server nor the egress of the key's calls is cooling down."""
        return all(circuit.cooldown.until <= now for circuit in self.route(now))

    def account(self, now: float) -> Account:
        """The account for a call that begins now."""
        config = self._config
        return Account(self.id, config.token, self.egress(now).proxy, config.base_url, config.headers, config.region)

    def rate_ready_at(self) -> float:
        """The moment from which `max_rpm` allows one more order."""
        return self._window.ready_at()

    def blocked_until(self) -> float:
        """The moment from which neither the rate nor a cooldown (of key, server or egresses) blocks the key."""
        if len(self._egresses) == 1:
            egress_ready = self._egresses[0].ready_at(self)
        else:
            egress_ready = min(each.ready_at(self) for each in self._egresses)
        return max(self._window.ready_at(), self.cooldown.until, self._server.ready_at(self), egress_ready)

    def ready_at(self) -> float:
        """The moment from which the key can take an order; infinity if no such moment is known."""
        can_serve = self.in_service and self.has_room and not (self._one_intent and self._intents)
        return self.blocked_until() if can_serve else math.inf

    # --- Configuration -----------------------------------------------------------------------------------------------

    def configure(self, config: UpstreamKey, egresses: Sequence[Egress], server: Circuit) -> None:
        """Change the configuration; tasks continue. A new token clears the faults of the key."""
        if config.token != self.token:
            self._health = KeyHealth()
        self._config, self._egresses, self._server, self._removed = config, tuple(egresses), server, False
        self._models = frozenset(config.models)
        self._always = {Models(self._models): -math.inf}  # `stages` while no family of models is cooling down
        self._window.size = config.max_rpm
        self._limit.configure(config.max_concurrent)

    def use_egresses(self, egresses: Sequence[Egress]) -> None:
        self._egresses = tuple(egresses)

    def remove(self) -> None:
        self._removed = True

    # --- Work --------------------------------------------------------------------------------------------------------

    def begin_task(self) -> None:
        self._tasks += 1

    def end_task(self) -> None:
        self._tasks -= 1

    def begin_trials(self, now: float) -> None:
        """Try the server and the egress with a call that begins now, while other keys wait for the outcome."""
        for circuit in self.route(now):
            circuit.begin_trial(self, now)

    def open_intent(self) -> None:
        self._intents += 1

    def close_intent(self) -> None:
        self._intents -= 1

    def count_grant(self, share: float) -> None:
        """Set the share to this value plus one grant."""
        self._share = share + 1 / self._config.weight

    def take_slot(self, now: float) -> None:
        """Count an order in the rate window."""
        self._window.use(now)

    def restamp_slots(self, slots: Sequence[float], now: float) -> None:
        """Count the orders sent at these times as sent now, because it is not known when they arrived upstream."""
        self._window.restamp(slots, now)

    def return_slots(self, slots: Sequence[float]) -> None:
        """Stop counting the orders that took slots at these times, because the orders were not sent."""
        self._window.undo(slots)

    def load_slots(self, uses: Iterable[float]) -> None:
        """Count the orders that an earlier process sent at these times, oldest first."""
        self._window.load(uses)

    # --- Health ------------------------------------------------------------------------------------------------------

    def apply_fault(self, fault: Fault, now: float, incident: Incident) -> bool:
        """Apply the effect of a fault of the key or its back end. Returns whether anything changed."""
        match fault:
            # The number of allowed tasks is known only if an order was refused, or if the refusal states the limit.
            case TooManyTasks() if incident.by or fault.limit:
                self._lower_limit(fault.limit, now, incident)
            # A rate limit without a time to wait may be a limit on concurrent tasks.
            case RateLimited(retry_after=None) if fault.family and self._tasks > 1:
                self._limit.learn(self._tasks - 1, now)
            case _:
                return self._health.apply(fault, now, incident)
        return True

    def cool_down(self, now: float, incident: Incident) -> None:
        """Take no orders for a while after a fault."""
        self._health.cool_down(now, incident)

    def succeeded(self) -> bool:
        """End the cooldown after a successful call, unless the cooldown is fixed. Returns whether it was ended."""
        return not self.cooldown.fixed and self._health.end_cooldown()

    def served(self, now: float) -> bool:
        """End any cooldown, since the back end accepted an order. Returns whether anything changed."""
        grown = self._limit.accepted(self._tasks, now)
        self._health.family_cooldowns.served(now)
        return self._health.end_cooldown() or grown

    def mark_proven(self) -> None:
        """Let the key get orders again after a successful probe."""
        self._health.unproven = False

    def revive(self, now: float) -> None:
        """Clear the faults and the learned limit of the key."""
        self._health = KeyHealth()
        self._limit.learn(None, now)

    def memory(self, now: Moment) -> KeyMemory:
        """The state to store."""
        return self._health.memory(now, self._limit.learned)

    def remember(self, memory: KeyMemory, now: Moment) -> None:
        """Restore a stored state."""
        self._health.remember(memory, now)
        self._limit.learn(memory.learned_limit, now.loop)

    def _lower_limit(self, reported: int | None, now: float, incident: Incident) -> None:
        others = max(self._tasks - 1, 0)
        self._limit.learn(max(reported if reported is not None else others, 1), now)
        if self.limit is not None and others < self.limit:  # other programs have tasks on the key
            self._health.cool_down(now, incident, fixed=True)


def no_key_left(keys: Iterable[Key]) -> NoUpstreamKey:
    """The error if none of these keys can serve, with the reasons why the back end rejected some of them."""
    reasons = dict.fromkeys(key.rejected.reason for key in keys if key.rejected)
    return NoUpstreamKey(" ".join(["No upstream key can take orders.", *reasons]))
