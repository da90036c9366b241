"""The health checks for orchestrators, which need no key and call no back end."""

import time

from aiohttp import web

from sora_proxy.api.context import BACKENDS_IN_USE, BACKGROUND, SUPERVISOR
from sora_proxy.api.http.answers import error_object, json_response
from sora_proxy.api.http.error_codes import meaning_of
from sora_proxy.api.lookup import name_backend
from sora_proxy.api.readiness import CODES, reasons_against
from sora_proxy.api.reference.answer_schemas import Health, NotReady
from sora_proxy.api.reference.described import Description, described

NOT_READY = 503  # the same status for every reason, because probes look at nothing else


@described(Description(answer=Health))
async def health(_request: web.Request) -> web.Response:
    """Check that the server is running."""
    return json_response({"status": "ok", "timestamp": time.time()})


@described(Description(answer=Health))
async def live(_request: web.Request) -> web.Response:
    """Check that the process answers requests."""
    return json_response({"status": "ok"})


@described(Description(answer=Health, unavailable=NotReady))
async def ready(request: web.Request) -> web.Response:
    """Check whether new orders are accepted; if not, give the reasons. The answer also names the back ends.

    `backends` shows for each back end whether it has a usable key and could be reached at the last attempt.
    `restarting` lists the background loops that died and will be restarted.
    """
    name_backend(request)
    enabled = request.app[BACKENDS_IN_USE].enabled
    usable = {backend.name: backend.keys.usable and backend.outage is None for backend in enabled}
    facts = {"backend": ", ".join(usable), "backends": usable, "restarting": request.app[BACKGROUND].dead}
    if not (reasons := await reasons_against(request.app)):
        return json_response({"status": "ok"} | facts)
    code, message = CODES[reasons[0].code], " ".join(reason.message for reason in reasons)
    body = {"status": "unavailable", "reason": message, "reasons": reasons, **facts}
    headers = meaning_of(code).headers
    response = json_response(body | error_object(message, code=code), status=NOT_READY, headers=headers)
    if request.app[SUPERVISOR].stopping:
        response.force_close()  # the next request of this client should reach another process
    return response
