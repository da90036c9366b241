"""Listens on TCP addresses, which share one port, and on unix sockets: on all of them, or on none."""

import contextlib
import errno
import socket
import stat
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from aiohttp import web

from sora_proxy.api.http.context import THREADS
from sora_proxy.blocking import Work
from sora_proxy.errors import ConfigurationError
from sora_proxy.settings.listening import UNIX, authority, socket_path

BACKLOG = 4096
NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
SHOWN = {"0.0.0.0": "localhost", "::": "::1"}  # noqa: S104  # how a server that listens on all addresses is reached
CONNECT_SECONDS = 1.0
SOCKET_MODE = 0o666  # any user may connect, as to a TCP port; the folder's permissions restrict access


class Listener:
    """The sockets of the server's addresses. With port 0, the system chooses a port. This port is the same for all
    addresses, except for those at which it is already in use."""

    def __init__(self, addresses: Sequence[str], port: int) -> None:
        self._addresses = addresses
        self._port = port
        # All the mutable state.
        self._sockets: list[tuple[str, socket.socket]] = []  # each with its address
        self._opened = contextlib.ExitStack()

    async def bound(self, app: web.Application) -> AsyncIterator[None]:
        """A context of the application, in which the sockets are bound to their addresses.

        Raises ConfigurationError.
        """
        await app[THREADS].run(Work.media, self._bind)
        yield
        await app[THREADS].run(Work.media, self._opened.close)

    async def start(self, runner: web.AppRunner) -> list[str]:
        """Begin to listen. Returns the addresses for clients: URLs, and `unix:/PATH` for unix sockets.

        Raises ConfigurationError.
        """
        for address, sock in self._sockets:
            with _explained(address, self._port):
                await web.SockSite(runner, sock, backlog=BACKLOG).start()
        return list(dict.fromkeys(_shown(address, sock) for address, sock in self._sockets))

    def _bind(self) -> None:
        with contextlib.ExitStack() as opened:
            port, hosts = self._port, set[str]()
            for address in self._addresses:
                with _explained(address, self._port):
                    if path := socket_path(address):
                        self._sockets.append((address, opened.enter_context(_unix_socket(path))))
                        continue
                    places = _places(address, port, without=hosts)
                    sockets = _tcp_sockets(places, may_differ=not self._port)
                hosts |= {place[0] for _, place in places}
                for sock in sockets:
                    self._sockets.append((address, opened.enter_context(sock)))
                    port = port or sock.getsockname()[1]
            self._opened = opened.pop_all()


def _places(address: str, port: int, *, without: Collection[str]) -> list[tuple[int, Any]]:
    """The family and the socket address of each IP address of a host, except those that are bound already: two names
    may have one IP address in common. Raises OSError."""
    found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((family, place) for family, _, _, _, place in found if place[0] not in without))


def _tcp_sockets(places: Sequence[tuple[int, Any]], *, may_differ: bool) -> list[socket.socket]:
    """The sockets for one address. A host name may need several sockets, one for each of its IP addresses. Raises
    OSError."""
    made, refusals = [], []
    for family, place in places:
        try:
            made.append(_tcp_socket(family, place, may_differ=may_differ))
        except OSError as error:
            refusals.append(error)
    # A machine without IPv6 may still resolve a host name to an IPv6 address.
    if any(error.errno not in NOT_HERE for error in refusals) or (places and not made):
        for sock in made:
            sock.close()
        raise refusals[-1]
    return made


def _tcp_socket(family: int, place: Any, *, may_differ: bool) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # so that API_HOST can list both 0.0.0.0 and ::
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
    """A unix socket. Its file is removed when the block ends, unless another program replaced it. Raises OSError."""
    _remove_stale(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, f"The folder {path.parent} does not exist; create it first")
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
    """Remove the socket that a killed process left behind. Raises OSError for another file or a socket in use."""
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
    raise OSError(errno.EADDRINUSE, "Another program is listening there")


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
            place = authority(address, port)
            about_port = error.errno in (errno.EADDRINUSE, errno.EACCES)
            option, example = ("API_PORT", "8891") if about_port else ("API_HOST", "127.0.0.1")
        fault = f"{option}: can't listen on {place}: {reason}. Example: {option}={example}"
        raise ConfigurationError([fault]) from None


def _shown(address: str, sock: socket.socket) -> str:
    if address.startswith(UNIX):
        return address
    return f"http://{authority(SHOWN.get(address, address), sock.getsockname()[1])}"
