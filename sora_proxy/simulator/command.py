"""Command: the command line that runs one simulator."""

import argparse
import asyncio
import errno
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import Field, dataclass, fields
from typing import Any

from sora_proxy.simulator.comfyui import ComfyUIOptions, serve_comfyui_simulator
from sora_proxy.simulator.images import ImagesOptions, serve_images_simulator
from sora_proxy.simulator.options import SimulatorOptions
from sora_proxy.simulator.server import serve_simulator
from sora_proxy.simulator.serving import RunningSimulator, listen

DEFAULT_PORT = 8891
FAILED = 2


@dataclass(frozen=True, slots=True)
class Wire:
    """A kind of simulator, with its options and the function that serves it."""

    options: type[Any]
    serve: Callable[..., AbstractAsyncContextManager[RunningSimulator]]


WIRES: Mapping[str, Wire] = {
    "sora": Wire(SimulatorOptions, serve_simulator),
    "images": Wire(ImagesOptions, serve_images_simulator),
    "comfyui": Wire(ComfyUIOptions, serve_comfyui_simulator),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add arguments for the wire, the address, and each option of any wire."""
    parser.add_argument(
        "--wire",
        choices=tuple(WIRES),
        default="sora",
        help="protocol: Sora's web protocol, OpenAI's Images API or ComfyUI's API (default: %(default)s)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help="port to listen on (default: %(default)s; 0: any free port)"
    )
    added: set[str] = set()  # two wires may share an option, such as --seconds
    for name, wire in WIRES.items():
        group = parser.add_argument_group(f"options of --wire {name}")
        for option in fields(wire.options):
            if option.name not in added:
                _add_option(group, option)
                added.add(option.name)


def _add_option(group: Any, option: Field[Any]) -> None:
    """Add an option without a default, because `_given` has to know which options the user has set."""
    name, meaning = f"--{option.name.replace('_', '-')}", option.metadata["meaning"]
    if isinstance(option.default, bool):
        group.add_argument(name, action="store_true", default=None, help=meaning)
        return
    if option.default != "":
        meaning = f"{meaning} (default: {option.default})"
    group.add_argument(name, type=type(option.default), choices=option.metadata["choices"] or None, help=meaning)


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM. Returns the exit status."""
    wire = WIRES[arguments.wire]
    try:
        options = wire.options(**_given(arguments, wire))
    except ValueError as error:
        return _failed(str(error))
    try:
        asyncio.run(_serve(wire.serve(options, listen(arguments.host, arguments.port))))
    except OSError as error:
        in_use = error.errno == errno.EADDRINUSE
        reason = "the address is in use" if in_use else error.strerror or str(error)
        return _failed(f"can't listen on {arguments.host}:{arguments.port}: {reason}")
    except OverflowError:
        return _failed(f"--port must be from 0 to 65535, not {arguments.port}")
    return 0


def _given(arguments: argparse.Namespace, wire: Wire) -> dict[str, Any]:
    """Return the options that the command line contains. Raises ValueError for an option of another wire."""
    names = {option.name for each in WIRES.values() for option in fields(each.options)}
    given = {name: value for name, value in vars(arguments).items() if name in names and value is not None}
    foreign = set(given) - {option.name for option in fields(wire.options)}
    if foreign:
        raise ValueError(f"--{min(foreign).replace('_', '-')} is not an option of --wire {arguments.wire}")
    return given


async def _serve(serving: AbstractAsyncContextManager[RunningSimulator]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serving as simulator:
        sys.stdout.write(f"simulator listening on {simulator.url}\n")
        sys.stdout.flush()
        await stop.wait()


def _failed(reason: str) -> int:
    sys.stderr.write(f"simulator: {reason}\n")
    return FAILED
