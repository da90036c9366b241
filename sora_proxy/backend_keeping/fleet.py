"""Fleet: puts back ends into use and removes them. It creates the objects of each back end, and updates the objects
that all of them share."""

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
class Shared:
    """The shared objects that depend on the back ends in use. `unfinished` returns the unfinished generations."""

    pools: KeyPools
    backends: Backends
    models: Models
    spending: Spending
    unfinished: Callable[[], Iterable[Generation]]


class Fleet:
    """All back ends in use. `make_upstream` makes the upstream for a configuration, `make_backend` the back end."""

    def __init__(
        self,
        make_upstream: Callable[[BackendConfig], Upstream],
        make_backend: Callable[[Upstream, KeyPool], Backend],
        shared: Shared,
    ) -> None:
        self.make_upstream = make_upstream
        self._make_backend = make_backend
        self._shared = shared

    def put(self, config: BackendConfig, upstream: Upstream) -> None:
        """Put a back end into use, or change one that is in use: its orders then continue with the new upstream."""
        backend = self._shared.backends.get(config.name)
        if backend is None:
            one_intent, own_servers = upstream.identity is Identity.listed, upstream.max_concurrent is not None
            pool = self._shared.pools.add(config.name, one_intent=one_intent, own_servers=own_servers)
            backend = self._make_backend(upstream, pool)
            self._shared.backends.put(backend)
        backend.use(upstream)
        backend.keys.default_limit = upstream.max_concurrent
        backend.enabled = config.enabled

    async def remove(self, name: str) -> None:
        """Remove a back end that has no orders."""
        backend = self._shared.backends.remove(name)
        self._shared.pools.remove(name)
        await backend.close()
        await backend.close_connections()

    def has_orders(self, name: str) -> bool:
        """Whether a back end has orders, or is about to get one."""
        busy = any(key.tasks for key in self._shared.pools[name].keys)
        return busy or any(generation.state.backend == name for generation in self._shared.unfinished())

    def built_in(self, name: str) -> Capabilities:
        """The capabilities of a back end, as far as they are known without a call to it."""
        return self._shared.backends[name].upstream.capabilities

    def offer(self, records: Sequence[BackendRecord]) -> None:
        """Serve the models of the enabled back ends in `records`, within their daily caps. Waiting orders are routed
        again."""
        spending = self._shared.spending
        caps = {each.name: each.config.options.max_images_per_day for each in records}
        spending.caps = replace(spending.caps, of_backends={name: cap for name, cap in caps.items() if cap is not None})
        self._shared.models.offer([self._offer_of(record) for record in records if record.config.enabled])
        self._shared.pools.reroute()
        self._shared.backends.changed()

    def check_models(self) -> None:
        """Check that the default model, and the model of each alias, is served by at least one back end. Raises
        ConfigurationError."""
        self._shared.models.check()

    def warn_of_missing_models(self) -> None:
        """Log a warning if no back end serves the default model or the model of an alias, for example because a back
        end has dropped it."""
        try:
            self.check_models()
        except ConfigurationError as error:
            log.warning("configured models missing", faults=error.faults)

    def _offer_of(self, record: BackendRecord) -> Offer:
        capabilities = record.capabilities or self.built_in(record.name)
        models = record.config.models or tuple(capabilities.models)
        names = models if isinstance(models, dict) else {name: name for name in models}
        return Offer(record.name, capabilities, names or None)
