"""KeyPools: the pools of all back ends. A key is in the pool of its back end, if that is in use."""

from collections.abc import Callable, Mapping, Sequence

from sora_proxy.scheduling.key_pool import KeyPool
from sora_proxy.scheduling.keys import Key
from sora_proxy.settings.accounts import Proxy
from sora_proxy.settings.backends import ENVIRONMENTS


class KeyPools:
    """The pools by the names of their back ends. `default` names that of keys which name no back end."""

    def __init__(self, pools: Mapping[str, KeyPool], default: str) -> None:
        self._pools = dict(pools)
        self._default = default

    @property
    def all(self) -> Sequence[KeyPool]:
        return list(self._pools.values())

    def __getitem__(self, name: str) -> KeyPool:
        """The pool of a back end that is in use."""
        return self._pools[name]

    def of(self, backend: str) -> KeyPool | None:
        """The pool of a back end, if that is in use."""
        name = self.name_of(backend)
        return None if name is None else self._pools[name]

    def name_of(self, backend: str) -> str | None:
        """The name under which a key's back end is in use; None if it is not."""
        name = self._default if backend == ENVIRONMENTS else backend
        return name if name in self._pools else None

    def on_change(self, note: Callable[[Key], None]) -> None:
        """Have changes of keys that must outlive the process noted."""
        for pool in self._pools.values():
            pool.on_change = note

    def used_before(self, ages: Mapping[str, Sequence[float]]) -> None:
        """Count the orders of the last process: their ages in seconds by the ids of their keys, oldest first."""
        for pool in self._pools.values():
            pool.used_before(ages)

    def use_egresses(self, proxies: Sequence[Proxy | None], *, for_all: bool = False) -> None:
        """Set the egresses of the keys that have none of their own; `for_all`: of the others too."""
        for pool in self._pools.values():
            pool.use_egresses(proxies, for_all=for_all)
