"""The application's typed keys that only the routes for back ends need."""

from aiohttp import web

from sora_proxy.backend_keeping.discovery import Discovery
from sora_proxy.backend_keeping.registry import BackendRegistry

BACKEND_REGISTRY = web.AppKey("backend_registry", BackendRegistry)  # the configuration of the back ends
DISCOVERY = web.AppKey("discovery", Discovery)
