"""Runs the server until a signal stops it."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator, Sequence

import structlog
from aiohttp import web

from sora_proxy.api.context import KEY_SOURCE, SUPERVISOR
from sora_proxy.api.http.context import SETTINGS, THREADS
from sora_proxy.api.listening import Listener
from sora_proxy.api.systemd import notify
from sora_proxy.background import start_task

log = structlog.get_logger(__name__)

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
KEEPALIVE_SECONDS = 30.0
HANDLER_SECONDS = 1.0  # how long handlers may take to end once their streams have ended
CLOSING_SECONDS = 2.0  # the part of the grace period that is reserved for closing connections


async def serve(app: web.Application, announce: Callable[[Sequence[str]], None]) -> bool:
    """Run until SIGTERM or SIGINT. `announce` is called with the addresses once the server is listening.

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
    listener = Listener(settings.api_host, settings.api_port)
    app.cleanup_ctx.append(listener.bound)
    try:
        await runner.setup()
        announce(await listener.start(runner))
        with _calling_on_hang_up(app[KEY_SOURCE].reload):
            notify("READY=1")
            await stop.wait()
            return await _stopped(runner, app)
    except BaseException:
        await runner.cleanup()
        raise


async def _stopped(runner: web.AppRunner, app: web.Application) -> bool:
    """Stop within the grace period. Returns False if a call is still hanging."""
    log.info("server stopping")
    notify("STOPPING=1")
    ending = start_task(_end(runner, app), name="end", awaited=True)
    await asyncio.wait([ending], timeout=app[SETTINGS].current.shutdown_grace)
    clean = ending.done() and ending.result() and not app[THREADS].busy
    log.info("server stopped", clean=clean)
    return clean


async def _end(runner: web.AppRunner, app: web.Application) -> bool:
    """Wait for calls to back ends while new orders are refused, then close all connections."""
    grace = app[SETTINGS].current.shutdown_grace
    clean = await app[SUPERVISOR].stop(max(grace - CLOSING_SECONDS, grace / 2))
    await runner.cleanup()
    return clean


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


@contextlib.contextmanager
def _calling_on_hang_up(reload: Callable[[], None]) -> Iterator[None]:
    """Call a function at each SIGHUP until the block ends. Afterwards SIGHUP is ignored, so it never ends the process.

    The loop's own handlers would be removed when the loop closes, and from then on SIGHUP would end the process.
    """
    loop = asyncio.get_running_loop()
    signal.signal(signal.SIGHUP, lambda *_: loop.call_soon_threadsafe(reload))
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
