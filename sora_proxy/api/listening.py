"""Listens on TCP addresses, which share one port, and on unix sockets: on all of them, or on none."""

import asyncio
import contextlib
import errno
import socket
import stat
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

from aiohttp import web

from sora_proxy.errors import ConfigurationError
from sora_proxy.settings.listening import UNIX, socket_path

BACKLOG = 4096
SHOWN = {"0.0.0.0": "localhost", "::": "::1"}  # noqa: S104  # a server on all addresses is reached there
CONNECT_SECONDS = 1.0
SOCKET_MODE = 0o666  # for all, like a port of this machine: the folder decides who can reach it


@contextlib.asynccontextmanager
async def listening(runner: web.AppRunner, addresses: Sequence[str], port: int) -> AsyncIterator[list[str]]:
    """Listen until the block ends. Yields the addresses for clients: URLs, and `unix:/PATH` for unix sockets.

    With port 0 the system chooses a port, the same for all addresses if it is free at all of them. Raises
    ConfigurationError.
    """
    with contextlib.ExitStack() as opened:
        sockets: list[tuple[str, socket.socket]] = []
        for address in addresses:
            chosen = port or next((sock.getsockname()[1] for _, sock in sockets if sock.family != socket.AF_UNIX), 0)
            with _explained(address, port):
                made = await _bound(opened, address, chosen, may_differ=not port)
            sockets += [(address, sock) for sock in made]
        for address, sock in sockets:
            with _explained(address, port):
                await web.SockSite(runner, sock, backlog=BACKLOG).start()
        yield list(dict.fromkeys(_shown(address, sock) for address, sock in sockets))


async def _bound(opened: contextlib.ExitStack, address: str, port: int, *, may_differ: bool) -> list[socket.socket]:
    """The sockets of one address: a host name may have several. Raises OSError."""
    if path := socket_path(address):
        return [opened.enter_context(_unix_socket(path))]
    found = await asyncio.get_running_loop().getaddrinfo(
        address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    made, refusals = [], []
    for family, place in dict.fromkeys((family, place) for family, _, _, _, place in found):
        try:
            made.append(_tcp_socket(family, place, may_differ=may_differ))
            opened.callback(made[-1].close)
        except OSError as error:
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                raise
            refusals.append(error)  # a machine without IPv6 may still list an IPv6 address for a name
    if not made:
        raise refusals[0]
    return made


def _tcp_socket(family: int, place: Any, *, may_differ: bool) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # so that 0.0.0.0 can be listed beside ::
        try:
            sock.bind(place)
        except OSError:
            if not may_differ:
                raise
            sock.bind((place[0], 0, *place[2:]))
    except OSError:
        sock.close()
        raise
    return sock


@contextlib.contextmanager
def _unix_socket(path: Path) -> Iterator[socket.socket]:
    """A socket whose file is removed at the end, unless another program has replaced it. Raises OSError."""
    _remove_stale(path)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        made = path.lstat().st_ino
        try:
            path.chmod(SOCKET_MODE)
            yield sock
        finally:
            with contextlib.suppress(FileNotFoundError):
                if path.lstat().st_ino == made:
                    path.unlink()


def _remove_stale(path: Path) -> None:
    """Remove the socket file of a process that was killed. Raises OSError if there is another file, or a listener."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError(errno.EEXIST, "A file that is not a socket is there")
    with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(BlockingIOError, TimeoutError):
        probe.settimeout(CONNECT_SECONDS)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise OSError(errno.EADDRINUSE, "Another program listens there")


@contextlib.contextmanager
def _explained(address: str, port: int) -> Iterator[None]:
    """Raise ConfigurationError with one line for an address on which the server can't listen."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if address.startswith(UNIX):
            option, example, place = "API_HOST", "unix:/run/sora_proxy/http.sock", address
        else:
            place = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
            about_port = error.errno in (errno.EADDRINUSE, errno.EACCES)
            option, example = ("API_PORT", "8891") if about_port else ("API_HOST", "127.0.0.1")
        fault = f"{option}: can't listen on {place}: {reason}. Example: {option}={example}"
        raise ConfigurationError([fault]) from None


def _shown(address: str, sock: socket.socket) -> str:
    if address.startswith(UNIX):
        return address
    host = SHOWN.get(address, address)
    return f"http://{f'[{host}]' if ':' in host else host}:{sock.getsockname()[1]}"
