"""The composition root: constructs the shared objects, connects them, and starts and stops them.

`Program` contains the objects that are started and stopped. `create_app` adds all other objects, and makes every object
available to the routes.
"""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from aiohttp import web

from sora_proxy.api import MIDDLEWARES, add_routes
from sora_proxy.api.admin.backend_context import BACKEND_REGISTRY, DISCOVERY
from sora_proxy.api.admin.context import AUDIT, KEY_POOLS, KEY_REGISTRY, LOGIN_LIMIT, SPENDING, USAGE
from sora_proxy.api.context import (
    BACKENDS_IN_USE,
    BACKGROUND,
    CONVERSATIONS,
    IDEMPOTENCY,
    KEY_SOURCE,
    MODELS,
    READERS,
    RETENTION,
    SIDE_CALLS,
    STORE,
    SUPERVISOR,
    WEBHOOKS,
)
from sora_proxy.api.http.context import ACCESS, FETCHER, INSTANCE, LARGE_BODY_SLOTS, MEDIA, SESSIONS, SETTINGS, THREADS
from sora_proxy.api.ordering.side_calls import SideCalls
from sora_proxy.backend_choice import BackendChoice, Stored
from sora_proxy.backend_keeping.discovery import Discovery
from sora_proxy.backend_keeping.fleet import Fleet, Shared
from sora_proxy.backend_keeping.registry import BackendRegistry
from sora_proxy.backend_keeping.store import has_backends, load
from sora_proxy.background import Background
from sora_proxy.blocking import BlockingPool
from sora_proxy.database import Database
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
from sora_proxy.orders.spending import Caps, Spending
from sora_proxy.orders.store import Store
from sora_proxy.orders.supervisor import Supervisor
from sora_proxy.scheduling.key_pools import KeyPools
from sora_proxy.scheduling.order_queue import QueueBounds
from sora_proxy.settings.access import Access
from sora_proxy.settings.derived import database_path_of, images_dir_of
from sora_proxy.settings.options import Settings
from sora_proxy.upstream.model_names import Models
from sora_proxy.webhooks import outbox
from sora_proxy.webhooks.webhooks import Webhooks

MAX_BODY_BYTES = 32 * 2**20
LARGE_BODIES_AT_ONCE = 4  # until its images are on disk, a body may take up three times its size in memory
# The functions that take part in the commit of each step, and the tables whose rows are deleted together with their
# generation.
WRITERS = (usage.count, submissions.note, outbox.put)
TABLES_OF_A_GENERATION = (store.events, store.images, conversations, submissions.submissions, outbox.outbox)
BACKEND_CHOICE = web.AppKey("backend_choice", BackendChoice)


class Program:
    """Every object that is started and stopped with the server. Raises ConfigurationError."""

    def __init__(self, settings: Settings, access: Access, redactor: Redactor) -> None:
        self.grace = settings.shutdown_grace
        self.threads, self.background = BlockingPool(), Background()
        self.database = Database(database_path_of(settings), self.threads)
        self.key_source = source = KeySource(settings, self.threads)
        entries = source.read()
        # The choice of the back end depends on the settings, the stored back ends and keys, and the key file.
        peek = self.database.peek
        stored = Stored(peek(load) or [], bool(peek(has_backends)), source.found or bool(peek(has_keys)))
        self.choice = BackendChoice(settings, self.threads, stored)
        self.key_pools = KeyPools(_queue_bounds(settings), access.weights, self.choice.default_name)
        self.choice.use_egresses(settings, self.key_pools)
        self.key_keeping = KeyKeeping(source, entries, self.database, self.key_pools, redactor)
        apply = functools.partial(_apply, self.choice, self.key_pools, redactor)
        self.runtime = RuntimeSettings(settings, self.database, apply)
        self.webhooks = Webhooks(settings, self.database, redactor)
        self.spending = Spending(self.database, Caps(settings.max_images_per_day))
        followers = (self.webhooks.follow, self.spending.follow)
        self.store = Store(self.database, (*WRITERS, self.spending.count), followers)
        self.media = Media(images_dir_of(settings), settings.data_dir / "inputs", self.threads)
        self.models = Models(settings.model_aliases, settings.default_model)
        self.backends = Backends(self.models.routes, _queue_bounds(settings).max_wait_seconds)
        lifecycle = Lifecycle(self.backends, self.store, self.media, _policy(self.runtime))
        self.supervisor = Supervisor(self.backends, self.store, self.media, lifecycle.run)
        resources = Resources(self.store, self.media, _send_policy(settings), self.models.routes, self.spending)
        make_backend = functools.partial(Backend, resources=resources)
        shared = Shared(self.key_pools, self.backends, self.models, self.spending, lambda: self.supervisor.unfinished)
        fleet = Fleet(self.choice.make, make_backend, shared)
        self.backend_registry = BackendRegistry(self.database, fleet, self.key_keeping.registry)
        self.backend_registry.load(self.choice.records)
        self.discovery = Discovery(self.backends, self.backend_registry.store_capabilities, self.models.explain)
        self.idempotency = Idempotency(self.database)
        bounds = _retention_bounds(settings)
        self.retention = Retention(self.database, self.media, self.idempotency, bounds, TABLES_OF_A_GENERATION)

    async def lifespan(self, _app: web.Application) -> AsyncIterator[None]:
        """Start everything, and stop it in the reverse order."""
        simulated, by_default = self.choice.simulated, self.choice.by_default
        async with (
            _closing(self.threads.close),
            _opened(self.database, self.media),
            self.choice.running(),
            contextlib.aclosing(self.backends),
            self.key_keeping.running(self.background, simulated=simulated, by_default=by_default),
            self.webhooks.running(self.background),
        ):
            await self.backend_registry.open()
            await self.runtime.open()
            await self.spending.load()
            self.key_pools.load_uses(await submissions.Submissions(self.database).ages())
            await self.supervisor.recover()
            async with self.background.running(retention=self.retention.run, discovery=self.discovery.run):
                yield
            await self.supervisor.stop(self.grace)
            await self.backends.close()


def create_app(settings: Settings, access: Access, redactor: Redactor) -> web.Application:
    """Construct the whole program. Secrets that are added later are passed to `redactor`. Raises ConfigurationError."""
    program = Program(settings, access, redactor)
    app = web.Application(middlewares=MIDDLEWARES, client_max_size=MAX_BODY_BYTES)
    app[SETTINGS] = program.runtime
    app[ACCESS] = access
    app[INSTANCE] = program.choice.instance
    app[SESSIONS] = Sessions()
    app[LOGIN_LIMIT] = LoginLimit()
    app[THREADS] = program.threads
    app[BACKGROUND] = program.background
    app[KEY_SOURCE] = program.key_source
    app[LARGE_BODY_SLOTS] = asyncio.Semaphore(LARGE_BODIES_AT_ONCE)
    app[BACKEND_CHOICE] = program.choice
    app[BACKENDS_IN_USE] = program.backends
    app[MODELS] = program.models
    app[BACKEND_REGISTRY] = program.backend_registry
    app[DISCOVERY] = program.discovery
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
    app[SPENDING] = program.spending
    add_routes(app)
    app.cleanup_ctx.append(program.lifespan)
    return app


def _queue_bounds(settings: Settings) -> QueueBounds:
    bounds = QueueBounds(max_orders=settings.max_queue, max_orders_of_client=settings.max_queue_per_client)
    if (wait := settings.max_queue_wait) is not None:
        return replace(bounds, max_wait_seconds=wait, max_wait_at_own_servers=wait)
    return replace(bounds, max_wait_at_own_servers=settings.queue_timeout)


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
    """Pass settings that changed at run time to the objects that hold a copy of them."""
    redactor.hide(proxy.password.get_secret_value() for proxy in settings.proxies if proxy and proxy.password)
    set_verbose(verbose=settings.verbose_logging)
    choice.use_egresses(settings, pools)


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
