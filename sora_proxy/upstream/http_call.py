"""HttpCall: one blocking request, told by its connection what went out and when, and ended from outside if need be.

Two facts about a paid order can't be had from `requests` itself: whether any of it went on the wire, on which depends
whether it may be sent again, and a bound on the time of the whole call, for its timeouts count from byte to byte. So
the connections (`connections.py`) report to the call that their thread is busy with.
"""

import contextlib
import os
import socket
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from sora_proxy.settings.accounts import Proxy


class CallFailed(Exception):
    """A call ended without a usable answer. `sent`: the request may have reached the other side.

    `proxy`: its connection through a proxy broke or was not established. Another egress may work, whatever the cause.
    """

    def __init__(self, reason: str, *, sent: bool, proxy: bool = False) -> None:
        super().__init__(reason)
        self.sent = sent
        self.proxy = proxy


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: requests.structures.CaseInsensitiveDict[str]
    body: bytes

    @property
    def is_challenge(self) -> bool:
        """Whether it is a page that wants to see a browser at work: it is marked as such, or at least HTML."""
        html = "html" in self.headers.get("content-type", "").lower()
        return self.headers.get("cf-mitigated") == "challenge" or (html and self.status in (403, 429, 503))

    @property
    def is_good(self) -> bool:
        return self.status == 200 and not self.is_challenge


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
    egress: Proxy | None = None  # None: a direct connection
    public_only: bool = False  # whether a direct connection goes to public IP addresses only

    # What its connection tells: a second handle of its socket, whether it is still being made, whether a byte of the
    # request itself has gone out.
    sock: socket.socket | None = None
    connecting: bool = False
    sent: bool = False
    aborted: bool = False

    def hold(self, sock: socket.socket) -> None:
        """Remember the socket by a handle of our own: in handshakes and last answers the connection loses its own."""
        if self.sock is None:
            self.sock = socket.socket(fileno=os.dup(sock.fileno()))

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
    """The call that this thread is busy with; there is none while it is idle."""

    call: HttpCall


current = Current()
