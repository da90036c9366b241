"""The command-line interface, which runs the server, or only the simulator."""

import sys

if sys.platform == "win32":  # before resource (here) and fcntl (elsewhere) are imported, which Windows lacks
    print("sora_proxy needs Linux, macOS or WSL. On Windows, run it in WSL or in Docker.", file=sys.stderr)
    sys.exit(2)

import argparse
import asyncio
import contextlib
import functools
import gc
import os
import resource
import shlex
import signal
from collections.abc import Sequence

import structlog
from aiohttp import web

from sora_proxy import __version__
from sora_proxy.api.context import BACKENDS_IN_USE, MODELS
from sora_proxy.api.http.context import ACCESS, SETTINGS
from sora_proxy.api.serving import serve
from sora_proxy.app import BACKEND_CHOICE, create_app
from sora_proxy.errors import ConfigurationError
from sora_proxy.log import Redactor, configure_logging
from sora_proxy.settings.access import Access, load_access
from sora_proxy.settings.derived import egresses_of
from sora_proxy.settings.listening import socket_path
from sora_proxy.settings.options import Settings
from sora_proxy.settings.reading import load_settings, misspelt_options
from sora_proxy.simulator import command as simulator
from sora_proxy.upstream.model_names import GPT_IMAGES

log = structlog.get_logger("sora_proxy.settings.reading")

BAD_CONFIGURATION = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit status."""
    parser = argparse.ArgumentParser(prog="sora_proxy", description="An OpenAI-compatible gateway to image back ends.")
    parser.add_argument("--version", action="version", version=f"sora_proxy {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command")
    commands.add_parser("serve", help="run the server (the default)")
    simulator.add_arguments(commands.add_parser("simulator", help="run only the built-in simulator of back ends"))
    chosen = parser.parse_args(arguments)
    return simulator.run(chosen) if chosen.command == "simulator" else _serve()


def _serve() -> int:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the server handles it, and when it has stopped
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
                # exiting now loses nothing; waiting would only delay the next start.
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
    """Print the addresses, the back end, the client key, and a command with which to try the server.

    An address is a URL, or `unix:/PATH`.
    """
    settings, access = app[SETTINGS].current, app[ACCESS]
    curl, url = "curl -N", next((address for address in addresses if address.startswith("http")), "http://localhost")
    if url not in addresses:
        curl += f" --unix-socket {shlex.quote(str(socket_path(addresses[0])))}"
    if settings.api_auth_token:
        key, described = "$API_AUTH_TOKEN", "the value of API_AUTH_TOKEN"
    elif access.key_file:
        where = f"stored in {access.key_file}"
        key = f"$(cat {shlex.quote(str(access.key_file))})"
        described = f"{access.client_key} ({where})" if access.generated else where
    else:
        key, described = "$ADMIN_KEY", "the value of ADMIN_KEY"
    message = '{"role": "user", "content": "a red fox in the snow"}'
    model = next((model.id for model in app[MODELS].listed), GPT_IMAGES[0])  # an alias if no model is listed
    order = f'{{"model": "{model}", "stream": true, "messages": [{message}]}}'
    lines = [
        f"sora_proxy {__version__} listens on {' and '.join(addresses)}",
        f"  back end:    {_backends_in_words(app)}",
        f"  client key:  {described}",
        "",
        "Try it:",
        "",
        f"  {curl} {url}/v1/chat/completions \\",
        f'    -H "Authorization: Bearer {key}" -H "Content-Type: application/json" \\',
        f"    -d '{order}'",
        "",
    ]
    print(*lines, sep="\n", flush=True)


def _backends_in_words(app: web.Application) -> str:
    choice, backends = app[BACKEND_CHOICE], app[BACKENDS_IN_USE].enabled
    if not backends:
        return "none: orders are refused until a back end is added"
    first, *others = backends
    keys = {backend.name: sum(key.config.enabled for key in backend.keys.keys) for backend in backends}
    if choice.simulated:
        return f"the built-in simulator on {first.upstream.base_url} ({choice.why_simulated})"
    if others:
        return ", ".join(f"{name} with {count} key(s)" for name, count in keys.items())
    if count := keys[first.name]:
        return f"{first.name} on {first.upstream.base_url} with {count} key(s)"
    return f"{first.name} on {first.upstream.base_url}, without a key: orders are refused until a key is added"


if __name__ == "__main__":
    sys.exit(main())
