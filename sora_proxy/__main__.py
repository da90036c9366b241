"""The command-line interface, which runs the server, or only the simulator."""

import signal
import sys

if sys.platform == "win32":  # Windows lacks `resource`, imported below, and `fcntl`, imported elsewhere
    print("sora_proxy needs Linux, macOS or WSL. On Windows, run it in WSL or in Docker.", file=sys.stderr)
    sys.exit(2)
else:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # before the imports, which take a second; the server handles it later

import argparse
import asyncio
import contextlib
import functools
import gc
import os
import resource
from collections.abc import Sequence

import structlog
from aiohttp import web

from sora_proxy import __version__
from sora_proxy.api.banner import Place, banner
from sora_proxy.api.serving import serve
from sora_proxy.app import BACKEND_CHOICE, create_app
from sora_proxy.errors import ConfigurationError
from sora_proxy.log import Redactor, configure_logging
from sora_proxy.settings.access import Access, load_access
from sora_proxy.settings.derived import egresses_of
from sora_proxy.settings.options import Settings
from sora_proxy.settings.reading import load_settings, misspelt_options
from sora_proxy.simulator import command as simulator

log = structlog.get_logger("sora_proxy.settings.reading")

BAD_CONFIGURATION = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status."""
    parser = argparse.ArgumentParser(prog="sora_proxy", description="An OpenAI-compatible gateway to image back ends.")
    parser.add_argument("--version", action="version", version=f"sora_proxy {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command")
    commands.add_parser("serve", help="run the server (the default)")
    simulator.add_arguments(commands.add_parser("simulator", help="run only the built-in simulator of back ends"))
    chosen = parser.parse_args(arguments)
    if chosen.command == "simulator":
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # it ends when its terminal is closed
        return simulator.run(chosen)
    return _serve()


def _serve() -> int:
    try:
        settings = load_settings()
        _tune_process()
        access = load_access(settings)
    except ConfigurationError as error:
        return _misconfigured(error)
    redactor = Redactor(_secrets(settings, access))
    stop_logging = configure_logging(style=settings.log_format, verbose=settings.verbose_logging, redactor=redactor)
    for name, option in misspelt_options():
        log.warning("unknown option ignored", name=name, similar=option)
    try:
        app = create_app(settings, access, redactor)
        with asyncio.Runner() as runner:
            if not runner.run(serve(app, functools.partial(_announce, app))):
                # A call is still hanging on a thread. If it submits an order, the intent of the order is on disk, so
                # exiting now loses nothing; waiting would only delay the next startup.
                stop_logging()
                os._exit(0)
    except ConfigurationError as error:
        return _misconfigured(error)
    finally:
        stop_logging()
    return 0


def _misconfigured(error: ConfigurationError) -> int:
    print(*error.faults, sep="\n", file=sys.stderr)
    return BAD_CONFIGURATION


def _secrets(settings: Settings, access: Access) -> list[str]:
    """The configured secrets, which the log masks."""
    proxies = (*egresses_of(settings), *(proxy for key in settings.api_keys for proxy in key.proxy))
    passwords = (proxy.password.get_secret_value() for proxy in proxies if proxy and proxy.password)
    keys = [key.token for key in settings.api_keys] + [key.token for key in settings.client_keys]
    return [access.client_key, access.admin_key, *passwords, *keys]


def _tune_process() -> None:
    """Make new files private, allow many connections, and collect garbage less often, because each collection pauses
    the event loop measurably."""
    os.umask(0o077)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):  # macOS reports a hard limit that it does not accept
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    gc.set_threshold(50_000, 20, 50)
    gc.freeze()


def _announce(app: web.Application, addresses: Sequence[str]) -> None:
    """Print the banner. An address is a URL, or `unix:/PATH`."""
    choice = app[BACKEND_CHOICE]
    print(banner(app, addresses, choice.why_simulated if choice.simulated else None, Place.here()), flush=True)


if __name__ == "__main__":
    sys.exit(main())
