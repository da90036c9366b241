"""Health for orchestrators: open to all, from known state only, and nothing else told."""

import time

from aiohttp import web

from sora_proxy.api.answers import json_response
from sora_proxy.api.context import STORE, SUPERVISOR


async def health(_request: web.Request) -> web.Response:
    """The documented check."""
    return json_response({"status": "ok", "timestamp": time.time()})


async def live(_request: web.Request) -> web.Response:
    """The process runs and its event loop turns."""
    return json_response({"status": "ok"})


async def ready(request: web.Request) -> web.Response:
    """New orders would be taken."""
    is_ready = request.app[SUPERVISOR].ready and await request.app[STORE].writable()
    return json_response({"status": "ok" if is_ready else "unavailable"}, status=200 if is_ready else 503)
