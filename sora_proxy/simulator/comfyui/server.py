"""Server: the simulator of ComfyUI, as an application and as a running server."""

import contextlib
import math
import socket
from collections.abc import AsyncIterator, Mapping
from typing import Any

from aiohttp import web

from sora_proxy.simulator import control
from sora_proxy.simulator.comfyui import process
from sora_proxy.simulator.comfyui.answering import guarded
from sora_proxy.simulator.comfyui.faults import ENDPOINTS
from sora_proxy.simulator.comfyui.options import ComfyUIOptions
from sora_proxy.simulator.comfyui.process import PROCESS, Process
from sora_proxy.simulator.comfyui.routes import add_missing, add_routes
from sora_proxy.simulator.comfyui.state import COMFYUI, ComfyUI
from sora_proxy.simulator.comfyui.versions import MAX_BODY
from sora_proxy.simulator.control import CONTROLS, Controls
from sora_proxy.simulator.serving import SHUTDOWN_SECONDS, RunningSimulator, serve
from sora_proxy.simulator.stopping import STOPPING, Stopping

IDLE_SECONDS = 90.0  # an idle connection stays open for at least this time


@contextlib.asynccontextmanager
async def serve_comfyui_simulator(
    options: ComfyUIOptions, listening: socket.socket | None = None
) -> AsyncIterator[RunningSimulator]:
    """Serve in the running event loop, on the given socket or a free loopback port, until the context is left.

    As with the real server, a call continues after its client has disconnected.
    """
    app = _application(options)
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=IDLE_SECONDS, shutdown_timeout=SHUTDOWN_SECONDS)
    async with serve(runner, listening) as running:
        app[PROCESS].begin(runner, running)
        yield running


def _application(options: ComfyUIOptions) -> web.Application:
    app = web.Application(middlewares=[guarded], client_max_size=MAX_BODY)
    app[COMFYUI] = simulator = ComfyUI(options)
    app[PROCESS] = server = Process(simulator)
    app[STOPPING] = Stopping()

    def stats(_: Mapping[str, str]) -> dict[str, Any]:
        return simulator.described()

    app[CONTROLS] = Controls(frozenset(ENDPOINTS), simulator.faults, simulator.ledger, stats, server.reset)
    add_routes(app, options.kind)
    control.add_routes(app)
    process.add_routes(app)
    add_missing(app)
    app.on_shutdown.append(_end_pauses)
    app.on_cleanup.append(_close_artist)
    return app


async def _end_pauses(app: web.Application) -> None:
    await app[PROCESS].end()
    app[STOPPING].begin()
    app[COMFYUI].ledger.wake()
    app[COMFYUI].clock.advance(math.inf)


async def _close_artist(app: web.Application) -> None:
    await app[COMFYUI].artist.close()
