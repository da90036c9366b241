"""The application's typed keys that only the routes for back ends need."""

from aiohttp import web

from sora_proxy.backend_keeping.discovery import Discovery
from sora_proxy.backend_keeping.registry import BackendRegistry

BACKEND_REGISTRY = web.AppKey("backend_registry", BackendRegistry)  # the back ends as they are configured
DISCOVERY = web.AppKey("discovery", Discovery)
