"""Fleet: puts back ends to work, and takes them out of it. It makes what each needs and changes what others share."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import structlog

from sora_proxy.backend_keeping.store import BackendRecord
from sora_proxy.errors import ConfigurationError
from sora_proxy.generation import Generation
from sora_proxy.orders.backend import Backend
from sora_proxy.orders.backends import Backends
from sora_proxy.orders.spending import Spending
from sora_proxy.scheduling.key_pool import KeyPool
from sora_proxy.scheduling.key_pools import KeyPools
from sora_proxy.settings.backends import BackendConfig
from sora_proxy.upstream import Capabilities, Identity, Upstream
from sora_proxy.upstream.model_names import Models, Offer

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class InUse:
    """What others use of the back ends at work."""

    pools: KeyPools
    backends: Backends
    models: Models
    spending: Spending
    unfinished: Callable[[], Iterable[Generation]]


class Fleet:
    """All back ends at work. `make` makes the upstream of a configuration; `employ` makes the rest of a back end."""

    def __init__(
        self, make: Callable[[BackendConfig], Upstream], employ: Callable[[Upstream, KeyPool], Backend], in_use: InUse
    ) -> None:
        self.make = make
        self._employ = employ
        self._in_use = in_use

    def put(self, config: BackendConfig, upstream: Upstream) -> None:
        """Put a back end to work, or change one: its orders continue, by the new upstream."""
        backend = self._in_use.backends.get(config.name)
        if backend is None:
            pool = self._in_use.pools.add(config.name, one_intent=upstream.identity is Identity.listed)
            backend = self._employ(upstream, pool)
            self._in_use.backends.put(backend)
        backend.use(upstream)
        backend.keys.default_limit = upstream.max_concurrent
        backend.enabled = config.enabled

    async def remove(self, name: str) -> None:
        """Take a back end out of work that has no orders."""
        backend = self._in_use.backends.remove(name)
        self._in_use.pools.remove(name)
        await backend.close()
        await backend.close_connections()

    def has_orders(self, name: str) -> bool:
        """Whether a back end has orders, or is about to get one."""
        at_work = any(key.tasks for key in self._in_use.pools[name].keys)
        return at_work or any(generation.state.backend == name for generation in self._in_use.unfinished())

    def built_in(self, name: str) -> Capabilities:
        """What a back end can do as far as that is known without asking it."""
        return self._in_use.backends[name].upstream.capabilities

    def offer(self, records: Sequence[BackendRecord]) -> None:
        """Serve the models of the enabled ones of these back ends, within their daily caps. Orders in line look again
        where they can go."""
        spending = self._in_use.spending
        caps = {each.name: each.config.options.max_images_per_day for each in records}
        spending.caps = replace(spending.caps, of_backends={name: cap for name, cap in caps.items() if cap is not None})
        self._in_use.models.offer([self._offer_of(record) for record in records if record.config.enabled])
        self._in_use.pools.reroute()
        self._in_use.backends.changed()

    def check_models(self) -> None:
        """Raises ConfigurationError if an alias, or the default, stands for a model that no back end serves."""
        self._in_use.models.check()

    def warn_of_missing_models(self) -> None:
        """Log the same: a back end may have stopped serving a model."""
        try:
            self.check_models()
        except ConfigurationError as error:
            log.warning("configured models missing", faults=error.faults)

    def _offer_of(self, record: BackendRecord) -> Offer:
        capabilities = record.capabilities or self.built_in(record.name)
        models = record.config.models or tuple(capabilities.models)
        names = models if isinstance(models, dict) else {name: name for name in models}
        return Offer(record.name, capabilities, names or None)
