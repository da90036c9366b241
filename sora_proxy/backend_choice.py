"""BackendChoice: decides which back ends are used, and constructs them. This module is part of the composition root."""

import contextlib
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import structlog

from sora_proxy.backend_keeping import imports
from sora_proxy.backend_keeping.store import BackendRecord
from sora_proxy.blocking import BlockingPool
from sora_proxy.errors import ConfigurationError
from sora_proxy.key_keeping.store import Origin
from sora_proxy.scheduling.key_pools import KeyPools
from sora_proxy.settings.backends import BackendConfig, EntryOptions
from sora_proxy.settings.derived import (
    AUTO,
    COMFYUI,
    HOW_TO_NAME_A_BACKEND,
    OPENAI,
    backends_of,
    egresses_of,
    sora_is_chosen,
    upstream_of,
)
from sora_proxy.settings.options import Settings
from sora_proxy.settings.reading import signs_of_a_backend
from sora_proxy.simulator import SimulatorOptions, listen, serve_simulator
from sora_proxy.upstream import BackendOptions, Deadlines, Upstream
from sora_proxy.upstream.registry import BACKENDS

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored at startup.

    `backends`: the stored back ends that can be read.
    `has_backends`: whether any back end is stored, even if it can't be read.
    `has_keys`: whether keys for the back end of the older options are configured or stored. These options, such as
    `UPSTREAM`, are from before `BACKENDS`, and choose a single back end.
    """

    backends: Sequence[BackendRecord]
    has_backends: bool
    has_keys: bool


class BackendChoice:
    """The back ends to use, according to the settings and to what is stored.

    If the simulator is used, the constructor opens its port, so that its address is known from then on. Raises
    ConfigurationError if the value of `UPSTREAM` is unknown, or if no back end is configured although other options
    suggest one.
    """

    def __init__(self, settings: Settings, threads: BlockingPool, stored: Stored) -> None:
        self._settings = settings
        self.instance = secrets.token_hex(8)
        names = (AUTO, "simulator", OPENAI, *(kind for kind in BACKENDS if kind != "openai_images"))
        if settings.upstream not in names:
            raise ConfigurationError([f"UPSTREAM: must be one of {', '.join(names)}. Example: UPSTREAM=auto"])
        self._stored = stored
        # `UPSTREAM=auto` is the same as no UPSTREAM at all: it does not choose a back end.
        self._entries = backends_of(settings)
        meant = self._older_options_choose or self._entries or stored.has_backends
        self.by_default = settings.upstream == AUTO and not meant
        if self.by_default and (signs := signs_of_a_backend()):
            raise ConfigurationError(signs)
        self.simulated = settings.upstream == "simulator" or self.by_default
        self._socket = listen() if self.simulated else None
        self._threads = threads

    @property
    def default_name(self) -> str:
        """The back end of keys that do not name a back end: the simulator if it is in use, else the back end that the
        older options choose."""
        if self.simulated:
            return "simulator"
        return "sora" if upstream_of(self._settings) in (AUTO, COMFYUI, OPENAI) else self._settings.upstream

    @property
    def records(self) -> list[BackendRecord]:
        """The back ends to use, the preferred one first."""
        if self._socket is not None:  # the simulator speaks Sora's protocol
            url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
            simulator = BackendConfig(name=self.default_name, kind="sora", base_url=url)
            return [BackendRecord(simulator, Origin.simulator, created_at=0.0)]
        older = (self._of_older_options(),) if self._older_options_choose and not self._entries else ()
        return imports.merged(self._stored.backends, self._entries or older)

    def make(self, config: BackendConfig) -> Upstream:
        """Construct the `Upstream` that calls a back end. Raises ConfigurationError."""
        if config.kind not in BACKENDS:
            raise ConfigurationError([f"BACKENDS: {config.name}: 'kind' must be one of {', '.join(BACKENDS)}"])
        settings = self._settings
        deadlines = Deadlines(
            submit=settings.submit_timeout,
            poll=settings.poll_timeout,
            upload=settings.upload_timeout,
            download=settings.download_timeout,
        )
        options = BackendOptions(
            config.name,
            config.base_url,
            deadlines,
            links_results=not self.simulated,
            extra_headers=config.options.extra_headers,
            more=config.options.of_kind,
            instance=self.instance,
            result_allow=settings.result_allow,
            workflows_dir=settings.workflows_dir,
        )
        return BACKENDS[config.kind](options, self._threads.branch())  # a slow back end must not delay the others

    @property
    def why_simulated(self) -> str:
        """Why the simulator is used, and how to change that."""
        if self.by_default:
            return f"no key or back end is configured; to use one, {HOW_TO_NAME_A_BACKEND}"
        return "UPSTREAM=simulator"

    def use_egresses(self, settings: Settings, pools: KeyPools) -> None:
        """Use the configured egresses. The simulator, which runs on this machine, is reached by a direct connection."""
        if self.simulated:
            pools.use_egresses([None], for_all=True)
        else:
            pools.use_egresses(egresses_of(settings))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the simulator, if it is the chosen back end."""
        if self._socket is None:
            yield
            return
        if self._settings.openai_api_key:
            log.warning("OPENAI_API_KEY ignored without UPSTREAM=openai")
        log.warning("simulator in use, images are drawn", reason=self.why_simulated)
        async with serve_simulator(SimulatorOptions(seconds=self._settings.simulator_seconds), self._socket):
            yield

    @property
    def _older_options_choose(self) -> bool:
        """Whether a back end is chosen by the older options, or by the existence of keys for their back end."""
        return self._settings.upstream != AUTO or self._stored.has_keys or sora_is_chosen(self._settings)

    def _of_older_options(self) -> BackendConfig:
        return BackendConfig(
            name=self.default_name,
            kind=self.default_name,
            base_url=self._settings.sora_base_url,
            options=EntryOptions(extra_headers=self._settings.sora_extra_headers),
        )
