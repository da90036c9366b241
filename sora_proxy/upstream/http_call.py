"""HttpCall: one blocking request, told by its connection what went out and when, and ended from outside if need be.

Two facts about a paid order can't be had from `requests` itself: whether any of it went on the wire, on which depends
whether it may be sent again, and a bound on the time of the whole call, for its timeouts count from byte to byte. So
the connections of this module report to the call that their thread is busy with.
"""

import contextlib
import socket
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from urllib3.connection import HTTPConnection, HTTPSConnection


class CallFailed(Exception):
    """A call ended without a usable answer. `sent`: the request may have reached the other side."""

    def __init__(self, reason: str, *, sent: bool, proxy: bool = False) -> None:
        super().__init__(reason)
        self.sent = sent
        self.proxy = proxy


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: requests.structures.CaseInsensitiveDict[str]
    body: bytes


@dataclass(slots=True)
class HttpCall:
    """One request, and the means to end it from outside.

    The timeouts of `requests` count from byte to byte; only shutting its socket bounds a whole call: `abort` does that.
    """

    key_id: str
    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)  # the `json`, `files`, `data` of requests
    seconds: float = 30.0  # for the whole call
    destination: Path | None = None  # where a download goes

    # What its connection tells: a second handle of its socket, and whether a byte of the request itself has gone out.
    sock: socket.socket | None = None
    sent: bool = False
    aborted: bool = False

    def hold(self, sock: socket.socket) -> None:
        """Remember the socket by a handle of our own: in handshakes and last answers the connection loses its own."""
        if self.sock is None:
            self.sock = socket.fromfd(sock.fileno(), sock.family, sock.type)

    def release(self) -> None:
        """The connection belongs to the next call now: a late abort must not cut that one."""
        if self.sock is not None:
            self.sock.close()
            self.sock = None

    def abort(self) -> None:
        """End the call now, from any thread."""
        self.aborted = True
        sock = self.sock  # read once: the call may end meanwhile
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


class Current(threading.local):
    """The call that this thread is busy with."""

    call: HttpCall | None = None


current = Current()


class _Tracked:
    """Tells the current call which connection it is on, and when something of its request goes out.

    That moment decides whether an order may be sent again, so it is seen where it happens, not told from exceptions.
    """

    sock: socket.socket | None

    def _new_conn(self) -> socket.socket:
        sock: socket.socket = super()._new_conn()  # type: ignore[misc]
        if current.call is not None:
            current.call.hold(sock)
            if current.call.aborted:
                sock.close()
                raise CallFailed("no connection in time", sent=False)
        return sock

    def connect(self) -> None:
        try:
            super().connect()  # type: ignore[misc]
        finally:
            if current.call is not None:
                current.call.sent = False  # only a proxy was talked to so far

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        if current.call is not None and self.sock is not None:
            current.call.hold(self.sock)
            current.call.sent = True
        super().send(data)  # type: ignore[misc]


class TrackedConnection(_Tracked, HTTPConnection):
    pass


class TrackedTlsConnection(_Tracked, HTTPSConnection):
    pass
