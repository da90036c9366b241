"""Server: the simulator of the Images API, as an application and as a running server."""

import contextlib
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from sora_proxy.simulator import control
from sora_proxy.simulator.control import CONTROLS, Controls
from sora_proxy.simulator.images.options import ImagesOptions
from sora_proxy.simulator.images.reading import MAX_BODY
from sora_proxy.simulator.images.refusals import Reason, Refused
from sora_proxy.simulator.images.routes import ENDPOINTS, add_routes
from sora_proxy.simulator.images.state import IMAGES, ImagesSimulator
from sora_proxy.simulator.json_answers import json_response
from sora_proxy.simulator.refusals import Refusal
from sora_proxy.simulator.serving import SHUTDOWN_SECONDS, RunningSimulator, serve
from sora_proxy.simulator.stopping import STOPPING, Stopping

CONTROL = ("/stats", "/simulator/")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def create_images_simulator(options: ImagesOptions) -> web.Application:
    """Make the application. Its cleanup ends the threads that draw images."""
    app = web.Application(middlewares=[_errors_in_the_profiles_form], client_max_size=MAX_BODY)
    app[IMAGES] = simulator = ImagesSimulator(options)
    app[STOPPING] = Stopping()

    def stats(query: Mapping[str, str]) -> dict[str, Any]:
        with_requests = query.get("requests") != "0"
        struck = {"faults_struck": simulator.faults.struck}
        return simulator.ledger.described(with_requests=with_requests) | struck

    app[CONTROLS] = Controls(ENDPOINTS, simulator.faults, simulator.ledger, stats, simulator.reset)
    add_routes(app, simulator.profile)
    control.add_routes(app)
    app.on_response_prepare.append(_add_headers)
    app.on_shutdown.append(_end_pauses)
    app.on_cleanup.append(_close_artist)
    return app


@contextlib.asynccontextmanager
async def serve_images_simulator(
    options: ImagesOptions, listening: socket.socket | None = None
) -> AsyncIterator[RunningSimulator]:
    """Serve in the running event loop, on the given socket or a free loopback port, until the context is left.

    The server's `url` is the base URL of the profile. As with the real servers, an order continues after its client has
    disconnected.
    """
    app = create_images_simulator(options)
    profile = app[IMAGES].profile
    runner = web.AppRunner(
        app, access_log=None, keepalive_timeout=profile.idle_seconds, shutdown_timeout=SHUTDOWN_SECONDS
    )
    async with serve(runner, listening) as running:
        yield RunningSimulator(running.url + profile.base, running.port)


@web.middleware
async def _errors_in_the_profiles_form(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        answer = await handler(request)
    except Refused as refused:
        answer = _refusal(request, refused)
    except Refusal as refusal:  # from a control route
        return json_response(refusal.payload(), refusal.status, refusal.headers)
    except web.HTTPException:
        answer = _refusal(request, Refused(Reason.no_route, value=f"{request.method} {request.path}"))
    if not request.path.startswith(CONTROL):
        request.app[IMAGES].ledger.answered(answer.status)
    return answer


def _refusal(request: web.Request, refused: Refused) -> web.Response:
    errors = request.app[IMAGES].profile.errors
    sent = errors.worded(refused, in_form=request.content_type.startswith("multipart/"))
    if sent.message:
        answer = json_response(errors.form(sent), sent.status, refused.headers)
    else:
        answer = web.Response(status=sent.status)
    if errors.close:
        answer.force_close()
    return answer


async def _add_headers(request: web.Request, answer: web.StreamResponse) -> None:
    answers = request.app[IMAGES].profile.answers
    own = {answers.request_id: f"req_{secrets.token_hex(16)}"} if answers.request_id else {}
    for name, value in {**answers.headers, **own}.items():
        answer.headers.setdefault(name, value)


async def _end_pauses(app: web.Application) -> None:
    app[STOPPING].begin()
    app[IMAGES].ledger.wake()


async def _close_artist(app: web.Application) -> None:
    await app[IMAGES].artist.close()
