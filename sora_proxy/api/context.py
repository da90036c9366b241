"""The application's typed keys for the routes that place and find orders."""

from aiohttp import web

from sora_proxy.api.ordering.side_calls import SideCalls
from sora_proxy.background import Background
from sora_proxy.key_keeping.source import KeySource
from sora_proxy.orders.backends import Backends
from sora_proxy.orders.conversations import Conversations
from sora_proxy.orders.idempotency import Idempotency
from sora_proxy.orders.readers import Readers
from sora_proxy.orders.retention import Retention
from sora_proxy.orders.store import Store
from sora_proxy.orders.supervisor import Supervisor
from sora_proxy.upstream.model_names import Models
from sora_proxy.webhooks.webhooks import Webhooks

MODELS = web.AppKey("models", Models)
SIDE_CALLS: web.AppKey[SideCalls | None] = web.AppKey("side_calls")
SUPERVISOR = web.AppKey("supervisor", Supervisor)
BACKENDS_IN_USE = web.AppKey("backends", Backends)
STORE = web.AppKey("store", Store)
READERS = web.AppKey("readers", Readers)
RETENTION = web.AppKey("retention", Retention)
IDEMPOTENCY = web.AppKey("idempotency", Idempotency)
CONVERSATIONS = web.AppKey("conversations", Conversations)
BACKGROUND = web.AppKey("background", Background)
KEY_SOURCE = web.AppKey("key_source", KeySource)
WEBHOOKS = web.AppKey("webhooks", Webhooks)
