"""The command that runs the simulator alone."""

import argparse
import asyncio
import errno
import signal
import sys
from dataclasses import fields

from sora_proxy.simulator.options import SimulatorOptions
from sora_proxy.simulator.server import serve_simulator
from sora_proxy.simulator.serving import listen

DEFAULT_PORT = 8891
FAILED = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add one argument per option, and where to listen."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help="port to listen on (default: %(default)s; 0: a free one)"
    )
    for option in fields(SimulatorOptions):
        name, meaning = f"--{option.name.replace('_', '-')}", f"{option.metadata['meaning']} (default: %(default)s)"
        if isinstance(option.default, bool):
            parser.add_argument(name, action="store_true", help=option.metadata["meaning"])
            continue
        choices = option.metadata["choices"] or None
        parser.add_argument(name, type=type(option.default), default=option.default, choices=choices, help=meaning)


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM; give the exit status."""
    try:
        options = SimulatorOptions(
            **{option.name: getattr(arguments, option.name) for option in fields(SimulatorOptions)}
        )
    except ValueError as error:
        return _failed(str(error))
    try:
        asyncio.run(_serve(options, arguments.host, arguments.port))
    except OSError as error:
        in_use = error.errno == errno.EADDRINUSE
        reason = "the address is in use" if in_use else error.strerror or str(error)
        return _failed(f"cannot listen on {arguments.host}:{arguments.port}: {reason}")
    except OverflowError:
        return _failed(f"{arguments.port} is no port")
    return 0


async def _serve(options: SimulatorOptions, host: str, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serve_simulator(options, listen(host, port)) as simulator:
        sys.stdout.write(f"simulator listening on {simulator.url}\n")
        sys.stdout.flush()
        await stop.wait()


def _failed(reason: str) -> int:
    sys.stderr.write(f"simulator: {reason}\n")
    return FAILED
