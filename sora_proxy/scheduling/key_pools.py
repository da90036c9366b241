"""KeyPools: the pools of all back ends in use. Each key is in the pool of its back end."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from sora_proxy.errors import Rerouted
from sora_proxy.scheduling.key_pool import KeyPool
from sora_proxy.scheduling.keys import Key
from sora_proxy.scheduling.order_queue import QueueBounds
from sora_proxy.settings.accounts import Proxy
from sora_proxy.settings.backends import DEFAULT_BACKEND


class KeyPools:
    """The pools by back end. `default` is the back end of the keys that are configured without one."""

    def __init__(self, bounds: QueueBounds, weights: Mapping[str, float], default: str) -> None:
        self._bounds = bounds
        self._weights = weights
        self._default = default
        # All the mutable state: the pools, the callback for changes of keys, and the egresses.
        self._pools: dict[str, KeyPool] = {}
        self._note: Callable[[Key], None] = lambda _key: None
        self._egresses: tuple[Sequence[Proxy | None], bool] = (None,), False

    @property
    def all(self) -> Sequence[KeyPool]:
        return list(self._pools.values())

    def add(self, name: str, *, one_intent: bool, own_servers: bool = False) -> KeyPool:
        """Create an empty pool. `own_servers`: the servers of the back end have no queue of their own, so orders may
        wait longer in this pool."""
        bounds = self._bounds
        if own_servers:
            bounds = replace(bounds, max_wait_seconds=bounds.max_wait_at_own_servers)
        pool = self._pools[name] = KeyPool(name, bounds, self._weights, one_intent=one_intent)
        pool.on_change = self._note
        self._set_egresses(pool)
        return pool

    def remove(self, name: str) -> None:
        """Remove the pool of a back end that is not in use any more."""
        del self._pools[name]

    def reroute(self) -> None:
        """Make every order leave its lines, so that its back ends are chosen again."""
        for pool in self._pools.values():
            pool.queue.dismiss(Rerouted())

    def __getitem__(self, name: str) -> KeyPool:
        """The pool of a back end that is in use."""
        return self._pools[name]

    def of(self, backend: str) -> KeyPool | None:
        """The pool of a key's back end; None if that back end is not in use."""
        name = self.name_of(backend)
        return None if name is None else self._pools[name]

    def name_of(self, backend: str) -> str | None:
        """The name of the pool for a key's back end; None if that back end is not in use."""
        name = self._default if backend == DEFAULT_BACKEND else backend
        return name if name in self._pools else None

    def on_change(self, note: Callable[[Key], None]) -> None:
        """Set the callback for changes of keys that have to be stored."""
        self._note = note
        for pool in self._pools.values():
            pool.on_change = note

    def load_uses(self, ages: Mapping[str, Sequence[float]]) -> None:
        """Count the uses of the keys in the last minute, as the previous process recorded them. `ages` maps a key id to
        the ages of its uses in seconds, oldest first."""
        for pool in self._pools.values():
            pool.load_uses(ages)

    def use_egresses(self, proxies: Sequence[Proxy | None], *, for_all: bool = False) -> None:
        """Set the egresses of the keys that have no proxies of their own or, with `for_all`, of all keys."""
        self._egresses = proxies, for_all
        for pool in self._pools.values():
            self._set_egresses(pool)

    def _set_egresses(self, pool: KeyPool) -> None:
        proxies, for_all = self._egresses
        pool.use_egresses(proxies, for_all=for_all)
