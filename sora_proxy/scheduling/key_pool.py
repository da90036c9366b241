"""KeyPool: who gets which upstream key, when, and what a fault does to a key.

Orders wait in one line, fair between clients (`line.py`); which key serves next is the roster's affair (`roster.py`).
Every change of state ends in one synchronous step, `_assign`, which can't be interrupted and decides everything: it
hands keys to the first in line for as long as a key can serve, and if none can, it sets one timer for the next moment
at which one can. Nobody polls.

A lease covers the whole time in which its task counts upstream. In its first part, until `accepted`, it also holds the
key's only place for an open intent: an order whose outcome gets lost can then be told from every other one.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

import structlog

from sora_proxy.errors import EgressFault, Fault, NoUpstreamKey
from sora_proxy.scheduling.cooldown import Incident
from sora_proxy.scheduling.egress import Egress
from sora_proxy.scheduling.keys import Key, KeyMemory, Moment
from sora_proxy.scheduling.lease import Lease
from sora_proxy.scheduling.line import Place
from sora_proxy.scheduling.order_queue import OrderQueue, QueueBounds
from sora_proxy.scheduling.roster import Roster
from sora_proxy.settings.account import Account
from sora_proxy.settings.kinds import UpstreamKey
from sora_proxy.settings.proxies import Proxy

log = structlog.get_logger(__name__)

OnWait = Callable[[int, int | None], Awaitable[None]]


class KeyPool:
    """All upstream keys, and the line of those who wait for one. `weights` are the shares of clients."""

    def __init__(self, bounds: QueueBounds, weights: Mapping[str, float] | None = None) -> None:
        # Who is told of what: what must outlive the process about a key changed; a key has to prove that it works.
        self.on_change: Callable[[Key], None] = lambda _key: None
        self.on_unproven: Callable[[Key], None] = lambda _key: None
        # All the mutable state.
        self._keys: dict[str, Key] = {}
        self._egresses: dict[object, Egress] = {}  # by their proxies
        self._default_egresses: Sequence[Proxy | None] = (None,)
        self._egresses_for_all = False
        self._roster = Roster()
        self._in_service: set[Key] = set()
        self.queue = OrderQueue(bounds, weights or {}, self._in_service)
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        tasks = sum(key.tasks for key in self._keys.values())
        return f"<KeyPool {len(self._keys)} keys, {tasks} tasks, {len(self.queue)} waiting>"

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
        """Whether any key could serve, now or later."""
        return bool(self._in_service)

    def get(self, key_id: str) -> Key | None:
        return self._keys.get(key_id)

    def account(self, key: Key) -> Account:
        """What a call to the back end needs of a key now."""
        return key.account(self.now)

    def use_egresses(self, proxies: Sequence[Proxy | None], *, for_all: bool = False) -> None:
        """The ways out of the keys that name none of their own, from now on; `for_all`: of the others too."""
        self._default_egresses, self._egresses_for_all = proxies, for_all
        for key in self._keys.values():
            key.egresses = self._egresses_of(key.config)
            self.changed(key)

    def put(self, key_id: str, config: UpstreamKey, memory: KeyMemory | None = None) -> Key:
        """Add a key, or change one; what runs on it goes on. `memory` is what an earlier process knew of it."""
        key = self._keys.get(key_id)
        if key is None:
            key = self._keys[key_id] = Key(key_id, config, self._egresses_of(config))
        elif key.config != config:
            key.configure(config, self._egresses_of(config))
        key.removed = False
        if memory is not None:
            key.remember(memory, self.moment)
        self.changed(key)
        return key

    def used_before(self, ages: Mapping[str, Sequence[float]]) -> None:
        """How many seconds ago keys were used by the last process, by their ids, the longest ago first."""
        for key_id in ages.keys() & self._keys.keys():
            key = self._keys[key_id]
            key.window.load(self.now - age for age in ages[key_id])
            self.changed(key)

    def remove(self, key_id: str) -> None:
        """Take a key out of service for good. Its tasks still come to their end on it."""
        key = self._keys[key_id]
        key.removed = True
        self.changed(key)

    def revive(self, key: Key) -> None:
        """Whatever kept a key from serving, it may be tried again."""
        key.rejected, key.unproven = None, False
        key.learn_limit(None)
        key.rest.end()
        self._noted(key)

    def _egresses_of(self, config: UpstreamKey) -> tuple[Egress, ...]:
        proxies = self._default_egresses if self._egresses_for_all else config.proxy or self._default_egresses
        return tuple(self._egresses.setdefault(proxy, Egress(proxy)) for proxy in proxies)

    # --- Health ------------------------------------------------------------------------------------------------------

    def report(self, key: Key, fault: Fault, order: str | None = None) -> None:
        """Let a fault have its effect on the key, or on the way to the upstream. `order` is the one that met it."""
        incident = Incident(str(fault), time.time(), order)
        if isinstance(fault, EgressFault):
            egress = self._egresses[fault.egress]
            egress.rest.back_off(self.now, incident)
            seconds = round(egress.rest.until - self.now, 1)
            log.warning("way to the back end rests", egress=egress.name, seconds=seconds, reason=str(fault))
            self.changed(key)
        elif key.suffer(fault, self.now, incident):
            log.warning("key suffered", key=key.alias, code=fault.code, reason=str(fault))
            self._noted(key)

    def doubt(self, key: Key, fault: Fault) -> None:
        """A running task's key was refused: it gets nothing new for a while, and nobody is sent away for its sake."""
        key.rest.back_off(self.now, Incident(str(fault), time.time()))
        self.changed(key)

    def works(self, key: Key, account: Account) -> None:
        """A call that was made with the key, as this account, just succeeded."""
        egress = self._egresses[account.egress]
        if key.rest.over():
            self._noted(key)
        if egress.rest.over():
            for each in self._keys.values():
                if egress in each.egresses:
                    self._roster.update(each, self.now)
            self._assign()

    def proven(self, key: Key) -> None:
        """A free call worked: an order may be risked."""
        key.unproven = False
        self._noted(key)

    def changed(self, key: Key) -> None:
        """Something about a key changed: look whether somebody in line can have it now."""
        if key.in_service:
            self._in_service.add(key)
            self._roster.update(key, self.now)
        else:
            self._in_service.discard(key)
            self._roster.discard(key)
            if key.removed and not key.tasks and self._keys.get(key.id) is key:  # it may be back as another one
                del self._keys[key.id]
        self._assign()

    def _noted(self, key: Key) -> None:
        """The same for what must outlive the process."""
        self.changed(key)
        if not key.removed:
            self.on_change(key)

    # --- The line ----------------------------------------------------------------------------------------------------

    def admit(self, client: str, arriving: Sequence[str] = ()) -> None:
        """Check that one more order of a client may wait in line, beside those in it and others of these clients.

        Raises NoUpstreamKey or QueueFull.
        """
        if not self.usable:
            raise NoUpstreamKey("there is no upstream key that could serve")
        self.queue.admit(client, arriving, key_is_free=self._roster.best(self.now) is not None)

    async def acquire(self, place: Place[Lease], on_wait: OnWait) -> Lease:
        """Wait in line for a key.

        `on_wait` hears of the place in line and the expected seconds whenever the place changed noticeably, at most
        about once a second. Raises NoUpstreamKey when no key is left that could serve.
        """
        self.queue.add(place)
        try:
            self._assign()
            while place.grant is None and place.refusal is None:
                await place.news.wait()
                place.news.clear()
                if place.waiting:
                    seconds = self.queue.expected_wait(place.position)
                    await on_wait(place.position, math.ceil(seconds) if math.isfinite(seconds) else None)
        except BaseException:
            self._leave(place)
            raise
        if place.grant is None:
            raise place.refusal or AssertionError("who is out of the line has a key or a refusal")
        return place.grant

    def resume(self, key_id: str, order: str, *, intent_open: bool) -> Lease:
        """Hold again the key that a generation was on before a restart, whatever its limits say.

        Raises NoUpstreamKey if the key is not configured any more.
        """
        key = self._keys.get(key_id)
        if key is None:
            raise NoUpstreamKey("the upstream key of this generation was removed")
        lease = Lease(self, key, order, new=False, intent_open=intent_open)
        self.changed(key)
        return lease

    def task_ended(self, seconds: float) -> None:
        """A task had a key for so long: what to expect of the next ones."""
        self.queue.forecast.task_ended(seconds)

    def _leave(self, place: Place[Lease]) -> None:
        """Who goes away leaves no trace, even if it was just given a key."""
        if place.waiting:
            self.queue.remove(place)
        elif place.grant is not None:
            place.grant.end()

    # --- The one step that decides -----------------------------------------------------------------------------------

    def _assign(self) -> None:
        """Give keys to the first in line, for as long as one can serve."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self.now
        while self.queue and (key := self._roster.best(now)) is not None:
            if key.unproven:
                self._prove(key)
            else:
                self._grant(key, now)
        if not self.queue:
            return
        if not self.usable:
            self._refuse_all()
        elif math.isfinite(next_ready := self._roster.next_ready()):
            self._timer = asyncio.get_running_loop().call_at(next_ready, self._assign)

    def _grant(self, key: Key, now: float) -> None:
        place = self.queue.pop()
        key.window.use(now)
        place.grant = Lease(self, key, place.order, new=True, intent_open=True)
        self._roster.served(key)
        self._roster.update(key, now)
        place.news.set()

    def _prove(self, key: Key) -> None:
        """Have a free call made, and meanwhile look past this key."""
        self._roster.discard(key)
        self.on_unproven(key)

    def _refuse_all(self) -> None:
        while self.queue:
            place = self.queue.pop()
            place.refusal = NoUpstreamKey("there is no upstream key that could serve")
            place.news.set()
