"""The composition root: every object is made here, and everything that is started here is stopped here.

Read it first. There is no other wiring and no global.
"""

import asyncio
import contextlib
import functools
import signal
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
from sora_proxy.api.requests.side_calls import SideCalls
from sora_proxy.background import Background, start_task
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
from sora_proxy.orders import submissions
from sora_proxy.orders.conversations import Conversations, conversations
from sora_proxy.orders.idempotency import Idempotency
from sora_proxy.orders.lifecycle import Policy, Resources
from sora_proxy.orders.readers import Readers
from sora_proxy.orders.retention import Bounds, Retention
from sora_proxy.orders.store import Store, events, pictures
from sora_proxy.orders.supervisor import Supervisor
from sora_proxy.orders.watcher import TaskWatcher
from sora_proxy.scheduling.key_pool import KeyPool
from sora_proxy.scheduling.order_queue import QueueBounds
from sora_proxy.scheduling.probes import Probes
from sora_proxy.settings.access import Access
from sora_proxy.settings.derived import database_path_of, egresses_of, images_dir_of, names_backend
from sora_proxy.settings.options import Settings
from sora_proxy.simulator import SimulatorOptions, listen, serve_simulator
from sora_proxy.upstream.models import Models
from sora_proxy.upstream.sora import Deadlines, Sora, SoraOptions
from sora_proxy.upstream.sora_http import SoraHttp
from sora_proxy.webhooks import outbox
from sora_proxy.webhooks.webhooks import Webhooks

log = structlog.get_logger(__name__)

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
MOST_BODY_BYTES = 32 * 2**20
BODIES_AT_ONCE = 4  # each may take three times its size until its picture is on disk
KEEPALIVE_SECONDS = 30.0
BACKLOG = 4096
HANDLER_SECONDS = 1.0  # for handlers to end once their streams were ended
CLOSING_SECONDS = 2.0  # of the grace, for what follows the last answer on the wire
# What takes part in the commit of each step of a generation, and the tables whose rows are deleted with it.
WRITERS = (usage.count, submissions.note, outbox.put)
FORGOTTEN = (events, pictures, conversations, submissions.submissions, outbox.outbox)


class Backend:
    """Which back end the settings choose, and what it needs. The simulator's port is taken at once, so that its address
    is known before it serves."""

    def __init__(self, settings: Settings, *, has_keys: bool) -> None:
        # An explicit `auto` is the default spelled out: it names no back end.
        self.by_default = settings.upstream == "auto" and not (has_keys or names_backend(settings))
        self.simulated = settings.upstream == "simulator" or self.by_default
        self.name = "simulator" if self.simulated else "sora"
        self._seconds = settings.simulator_seconds
        self._socket = listen() if self.simulated else None
        port = self._socket.getsockname()[1] if self._socket else None
        self.base_url = f"http://127.0.0.1:{port}" if port else settings.sora_base_url

    @property
    def why_simulated(self) -> str:
        """Why the simulator answers, and how to change that."""
        if self.by_default:
            return "no key or back end is configured; to use one, set API_KEYS or SORA_BASE_URL and restart"
        return "UPSTREAM=simulator"

    def reach(self, settings: Settings, keys: KeyPool) -> None:
        """Use the egresses of the settings; a direct connection to the simulator, which is on this machine."""
        if self.simulated:
            keys.use_egresses([None], for_all=True)
        else:
            keys.use_egresses(egresses_of(settings))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        log.info("back end", backend=self.name, base_url=self.base_url)  # the settings refuse a URL with credentials
        if self._socket is None:
            yield
            return
        log.warning("the simulator answers: images are drawn, not generated", reason=self.why_simulated)
        async with serve_simulator(SimulatorOptions(seconds=self._seconds), self._socket):
            yield


BACKEND = web.AppKey("backend", Backend)


def create_app(settings: Settings, access: Access, redactor: Redactor) -> web.Application:
    """Make the whole program. `redactor` is told secrets that come up while it runs. Raises ConfigurationError."""
    pool, background = BlockingPool(), Background()
    database = Database(database_path_of(settings), pool)
    keys = KeyPool(_queue_bounds(settings), access.weights)
    keeping = KeyKeeping(settings, database, keys, redactor, pool)
    backend = Backend(settings, has_keys=keeping.has_keys)
    backend.reach(settings, keys)
    webhooks = Webhooks(settings, database, redactor)
    store = Store(database, WRITERS, on_end=webhooks.ended)
    runtime = RuntimeSettings(settings, database, functools.partial(_apply, backend, keys, redactor))
    media = Media(images_dir_of(settings), settings.data_dir / "inputs", pool)
    upstream = _sora(settings, backend, pool)
    probes = Probes(upstream.probe, keys)
    keys.on_unproven = probes.start
    watcher = TaskWatcher(upstream, keys, interval=settings.poll_interval)
    supervisor = Supervisor(Resources(upstream, keys, store, media, watcher), _policy(runtime, backend))

    app = web.Application(middlewares=MIDDLEWARES, client_max_size=MOST_BODY_BYTES)
    app[SETTINGS], app[ACCESS], app[BACKEND] = runtime, access, backend
    app[THREADS], app[STORE], app[MEDIA], app[SUPERVISOR] = pool, store, media, supervisor
    app[SESSIONS], app[LOGIN_LIMIT], app[LARGE_BODY_SLOTS] = Sessions(), LoginLimit(), asyncio.Semaphore(BODIES_AT_ONCE)
    app[MODELS] = Models(upstream.capabilities, settings.model_aliases)
    app[SIDE_CALLS] = SideCalls(settings.side_call_prompts) if settings.side_calls else None
    app[UPSTREAM], app[KEY_REGISTRY], app[KEY_POOL], app[AUDIT] = upstream, keeping.registry, keys, AuditLog(database)
    app[CONVERSATIONS], app[IDEMPOTENCY], app[USAGE] = Conversations(database), Idempotency(database), Usage(database)
    app[BACKGROUND], app[WEBHOOKS], app[FETCHER] = background, webhooks, PublicFetcher(settings.image_input_allow)
    app[RETENTION] = Retention(database, media, app[IDEMPOTENCY], _retention_bounds(settings), FORGOTTEN)
    app[READERS] = Readers(supervisor.cancel, settings.abandon_grace)
    add_routes(app)

    async def life(_app: web.Application) -> AsyncIterator[None]:
        async with (
            _closing(pool.close),
            _opened(database, media),
            backend.running(),
            _closing(upstream.close),
            keeping.running(background, simulated=backend.simulated, by_default=backend.by_default),
            webhooks.running(background),
        ):
            await runtime.open()
            keys.used_before(await submissions.Submissions(database).ages())
            await supervisor.recover()
            async with background.running(retention=app[RETENTION].run):
                yield
            await supervisor.stop(settings.shutdown_grace)
            await asyncio.gather(watcher.close(), probes.close())

    app.cleanup_ctx.append(life)
    return app


async def serve(app: web.Application, announce: Callable[[int], None]) -> bool:
    """Run until SIGTERM or SIGINT. `announce` is called with the port when the server listens.

    Returns False if something hangs that must not hold up the end of the process. Raises ConfigurationError.
    """
    settings = app[SETTINGS].current
    runner = web.AppRunner(
        app,
        # Production as in aiohttp's own tests: a handler learns at once that its client has left.
        handler_cancellation=True,
        access_log=None,
        auto_decompress=False,  # it would be work of the loop, and a kilobyte may hold a gigabyte
        keepalive_timeout=KEEPALIVE_SECONDS,
        shutdown_timeout=HANDLER_SECONDS,
    )
    stop = _stop_signal()
    try:
        await runner.setup()
        announce(await _listen(runner, settings))
        await stop.wait()
    except BaseException:
        await runner.cleanup()
        raise
    log.info("stopping")
    ending = start_task(_end(runner, app), name="end", awaited=True)
    await asyncio.wait([ending], timeout=settings.shutdown_grace)
    clean = ending.done() and ending.result() and not app[THREADS].busy
    log.info("stopped", clean=clean)
    return clean


async def _end(runner: web.AppRunner, app: web.Application) -> bool:
    """Let what is on the wire come to its end, while those who ask are told that no order is taken; then close."""
    grace = app[SETTINGS].current.shutdown_grace
    clean = await app[SUPERVISOR].stop(max(grace - CLOSING_SECONDS, grace / 2))
    await runner.cleanup()
    return clean


async def _listen(runner: web.AppRunner, settings: Settings) -> int:
    """Listen; returns the port, which the system has chosen if API_PORT is 0."""
    try:
        await web.TCPSite(runner, settings.api_host, settings.api_port, backlog=BACKLOG).start()
    except OSError as error:
        where = f"{settings.api_host}:{settings.api_port}"
        raise ConfigurationError(
            [f"API_PORT: can't listen on {where}: {error.strerror}. Example: API_PORT=8891"]
        ) from None
    port: int = runner.addresses[0][1]
    return port


def _stop_signal() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set; a second signal of either kind ends the process at once."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def on_signal() -> None:
        stop.set()
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, on_signal)
    return stop


def _sora(settings: Settings, backend: Backend, pool: BlockingPool) -> Sora:
    deadlines = Deadlines(
        settings.submit_timeout, settings.poll_timeout, settings.upload_timeout, settings.download_timeout
    )
    headers = {} if backend.simulated else settings.sora_extra_headers  # it is nobody's server
    return Sora(SoraOptions(backend.base_url, headers, deadlines), SoraHttp(), pool, name=backend.name)


def _queue_bounds(settings: Settings) -> QueueBounds:
    return QueueBounds(
        max_orders=settings.max_queue,
        max_orders_of_client=settings.max_queue_per_client,
        max_wait_seconds=settings.max_queue_wait,
    )


def _retention_bounds(settings: Settings) -> Bounds:
    return Bounds(settings.retention_days, settings.retention_count)


def _policy(runtime: RuntimeSettings, backend: Backend) -> Policy:
    def keep_pictures() -> bool:
        chosen = runtime.current.image_localization
        return backend.simulated if chosen is None else chosen

    settings = runtime.current
    return Policy(
        settings.settle_time,
        settings.on_unknown,
        settings.generation_timeout,
        settings.queue_timeout,
        keep_pictures=keep_pictures,
    )


def _apply(backend: Backend, keys: KeyPool, redactor: Redactor, settings: Settings) -> None:
    """Give effect to settings that changed at run time, where nobody reads them each time."""
    redactor.hide(proxy.password.get_secret_value() for proxy in settings.proxies if proxy and proxy.password)
    set_verbose(verbose=settings.verbose_logging)
    backend.reach(settings, keys)


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
