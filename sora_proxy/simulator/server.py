"""The simulator as an application and as a running server."""

import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

from aiohttp import web

from sora_proxy.simulator import control, wire
from sora_proxy.simulator.answering import count_and_delay, errors_as_json
from sora_proxy.simulator.engine import Clocks, Engine
from sora_proxy.simulator.options import SimulatorOptions
from sora_proxy.simulator.state import SIMULATOR, Simulator

SHUTDOWN_SECONDS = 0.5  # for answers under way; those that hang on purpose end at once
BACKLOG = 1024


@dataclass(frozen=True, slots=True)
class RunningSimulator:
    """A server that listens; `url` has no slash at its end."""

    url: str
    port: int


def create_simulator(options: SimulatorOptions, clocks: Clocks | None = None) -> web.Application:
    """Make the application; its threads end with its cleanup."""
    app = web.Application(middlewares=[count_and_delay, errors_as_json])
    app[SIMULATOR] = Simulator(options, Engine(options, clocks))
    wire.add_routes(app)
    control.add_routes(app)
    app.on_shutdown.append(_end_pauses)
    app.on_cleanup.append(_close_artist)
    return app


def listen(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """Take an address for `serve_simulator`; port 0 takes a free one. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


@contextlib.asynccontextmanager
async def serve_simulator(
    options: SimulatorOptions, listening: socket.socket | None = None, clocks: Clocks | None = None
) -> AsyncIterator[RunningSimulator]:
    """Serve in the running event loop, on a free port of loopback or a given socket, until the context is left."""
    app = create_simulator(options, clocks)
    # A client that leaves ends its handler, so that answers that hang for ever do not pile up.
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        sock = listening or listen()
        await web.SockSite(runner, sock, backlog=BACKLOG).start()
        host, port = sock.getsockname()[:2]
        name = f"[{host}]" if ":" in host else host
        yield RunningSimulator(f"http://{name}:{port}", port)
    finally:
        await runner.cleanup()


async def _end_pauses(app: web.Application) -> None:
    app[SIMULATOR].stopping.begin()
    app[SIMULATOR].ledger.wake()


async def _close_artist(app: web.Application) -> None:
    await app[SIMULATOR].artist.close()
