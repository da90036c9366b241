"""The health checks for orchestrators. They need no key, and call no back end."""

import time

from aiohttp import web

from sora_proxy.api.context import BACKENDS_IN_USE, BACKGROUND, MODELS, STORE, SUPERVISOR
from sora_proxy.api.http.answers import json_response
from sora_proxy.api.lookup import name_backend
from sora_proxy.api.reference.answer_schemas import Health
from sora_proxy.api.reference.described import Description, described
from sora_proxy.errors import StorageUnavailable


@described(Description(answer=Health))
async def health(_request: web.Request) -> web.Response:
    """Check that the server is running."""
    return json_response({"status": "ok", "timestamp": time.time()})


@described(Description(answer=Health))
async def live(_request: web.Request) -> web.Response:
    """Check that the process answers requests."""
    return json_response({"status": "ok"})


@described(Description(answer=Health))
async def ready(request: web.Request) -> web.Response:
    """Check whether new orders are accepted, and name the back ends that make their images.

    `backends` shows for each back end whether it has a usable key and could be reached at the last attempt.
    `restarting` lists the background loops that died and will be restarted.
    """
    name_backend(request)
    request.app[SUPERVISOR].check_ready()
    request.app[MODELS].check_listed()
    if not await request.app[STORE].writable():
        raise StorageUnavailable
    restarting = request.app[BACKGROUND].dead
    enabled = request.app[BACKENDS_IN_USE].enabled
    usable = {backend.name: backend.keys.usable and backend.outage is None for backend in enabled}
    return json_response({"status": "ok", "backend": ", ".join(usable), "backends": usable, "restarting": restarting})
