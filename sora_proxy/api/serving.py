"""Runs the server on its port until a signal stops it."""

import asyncio
import signal
from collections.abc import Callable

import structlog
from aiohttp import web

from sora_proxy.api.context import SUPERVISOR
from sora_proxy.api.http.context import SETTINGS, THREADS
from sora_proxy.background import start_task
from sora_proxy.errors import ConfigurationError
from sora_proxy.settings.options import Settings

log = structlog.get_logger(__name__)

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
KEEPALIVE_SECONDS = 30.0
BACKLOG = 4096
HANDLER_SECONDS = 1.0  # how long handlers may take to end once their streams have ended
CLOSING_SECONDS = 2.0  # the part of the grace period that is reserved for closing connections


async def serve(app: web.Application, announce: Callable[[int], None]) -> bool:
    """Run until SIGTERM or SIGINT. `announce` is called with the port once the server is listening.

    Returns False if a call is still hanging on a thread; the process must not wait for that call.
    Raises ConfigurationError.
    """
    settings = app[SETTINGS].current
    runner = web.AppRunner(
        app,
        # Cancel a handler as soon as its client has disconnected.
        handler_cancellation=True,
        access_log=None,
        auto_decompress=False,  # decompression would block the event loop, and a kilobyte may expand to a gigabyte
        keepalive_timeout=KEEPALIVE_SECONDS,
        shutdown_timeout=HANDLER_SECONDS,
    )
    stop = _stop_signal()
    try:
        await runner.setup()
        announce(await _listen(runner, settings))
        await stop.wait()
    except BaseException:
        await runner.cleanup()
        raise
    log.info("server stopping")
    ending = start_task(_end(runner, app), name="end", awaited=True)
    await asyncio.wait([ending], timeout=settings.shutdown_grace)
    clean = ending.done() and ending.result() and not app[THREADS].busy
    log.info("server stopped", clean=clean)
    return clean


async def _end(runner: web.AppRunner, app: web.Application) -> bool:
    """Wait for calls to back ends while new orders are refused, then close all connections."""
    grace = app[SETTINGS].current.shutdown_grace
    clean = await app[SUPERVISOR].stop(max(grace - CLOSING_SECONDS, grace / 2))
    await runner.cleanup()
    return clean


async def _listen(runner: web.AppRunner, settings: Settings) -> int:
    """Listen; returns the port, which the system has chosen if API_PORT is 0."""
    try:
        await web.TCPSite(runner, settings.api_host, settings.api_port, backlog=BACKLOG).start()
    except OSError as error:
        where = f"{settings.api_host}:{settings.api_port}"
        raise ConfigurationError(
            [f"API_PORT: can't listen on {where}: {error.strerror}. Example: API_PORT=8891"]
        ) from None
    port: int = runner.addresses[0][1]
    return port


def _stop_signal() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set; a second signal of either kind ends the process at once."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def on_signal() -> None:
        stop.set()
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, on_signal)
    return stop
