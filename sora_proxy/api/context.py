"""What handlers get from the application and the request, by typed keys."""

import asyncio

from aiohttp import web

from sora_proxy.api.requests.side_calls import SideCalls
from sora_proxy.background import Background
from sora_proxy.blocking import BlockingPool
from sora_proxy.generation import Generation
from sora_proxy.key_keeping.registry import KeyRegistry
from sora_proxy.media.image_files import Media
from sora_proxy.media.public_fetch import PublicFetcher
from sora_proxy.operators.audit import Actor, AuditLog
from sora_proxy.operators.login_limit import LoginLimit
from sora_proxy.operators.runtime_settings import RuntimeSettings
from sora_proxy.operators.sessions import Sessions
from sora_proxy.operators.usage import Usage
from sora_proxy.orders.conversations import Conversations
from sora_proxy.orders.idempotency import Idempotency
from sora_proxy.orders.readers import Readers
from sora_proxy.orders.retention import Retention
from sora_proxy.orders.store import Store
from sora_proxy.orders.supervisor import Supervisor
from sora_proxy.settings.access import Access
from sora_proxy.settings.options import Settings
from sora_proxy.upstream import Upstream
from sora_proxy.upstream.models import Models
from sora_proxy.webhooks.webhooks import Webhooks

SETTINGS = web.AppKey("settings", Settings)
RUNTIME = web.AppKey("runtime", RuntimeSettings)
ACCESS = web.AppKey("access", Access)
BACKGROUND = web.AppKey("background", Background)
POOL = web.AppKey("pool", BlockingPool)
STORE = web.AppKey("store", Store)
WEBHOOKS = web.AppKey("webhooks", Webhooks)
SIDE_CALLS: web.AppKey[SideCalls | None] = web.AppKey("side_calls")
CONVERSATIONS = web.AppKey("conversations", Conversations)
MEDIA = web.AppKey("media", Media)
MODELS = web.AppKey("models", Models)
LARGE_BODIES = web.AppKey("large_bodies", asyncio.Semaphore)
FETCHER = web.AppKey("fetcher", PublicFetcher)
IDEMPOTENCY = web.AppKey("idempotency", Idempotency)
RETENTION = web.AppKey("retention", Retention)
READERS = web.AppKey("readers", Readers)
SUPERVISOR = web.AppKey("supervisor", Supervisor)
UPSTREAM = web.AppKey("upstream", Upstream)
KEYS = web.AppKey("keys", KeyRegistry)
USAGE = web.AppKey("usage", Usage)
AUDIT = web.AppKey("audit", AuditLog)
SESSIONS = web.AppKey("sessions", Sessions)
LOGIN_LIMIT = web.AppKey("login_limit", LoginLimit)

REQUEST_ID = web.RequestKey("request_id", str)
STARTED = web.RequestKey("started", float)
BEGUN = web.RequestKey("begun", bool)  # the answer's status is gone
CLIENT = web.RequestKey("client", str)
GENERATION = web.RequestKey("generation", Generation)  # the order that the answer is about
OPERATOR = web.RequestKey("operator", Actor)
