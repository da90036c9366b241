"""KeyPool: the keys of a back end. It decides which order gets which key, and when, and applies faults to keys.

Orders wait in lines that are fair between clients (`lines.py`). The roster decides which key serves next (`roster.py`).
Every change of state leads to one synchronous step, `_assign`, which can't be interrupted and makes every decision. It
grants each free key to the first order in line that the key serves, and sets one timer for the next moment at which a
key can serve, so that no polling is needed.

A lease covers the whole time for which the back end counts its task. Until `accepted` is called, the lease also has an
open intent. If the back end is searched for lost orders by reading a list, a key has only one open intent at a time, so
that the search finds the right task.
"""

import asyncio
import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence

import structlog

from sora_proxy.errors import EgressFault, Fault, NoUpstreamKey, RateLimited, ServerUnreachable
from sora_proxy.scheduling.circuits import Circuit, Egresses, Servers
from sora_proxy.scheduling.cooldown import Incident
from sora_proxy.scheduling.forecast import Forecast
from sora_proxy.scheduling.key_health import KeyMemory, Moment
from sora_proxy.scheduling.keys import Key, no_key_left
from sora_proxy.scheduling.lease import Lease, LeaseCallbacks
from sora_proxy.scheduling.line import Place
from sora_proxy.scheduling.lines import Lines
from sora_proxy.scheduling.models import Models
from sora_proxy.scheduling.order_queue import OrderQueue, QueueBounds
from sora_proxy.scheduling.roster import Roster
from sora_proxy.settings.accounts import Account, Proxy
from sora_proxy.settings.kinds import UpstreamKey

log = structlog.get_logger(__name__)


class KeyPool:
    """All keys of a back end, and the orders that are waiting for a key. `name` is the back end's name, `weights` are
    the shares of clients.

    `one_intent`: a key gets an order only when the outcome of its previous order is known, so that a search in the
    list of its tasks can identify a lost order.
    """

    def __init__(
        self, name: str, bounds: QueueBounds, weights: Mapping[str, float] | None = None, *, one_intent: bool = True
    ) -> None:
        self.name = name
        self._one_intent = one_intent
        # `on_change` is called after a change to a key that has to be stored, `on_unproven` when a key needs a probe.
        self.on_change: Callable[[Key], None] = lambda _key: None
        self.on_unproven: Callable[[Key], None] = lambda _key: None
        # All the mutable state. `default_limit` is the `max_concurrent` of keys that have none of their own.
        self.default_limit: int | None = None
        self._keys: dict[str, Key] = {}
        self._servers = Servers()
        self._egresses = Egresses()
        self._roster = Roster(self._regrouped)
        self._lines: Lines[Lease] = Lines(weights or {})
        forecast = Forecast(self._roster.keys)
        self.queue = OrderQueue(bounds, self._lines, forecast.wait)
        self._timer: asyncio.TimerHandle | None = None
        self._lease_callbacks = LeaseCallbacks(
            report=self.report,
            served=self._served,
            limited=self._limited,
            reached=self._reached,
            changed=self.changed,
            task_ended=forecast.task_ended,
        )

    def __repr__(self) -> str:
        return f"<KeyPool {len(self._keys)} keys, {len(self.queue)} waiting>"

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    @property
    def moment(self) -> Moment:
        return Moment(self.now, time.time())

    # --- Keys --------------------------------------------------------------------------------------------------------

    @property
    def keys(self) -> Collection[Key]:
        return self._keys.values()

    @property
    def usable(self) -> bool:
        """Whether a key can serve, now or later."""
        return bool(self._roster.groups)

    def get(self, key_id: str) -> Key | None:
        return self._keys.get(key_id)

    def account(self, key: Key) -> Account:
        """The account of a key for a call that begins now."""
        return key.account(self.now)

    def use_egresses(self, proxies: Sequence[Proxy | None], *, for_all: bool = False) -> None:
        """Set the egresses of the keys that have no proxies of their own or, with `for_all`, of all keys."""
        self._egresses.use(proxies, for_all=for_all)
        for key in self._keys.values():
            key.use_egresses(self._egresses.of(key.config.proxy))
            self.changed(key)

    def put(self, key_id: str, config: UpstreamKey, memory: KeyMemory | None = None) -> Key:
        """Add a key, or change its configuration; its tasks continue. `memory` is its state from an earlier process."""
        config = config.model_copy(update={"max_concurrent": config.max_concurrent or self.default_limit})
        key, egresses, server = self._keys.get(key_id), self._egresses.of(config.proxy), self._servers[config.base_url]
        if key is None:
            key = self._keys[key_id] = Key(key_id, config, egresses, server, one_intent=self._one_intent)
        else:
            if key.server is not server and key.server.end_trial(key):
                self._circuit_changed(key.server)
            key.configure(config, egresses, server)
        if memory is not None:
            key.remember(memory, self.moment)
        self.changed(key)
        return key

    def load_uses(self, ages: Mapping[str, Sequence[float]]) -> None:
        """Count the uses of the keys in the last minute, as the previous process recorded them. `ages` maps a key id to
        the ages of its uses in seconds, oldest first."""
        for key_id in ages.keys() & self._keys.keys():
            key = self._keys[key_id]
            key.load_slots(self.now - age for age in ages[key_id])
            self.changed(key)

    def remove(self, key_id: str) -> None:
        """Take a key out of service permanently. The key still finishes its tasks."""
        key = self._keys[key_id]
        key.remove()
        self.changed(key)

    def revive(self, key: Key) -> None:
        """Clear every fault of a key, so that it serves again."""
        key.revive(self.now)
        self._memory_changed(key)

    # --- Health ------------------------------------------------------------------------------------------------------

    def report(self, key: Key, fault: Fault, generation_id: str | None = None) -> None:
        """Apply a fault to its key, egress or server. `generation_id` is set if an order encountered the fault."""
        incident = Incident(str(fault), time.time(), generation_id)
        if isinstance(fault, EgressFault | ServerUnreachable):
            self._failed(self._egresses[fault.egress] if isinstance(fault, EgressFault) else key.server, incident)
            self.changed(key)
        elif key.apply_fault(fault, self.now, incident):
            log.warning("upstream key fault", key=key.alias, code=fault.code, reason=str(fault))
            self._memory_changed(key)

    def suspect(self, key: Key, fault: Fault) -> None:
        """Cool a key down after a refusal that may be temporary. Orders continue to wait for the key."""
        key.cool_down(self.now, Incident(str(fault), time.time()))
        self.changed(key)

    def succeeded(self, key: Key, account: Account) -> None:
        """End cooldowns after a successful call with this account of the key."""
        if key.succeeded():
            self._memory_changed(key)
        self._reached(account)

    def proven(self, key: Key) -> None:
        """Let a key serve again after a successful probe."""
        key.mark_proven()
        self._memory_changed(key)

    def changed(self, key: Key) -> None:
        """Check, after a change of a key, whether an order in line can get the key now."""
        if key.in_service:
            self._roster.update(key, self.now)
        else:
            self._roster.discard(key)
            if key.removed and not key.tasks and self._keys.get(key.id) is key:  # another key may have this id by now
                del self._keys[key.id]
        if not key.intents:  # the key's order was accepted, or the lease has ended
            for circuit in key.circuits:
                if circuit.end_trial(key):
                    self._circuit_changed(circuit)
        self._assign()

    def _regrouped(self) -> None:
        """Refuse the orders that no key can serve any more."""
        for place in self._lines.keep(self._roster.groups):
            place.refuse(no_key_left(self.keys))

    def _memory_changed(self, key: Key) -> None:
        """Apply a change of a key, and report that the key's state has to be stored."""
        self.changed(key)
        if not key.removed:
            self.on_change(key)

    def _served(self, key: Key, account: Account) -> None:
        if key.served(self.now):
            self._memory_changed(key)
        self._reached(account)

    def _limited(self, key: Key, limit: RateLimited) -> None:
        log.info("upstream key rate-limited", key=key.alias, models=limit.family, seconds=limit.retry_after)
        key.apply_fault(limit, self.now, Incident(str(limit), time.time()))
        self.changed(key)

    def _reached(self, account: Account) -> None:
        """End the cooldowns of an account's server and egress, since the back end has answered a call."""
        for circuit in (self._servers[account.base_url], self._egresses[account.egress]):
            if circuit.worked():
                self.queue.end_outage({key.models for key in self._users(circuit)})
                self._circuit_changed(circuit)
                self._assign()

    def _failed(self, circuit: Circuit, incident: Incident) -> None:
        if not circuit.failed(self.now, incident):
            return
        self._circuit_changed(circuit)
        if circuit in self._servers.values():
            reachable = {key.models for key in self.keys if key.in_service and key.server.cooldown.until <= self.now}
            self.queue.note_outage(incident.reason, self.now, reachable)
        facts = {"backend": self.name, "name": circuit.name, "reason": incident.reason}
        log.warning("egress or server cooling down", **facts, seconds=round(circuit.cooldown.until - self.now, 1))

    def _circuit_changed(self, circuit: Circuit) -> None:
        for key in self._users(circuit):
            self._roster.update(key, self.now)

    def _users(self, circuit: Circuit) -> list[Key]:
        """The keys in service whose calls go through a circuit."""
        return [key for key in self._keys.values() if key.in_service and circuit in key.circuits]

    # --- The line ----------------------------------------------------------------------------------------------------

    def admit(self, client: str, arriving: Sequence[str] = (), *, model: str | None = None) -> None:
        """Check that one more order of a client may wait in line. `arriving` lists the clients whose orders are being
        accepted. `model` is the back end's name for the model.

        Raises QueueFull, or NoUpstreamKey if no key can serve the order, now or later.
        """
        if not (groups := self._lines.serving(model)):
            raise no_key_left(self.keys)
        self.queue.admit(model, client, arriving, key_is_free=self._roster.best(groups, self.now) is not None)

    def enter(self, place: Place[Lease]) -> None:
        """Add an order to the line. The event `place.updated` is set when the place gets a `grant` or a `refusal`, and
        when its position has changed noticeably, at most about once a second."""
        if self._lines.serving(place.model):
            self.queue.add(place)
            self._assign()
        else:
            place.refuse(no_key_left(self.keys))

    def resume(self, key_id: str, generation_id: str, *, intent_open: bool) -> Lease:
        """Lease the key that a generation had before a restart, regardless of the key's limits.

        Raises NoUpstreamKey if the key is not configured any more.
        """
        key = self._keys.get(key_id)
        if key is None:
            raise NoUpstreamKey("The upstream key of this generation was removed.")
        lease = Lease(key, generation_id, self._lease_callbacks, intent_open=intent_open, takes_slot=False)
        self.changed(key)
        return lease

    def leave(self, place: Place[Lease]) -> None:
        """Take an order out of the line, or return the key that it was just granted."""
        if place.waiting:
            self._lines.remove(place)
        elif place.grant is not None:
            place.grant.end()

    # --- The one step that decides -----------------------------------------------------------------------------------

    def _assign(self) -> None:
        """Grant each free key to the first order that the key serves, until no key can serve or no order is waiting."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        occupied, now = self._lines.occupied, self.now
        while (best := self._roster.best(occupied, now)) is not None:
            if best[0].unproven:
                self._request_proof(best[0])
            else:
                self._grant(*best, now)
        if math.isfinite(next_ready := self._roster.next_ready(occupied)):
            self._timer = asyncio.get_running_loop().call_at(next_ready, self._assign)

    def _grant(self, key: Key, models: Models, now: float) -> None:
        place = self._lines.pop(models)
        key.begin_trials(now)
        place.grant = Lease(key, place.generation_id, self._lease_callbacks, intent_open=True, takes_slot=True)
        self._roster.served(key, self._lines.serving(place.model))
        self._roster.update(key, now)
        place.updated.set()

    def _request_proof(self, key: Key) -> None:
        """Request a probe, and skip the key until the probe has succeeded."""
        key.begin_trials(self.now)
        self._roster.pass_over(key)
        self.on_unproven(key)
