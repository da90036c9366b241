"""BackendChoice: which back ends the settings choose. It is a part of the composition root."""

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping

import structlog

from sora_proxy.blocking import BlockingPool
from sora_proxy.errors import ConfigurationError
from sora_proxy.scheduling.key_pool import KeyPool
from sora_proxy.scheduling.key_pools import KeyPools
from sora_proxy.scheduling.order_queue import QueueBounds
from sora_proxy.settings.derived import HOW_TO_NAME_A_BACKEND, backend_is_meant, egresses_of
from sora_proxy.settings.options import Settings
from sora_proxy.settings.reading import signs_of_a_backend
from sora_proxy.simulator import SimulatorOptions, listen, serve_simulator
from sora_proxy.upstream import BackendOptions, Deadlines, Identity, Upstream
from sora_proxy.upstream.model_names import Models, Offer
from sora_proxy.upstream.registry import BACKENDS

log = structlog.get_logger(__name__)


class BackendChoice:
    """The back ends that the settings choose. The simulator's port is taken at once, so its address is known early.

    Raises ConfigurationError for an unknown name, or if no back end is configured, but one seems to be meant.
    """

    def __init__(self, settings: Settings, threads: BlockingPool, *, has_keys: bool) -> None:
        self._settings = settings
        names = ("auto", "simulator", *BACKENDS)
        if settings.upstream not in names:
            raise ConfigurationError([f"UPSTREAM: must be one of {', '.join(names)}. Example: UPSTREAM=auto"])
        # An explicit `auto` is the default spelled out: it names no back end.
        meant = has_keys or settings.backends or backend_is_meant(settings)
        self.by_default = settings.upstream == "auto" and not meant
        if self.by_default and (signs := signs_of_a_backend()):
            raise ConfigurationError(signs)
        self.simulated = settings.upstream == "simulator" or self.by_default
        self._socket = listen() if self.simulated else None
        self._threads = threads
        self.upstreams = [self._made(*each) for each in self._chosen()]

    def _chosen(self) -> Iterator[tuple[str, BackendOptions]]:
        """The kind of each back end, and what it is made with."""
        settings = self._settings
        deadlines, allow = _deadlines(settings), settings.result_allow
        if self._socket is not None:  # it speaks Sora's protocol; the extra headers are for somebody else
            url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
            yield "sora", BackendOptions("simulator", url, deadlines, links_results=False)
        elif settings.backends:
            for each in settings.backends:
                yield (
                    each.kind,
                    BackendOptions(each.name, each.base_url, deadlines, result_allow=allow, more=each.options),
                )
        else:
            kind = "sora" if settings.upstream == "auto" else settings.upstream
            headers = {"extra_headers": settings.sora_extra_headers} if settings.sora_extra_headers else {}
            yield kind, BackendOptions(kind, settings.sora_base_url, deadlines, result_allow=allow, more=headers)

    def _made(self, kind: str, options: BackendOptions) -> Upstream:
        if kind not in BACKENDS:
            raise ConfigurationError([f"BACKENDS: {options.name}: 'kind' must be one of {', '.join(BACKENDS)}"])
        return BACKENDS[kind](options, self._threads)

    @property
    def why_simulated(self) -> str:
        """Why the simulator answers, and how to change that."""
        if self.by_default:
            return f"no key or back end is configured; to use one, {HOW_TO_NAME_A_BACKEND}"
        return "UPSTREAM=simulator"

    def reach(self, settings: Settings, pools: KeyPools) -> None:
        """Use the egresses of the settings; a direct connection to the simulator, which is on this machine."""
        if self.simulated:
            pools.use_egresses([None], for_all=True)
        else:
            pools.use_egresses(egresses_of(settings))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        for upstream in self.upstreams:  # the settings refuse a URL with credentials
            log.info("back end", backend=upstream.name, base_url=upstream.base_url)
        if self._socket is None:
            yield
            return
        log.warning("the simulator answers: images are drawn, not generated", reason=self.why_simulated)
        async with serve_simulator(SimulatorOptions(seconds=self._settings.simulator_seconds), self._socket):
            yield

    def key_pools(self, bounds: QueueBounds, weights: Mapping[str, float]) -> KeyPools:
        """A pool of keys for each back end, empty."""
        pools = {
            each.name: KeyPool(each.name, bounds, weights, one_intent=each.identity is Identity.listed)
            for each in self.upstreams
        }
        return KeyPools(pools, default="sora" if self._settings.backends else next(iter(pools)))

    def models(self) -> Models:
        """The models that the back ends serve, in the order of the configuration. Raises ConfigurationError."""
        chosen = {each.name: each.models for each in self._settings.backends}
        offers = []
        for upstream in self.upstreams:
            models = chosen.get(upstream.name) or upstream.capabilities.models
            names = models if isinstance(models, dict) else {name: name for name in models}
            offers.append(Offer(upstream.name, upstream.capabilities, names))
        return Models(offers, self._settings.model_aliases, self._settings.default_model)


def _deadlines(settings: Settings) -> Deadlines:
    return Deadlines(
        submit=settings.submit_timeout,
        poll=settings.poll_timeout,
        upload=settings.upload_timeout,
        download=settings.download_timeout,
    )
