"""The application's typed keys that only the routes for operators need."""

from aiohttp import web

from sora_proxy.key_keeping.registry import KeyRegistry
from sora_proxy.operators.audit import AuditLog
from sora_proxy.operators.login_limit import LoginLimit
from sora_proxy.operators.usage import Usage
from sora_proxy.orders.spending import Spending
from sora_proxy.scheduling.key_pools import KeyPools

KEY_REGISTRY = web.AppKey("key_registry", KeyRegistry)  # the configuration of the keys
KEY_POOLS = web.AppKey("key_pools", KeyPools)  # the keys in use
USAGE = web.AppKey("usage", Usage)
SPENDING = web.AppKey("spending", Spending)
AUDIT = web.AppKey("audit", AuditLog)
LOGIN_LIMIT = web.AppKey("login_limit", LoginLimit)
