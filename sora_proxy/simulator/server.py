"""Server: the simulator of Sora's web protocol, as an application and as a running server."""

import contextlib
import functools
import socket
from collections.abc import AsyncIterator

from aiohttp import web

from sora_proxy.simulator import control, wire
from sora_proxy.simulator.answering import ENDPOINTS, count_and_delay, errors_as_json
from sora_proxy.simulator.control import CONTROLS, Controls
from sora_proxy.simulator.engine import Clocks, Engine
from sora_proxy.simulator.options import SimulatorOptions
from sora_proxy.simulator.serving import SHUTDOWN_SECONDS, RunningSimulator, serve
from sora_proxy.simulator.state import SIMULATOR, Simulator
from sora_proxy.simulator.stats import stats_of
from sora_proxy.simulator.stopping import STOPPING, Stopping


def create_simulator(options: SimulatorOptions, clocks: Clocks | None = None) -> web.Application:
    """Make the application. Its cleanup ends the threads that draw images."""
    app = web.Application(middlewares=[count_and_delay, errors_as_json])
    app[SIMULATOR] = simulator = Simulator(options, Engine(options, clocks))
    app[STOPPING] = Stopping()
    stats = functools.partial(stats_of, simulator)
    app[CONTROLS] = Controls(ENDPOINTS, simulator.faults, simulator.ledger, stats, simulator.reset)
    wire.add_routes(app)
    control.add_routes(app)
    app.on_shutdown.append(_end_pauses)
    app.on_cleanup.append(_close_artist)
    return app


@contextlib.asynccontextmanager
async def serve_simulator(
    options: SimulatorOptions, listening: socket.socket | None = None, clocks: Clocks | None = None
) -> AsyncIterator[RunningSimulator]:
    """Serve in the running event loop, on the given socket or a free loopback port, until the context is left."""
    app = create_simulator(options, clocks)
    # A handler ends when its client disconnects, so that endless answers do not accumulate.
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=SHUTDOWN_SECONDS)
    async with serve(runner, listening) as running:
        yield running


async def _end_pauses(app: web.Application) -> None:
    app[STOPPING].begin()
    app[SIMULATOR].ledger.wake()


async def _close_artist(app: web.Application) -> None:
    await app[SIMULATOR].artist.close()
