"""What only the routes for back ends need of the application, by typed keys."""

from aiohttp import web

from sora_proxy.backend_keeping.discovery import Discovery
from sora_proxy.backend_keeping.registry import BackendRegistry

BACKEND_REGISTRY = web.AppKey("backend_registry", BackendRegistry)  # the back ends as they are configured
DISCOVERY = web.AppKey("discovery", Discovery)
