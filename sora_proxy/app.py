"""The composition root: what others share is made or handed on here, and what is started here is stopped here.

Read it first. `Program` has the objects that are started and stopped; `create_app` adds the others, and gives the
routes all that they need.
"""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable

import structlog
from aiohttp import web

from sora_proxy.api import MIDDLEWARES, add_routes
from sora_proxy.api.admin.context import AUDIT, KEY_POOL, KEY_REGISTRY, LOGIN_LIMIT, USAGE
from sora_proxy.api.context import (
    BACKGROUND,
    CONVERSATIONS,
    IDEMPOTENCY,
    MODELS,
    READERS,
    RETENTION,
    SIDE_CALLS,
    STORE,
    SUPERVISOR,
    UPSTREAM,
    WEBHOOKS,
)
from sora_proxy.api.http.context import ACCESS, FETCHER, LARGE_BODY_SLOTS, MEDIA, SESSIONS, SETTINGS, THREADS
from sora_proxy.api.ordering.side_calls import SideCalls
from sora_proxy.background import Background
from sora_proxy.blocking import BlockingPool
from sora_proxy.database import Database
from sora_proxy.errors import ConfigurationError
from sora_proxy.key_keeping import KeyKeeping
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
from sora_proxy.orders.conversations import Conversations, conversations
from sora_proxy.orders.idempotency import Idempotency
from sora_proxy.orders.lifecycle import Policy, Resources
from sora_proxy.orders.readers import Readers
from sora_proxy.orders.retention import Bounds, Retention
from sora_proxy.orders.store import Store
from sora_proxy.orders.supervisor import Supervisor
from sora_proxy.orders.watcher import TaskWatcher
from sora_proxy.scheduling.key_pool import KeyPool
from sora_proxy.scheduling.order_queue import QueueBounds
from sora_proxy.scheduling.probes import Probes
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
from sora_proxy.upstream import BackendOptions, Deadlines
from sora_proxy.upstream.model_names import Models
from sora_proxy.upstream.registry import BACKENDS
from sora_proxy.upstream.sora import Sora
from sora_proxy.webhooks import outbox
from sora_proxy.webhooks.webhooks import Webhooks

log = structlog.get_logger(__name__)

MAX_BODY_BYTES = 32 * 2**20
LARGE_BODIES_AT_ONCE = 4  # each may take three times its size in memory until its image is on disk
# What takes part in the commit of each step of a generation, and the tables whose rows are deleted with it.
WRITERS = (usage.count, submissions.note, outbox.put)
TABLES_OF_A_GENERATION = (store.events, store.images, conversations, submissions.submissions, outbox.outbox)


class BackendChoice:
    """The back end that the settings choose. The simulator's port is taken at once, so its address is known early.

    Raises ConfigurationError for an unknown name, or if no back end is configured, but one seems to be meant.
    """

    def __init__(self, settings: Settings, threads: BlockingPool, *, has_keys: bool) -> None:
        names = ("auto", "simulator", *BACKENDS)
        if settings.upstream not in names:
            raise ConfigurationError([f"UPSTREAM: must be one of {', '.join(names)}. Example: UPSTREAM=auto"])
        # An explicit `auto` is the default spelled out: it names no back end.
        self.by_default = settings.upstream == "auto" and not (has_keys or backend_is_meant(settings))
        if self.by_default and (signs := signs_of_a_backend()):
            raise ConfigurationError(signs)
        self.simulated = settings.upstream == "simulator" or self.by_default
        self._seconds = settings.simulator_seconds
        self._socket = listen() if self.simulated else None
        if self._socket is None:
            name = "sora" if settings.upstream == "auto" else settings.upstream
            self.backend = BACKENDS[name](settings, threads)
        else:  # it speaks Sora's protocol; the extra headers are for somebody else
            url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
            self.backend = Sora(BackendOptions("simulator", url, deadlines=Deadlines.of(settings)), threads)

    @property
    def why_simulated(self) -> str:
        """Why the simulator answers, and how to change that."""
        if self.by_default:
            return f"no key or back end is configured; to use one, {HOW_TO_NAME_A_BACKEND}"
        return "UPSTREAM=simulator"

    def reach(self, settings: Settings, keys: KeyPool) -> None:
        """Use the egresses of the settings; a direct connection to the simulator, which is on this machine."""
        if self.simulated:
            keys.use_egresses([None], for_all=True)
        else:
            keys.use_egresses(egresses_of(settings))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        # The settings refuse a URL with credentials.
        log.info("back end", backend=self.backend.name, base_url=self.backend.base_url)
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
        self.key_pool = KeyPool(_queue_bounds(settings), access.weights)
        self.key_keeping = KeyKeeping(settings, self.database, self.key_pool, redactor, self.threads)
        # Stored keys and the key file have a say in which back end is meant.
        self.choice = BackendChoice(settings, self.threads, has_keys=self.key_keeping.has_keys)
        self.choice.reach(settings, self.key_pool)
        apply = functools.partial(_apply, self.choice, self.key_pool, redactor)
        self.runtime = RuntimeSettings(settings, self.database, apply)
        self.webhooks = Webhooks(settings, self.database, redactor)
        self.store = Store(self.database, WRITERS, on_end=self.webhooks.ended)
        self.media = Media(images_dir_of(settings), settings.data_dir / "inputs", self.threads)
        self.upstream = self.choice.backend
        self.probes = Probes(self.upstream.probe, self.key_pool)
        self.key_pool.on_unproven = self.probes.start  # what closes the circle: probes need the pool
        self.watcher = TaskWatcher(
            self.upstream, self.key_pool, interval=settings.poll_interval, patience=settings.generation_timeout
        )
        resources = Resources(self.upstream, self.key_pool, self.store, self.media, self.watcher)
        self.supervisor = Supervisor(resources, _policy(self.runtime, self.choice))
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
            _closing(self.upstream.close),
            self.key_keeping.running(self.background, simulated=simulated, by_default=by_default),
            self.webhooks.running(self.background),
        ):
            await self.runtime.open()
            self.key_pool.used_before(await submissions.Submissions(self.database).ages())
            await self.supervisor.recover()
            async with self.background.running(retention=self.retention.run):
                yield
            await self.supervisor.stop(self.grace)
            await asyncio.gather(self.watcher.close(), self.probes.close())


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
    app[UPSTREAM] = program.upstream
    app[MODELS] = Models(program.upstream.capabilities, settings.model_aliases)
    app[KEY_POOL] = program.key_pool
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


def _queue_bounds(settings: Settings) -> QueueBounds:
    return QueueBounds(
        max_orders=settings.max_queue,
        max_orders_of_client=settings.max_queue_per_client,
        max_wait_seconds=settings.max_queue_wait,
    )


def _retention_bounds(settings: Settings) -> Bounds:
    return Bounds(days=settings.retention_days, count=settings.retention_count)


def _policy(runtime: RuntimeSettings, choice: BackendChoice) -> Policy:
    def keep_images() -> bool:
        localization = runtime.current.image_localization
        return choice.simulated if localization is None else localization

    settings = runtime.current
    return Policy(
        settle_time=settings.settle_time,
        on_unknown=settings.on_unknown,
        generation_timeout=settings.generation_timeout,
        give_up_after=settings.give_up_after,
        queue_timeout=settings.queue_timeout,
        keep_images=keep_images,
    )


def _apply(choice: BackendChoice, keys: KeyPool, redactor: Redactor, settings: Settings) -> None:
    """Give effect to settings that changed at run time, where nobody reads them each time."""
    redactor.hide(proxy.password.get_secret_value() for proxy in settings.proxies if proxy and proxy.password)
    set_verbose(verbose=settings.verbose_logging)
    choice.reach(settings, keys)


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
