"""The composition root: what others share is made or handed on here, and what is started here is stopped here.

Read it first. `Program` has the objects that are started and stopped; `create_app` adds the others, and gives the
routes all that they need.
"""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Iterator

import structlog
from aiohttp import web

from sora_proxy.api import MIDDLEWARES, add_routes
from sora_proxy.api.admin.context import AUDIT, KEY_POOLS, KEY_REGISTRY, LOGIN_LIMIT, USAGE
from sora_proxy.api.context import (
    BACKENDS_IN_USE,
    BACKGROUND,
    CONVERSATIONS,
    IDEMPOTENCY,
    MODELS,
    READERS,
    RETENTION,
    SIDE_CALLS,
    STORE,
    SUPERVISOR,
    WEBHOOKS,
)
from sora_proxy.api.http.context import ACCESS, FETCHER, LARGE_BODY_SLOTS, MEDIA, SESSIONS, SETTINGS, THREADS
from sora_proxy.api.ordering.side_calls import SideCalls
from sora_proxy.background import Background
from sora_proxy.blocking import BlockingPool
from sora_proxy.database import Database
from sora_proxy.errors import ConfigurationError
from sora_proxy.key_keeping import KeyKeeping
from sora_proxy.key_keeping.source import KeySource
from sora_proxy.key_keeping.store import has_keys
from sora_proxy.log import Redactor, set_verbose
from sora_proxy.media.image_files import Media
from sora_proxy.media.public_fetch import PublicFetcher
from sora_proxy.operators import usage
from sora_proxy.operators.audit import AuditLog
from sora_proxy.operators.login_limit import LoginLimit
from sora_proxy.operators.runtime_settings import RuntimeSettings
from sora_proxy.operators.sessions import Sessions
from sora_proxy.operators.usage import Usage
from sora_proxy.orders import store, submissions
from sora_proxy.orders.backend import Backend, Resources, SendPolicy
from sora_proxy.orders.backends import Backends
from sora_proxy.orders.conversations import Conversations, conversations
from sora_proxy.orders.idempotency import Idempotency
from sora_proxy.orders.lifecycle import Lifecycle, Policy
from sora_proxy.orders.readers import Readers
from sora_proxy.orders.retention import Bounds, Retention
from sora_proxy.orders.store import Store
from sora_proxy.orders.supervisor import Supervisor
from sora_proxy.scheduling.key_pool import KeyPool
from sora_proxy.scheduling.key_pools import KeyPools
from sora_proxy.scheduling.order_queue import QueueBounds
from sora_proxy.settings.access import Access
from sora_proxy.settings.derived import (
    HOW_TO_NAME_A_BACKEND,
    backend_is_meant,
    database_path_of,
    egresses_of,
    images_dir_of,
)
from sora_proxy.settings.options import Settings
from sora_proxy.settings.reading import signs_of_a_backend
from sora_proxy.simulator import SimulatorOptions, listen, serve_simulator
from sora_proxy.upstream import BackendOptions, Deadlines, Identity, Upstream
from sora_proxy.upstream.model_names import Models, Offer
from sora_proxy.upstream.registry import BACKENDS
from sora_proxy.webhooks import outbox
from sora_proxy.webhooks.webhooks import Webhooks

log = structlog.get_logger(__name__)

MAX_BODY_BYTES = 32 * 2**20
LARGE_BODIES_AT_ONCE = 4  # each may take three times its size in memory until its image is on disk
# What takes part in the commit of each step of a generation, and the tables whose rows are deleted with it.
WRITERS = (usage.count, submissions.note, outbox.put)
TABLES_OF_A_GENERATION = (store.events, store.images, conversations, submissions.submissions, outbox.outbox)


class BackendChoice:
    """The back ends that the settings choose. The simulator's port is taken at once, so its address is known early.

    Raises ConfigurationError for an unknown name, or if no back end is configured, but one seems to be meant.
    """

    def __init__(self, settings: Settings, threads: BlockingPool, *, has_keys: bool) -> None:
        names = ("auto", "simulator", *BACKENDS)
        if settings.upstream not in names:
            raise ConfigurationError([f"UPSTREAM: must be one of {', '.join(names)}. Example: UPSTREAM=auto"])
        # An explicit `auto` is the default spelled out: it names no back end.
        meant = has_keys or settings.backends or backend_is_meant(settings)
        self.by_default = settings.upstream == "auto" and not meant
        if self.by_default and (signs := signs_of_a_backend()):
            raise ConfigurationError(signs)
        self.simulated = settings.upstream == "simulator" or self.by_default
        self._seconds = settings.simulator_seconds
        self._socket = listen() if self.simulated else None
        self._threads = threads
        self.upstreams = [self._made(*each) for each in self._chosen(settings)]

    def _chosen(self, settings: Settings) -> Iterator[tuple[str, BackendOptions]]:
        """The kind of each back end, and what it is made with."""
        deadlines, allow = Deadlines.of(settings), settings.result_allow
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
        async with serve_simulator(SimulatorOptions(seconds=self._seconds), self._socket):
            yield


BACKEND_CHOICE = web.AppKey("backend_choice", BackendChoice)


class Program:
    """Every object that is started and stopped with the server. Raises ConfigurationError."""

    def __init__(self, settings: Settings, access: Access, redactor: Redactor) -> None:
        self.grace = settings.shutdown_grace
        self.threads, self.background = BlockingPool(), Background()
        self.database = Database(database_path_of(settings), self.threads)
        source = KeySource(settings, self.threads)
        entries = source.read()
        # Stored keys and the key file have a say in which back end is meant.
        stored = bool(self.database.look(has_keys))
        self.choice = BackendChoice(settings, self.threads, has_keys=source.found or stored)
        self.key_pools = _key_pools(settings, access, self.choice)
        self.choice.reach(settings, self.key_pools)
        self.key_keeping = KeyKeeping(source, entries, self.database, self.key_pools, redactor)
        apply = functools.partial(_apply, self.choice, self.key_pools, redactor)
        self.runtime = RuntimeSettings(settings, self.database, apply)
        self.webhooks = Webhooks(settings, self.database, redactor)
        self.store = Store(self.database, WRITERS, on_end=self.webhooks.ended)
        self.media = Media(images_dir_of(settings), settings.data_dir / "inputs", self.threads)
        self.models = _models(settings, self.choice)
        resources = Resources(self.store, self.media, _send_policy(settings), self.models.routes)
        at_work = [Backend(each, self.key_pools[each.name], resources) for each in self.choice.upstreams]
        self.backends = Backends(at_work, self.models.routes)
        lifecycle = Lifecycle(self.backends, self.store, self.media, _policy(self.runtime))
        self.supervisor = Supervisor(self.backends, self.store, self.media, lifecycle.run)
        self.idempotency = Idempotency(self.database)
        bounds = _retention_bounds(settings)
        self.retention = Retention(self.database, self.media, self.idempotency, bounds, TABLES_OF_A_GENERATION)

    async def life(self, _app: web.Application) -> AsyncIterator[None]:
        """Start everything, and stop it in the opposite order."""
        simulated, by_default = self.choice.simulated, self.choice.by_default
        async with (
            _closing(self.threads.close),
            _opened(self.database, self.media),
            self.choice.running(),
            _closing(self.backends.close_connections),
            self.key_keeping.running(self.background, simulated=simulated, by_default=by_default),
            self.webhooks.running(self.background),
        ):
            await self.runtime.open()
            self.key_pools.used_before(await submissions.Submissions(self.database).ages())
            await self.supervisor.recover()
            async with self.background.running(retention=self.retention.run):
                yield
            await self.supervisor.stop(self.grace)
            await self.backends.close()


def create_app(settings: Settings, access: Access, redactor: Redactor) -> web.Application:
    """Make the whole program. `redactor` learns the secrets that come up while it runs. Raises ConfigurationError."""
    program = Program(settings, access, redactor)
    app = web.Application(middlewares=MIDDLEWARES, client_max_size=MAX_BODY_BYTES)
    app[SETTINGS] = program.runtime
    app[ACCESS] = access
    app[SESSIONS] = Sessions()
    app[LOGIN_LIMIT] = LoginLimit()
    app[THREADS] = program.threads
    app[BACKGROUND] = program.background
    app[LARGE_BODY_SLOTS] = asyncio.Semaphore(LARGE_BODIES_AT_ONCE)
    app[BACKEND_CHOICE] = program.choice
    app[BACKENDS_IN_USE] = program.backends
    app[MODELS] = program.models
    app[KEY_POOLS] = program.key_pools
    app[KEY_REGISTRY] = program.key_keeping.registry
    app[SUPERVISOR] = program.supervisor
    app[STORE] = program.store
    app[READERS] = Readers(program.supervisor.cancel, settings.abandon_grace)
    app[IDEMPOTENCY] = program.idempotency
    app[RETENTION] = program.retention
    app[CONVERSATIONS] = Conversations(program.database)
    app[SIDE_CALLS] = SideCalls(settings.side_call_prompts) if settings.side_calls else None
    app[MEDIA] = program.media
    app[FETCHER] = PublicFetcher(settings.image_input_allow)
    app[WEBHOOKS] = program.webhooks
    app[AUDIT] = AuditLog(program.database)
    app[USAGE] = Usage(program.database)
    add_routes(app)
    app.cleanup_ctx.append(program.life)
    return app


def _key_pools(settings: Settings, access: Access, choice: BackendChoice) -> KeyPools:
    bounds = _queue_bounds(settings)
    pools = {
        each.name: KeyPool(bounds, access.weights, one_intent=each.identity is Identity.listed)
        for each in choice.upstreams
    }
    default = "sora" if settings.backends else next(iter(pools))
    return KeyPools(pools, default)


def _models(settings: Settings, choice: BackendChoice) -> Models:
    chosen = {each.name: each.models for each in settings.backends}
    offers = []
    for upstream in choice.upstreams:
        models = chosen.get(upstream.name) or upstream.capabilities.models
        names = models if isinstance(models, dict) else {name: name for name in models}
        offers.append(Offer(upstream.name, upstream.capabilities, names))
    return Models(offers, settings.model_aliases, settings.default_model)


def _queue_bounds(settings: Settings) -> QueueBounds:
    return QueueBounds(
        max_orders=settings.max_queue,
        max_orders_of_client=settings.max_queue_per_client,
        max_wait_seconds=settings.max_queue_wait,
    )


def _retention_bounds(settings: Settings) -> Bounds:
    return Bounds(days=settings.retention_days, count=settings.retention_count)


def _send_policy(settings: Settings) -> SendPolicy:
    return SendPolicy(
        settle_time=settings.settle_time,
        on_unknown=settings.on_unknown,
        on_lost=settings.on_lost,
        generation_timeout=settings.generation_timeout,
        give_up_after=settings.give_up_after,
        poll_interval=settings.poll_interval,
    )


def _policy(runtime: RuntimeSettings) -> Policy:
    queue_timeout = runtime.current.queue_timeout
    return Policy(queue_timeout=queue_timeout, keep_images=lambda: runtime.current.image_localization)


def _apply(choice: BackendChoice, pools: KeyPools, redactor: Redactor, settings: Settings) -> None:
    """Give effect to settings that changed at run time, where nobody reads them each time."""
    redactor.hide(proxy.password.get_secret_value() for proxy in settings.proxies if proxy and proxy.password)
    set_verbose(verbose=settings.verbose_logging)
    choice.reach(settings, pools)


@contextlib.asynccontextmanager
async def _opened(database: Database, media: Media) -> AsyncIterator[None]:
    await database.open()
    try:
        await media.open()
        yield
    finally:
        await database.close()


@contextlib.asynccontextmanager
async def _closing(close: Callable[[], None]) -> AsyncIterator[None]:
    try:
        yield
    finally:
        close()
