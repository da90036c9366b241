"""Serving: runs any simulator as a server."""

import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

from aiohttp import web

SHUTDOWN_SECONDS = 0.5  # time to finish answers that are being sent; the pauses of handlers end at once
BACKLOG = 1024


@dataclass(frozen=True, slots=True)
class RunningSimulator:
    """A running server; its `url` has no slash at the end."""

    url: str
    port: int
    host: str = "127.0.0.1"


def listen(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """Open a socket to serve on; port 0 means any free port. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


@contextlib.asynccontextmanager
async def serve(runner: web.AppRunner, listening: socket.socket | None) -> AsyncIterator[RunningSimulator]:
    """Serve in the running event loop, on the given socket or a free loopback port, until the context is left."""
    await runner.setup()
    try:
        sock = listening or listen()
        await web.SockSite(runner, sock, backlog=BACKLOG).start()
        host, port = sock.getsockname()[:2]
        name = f"[{host}]" if ":" in host else host
        yield RunningSimulator(f"http://{name}:{port}", port, host)
    finally:
        await runner.cleanup()
