"""HttpCall: one blocking request that records whether any byte was sent, and can be ended from another thread.

`requests` lacks two things that paid orders need. It does not report whether anything was sent, which decides whether
an order may be sent again. And it can't limit the time of a whole call, because its timeouts restart with each byte. So
the connections (`connections.py`) report to the current call of their thread.
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
    """A call ended without a usable answer. `sent`: whether the request may have reached the other side.

    `proxy`: whether the connection through a proxy broke or could not be established, so another egress may work.
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
        """Whether the answer is a page that checks whether the client is a browser. Such a page is marked as a
        challenge, or is HTML with status 403, 429 or 503."""
        html = "html" in self.headers.get("content-type", "").lower()
        return self.headers.get("cf-mitigated") == "challenge" or (html and self.status in (403, 429, 503))

    @property
    def is_good(self) -> bool:
        return self.status == 200 and not self.is_challenge


@dataclass(slots=True)
class HttpCall:
    """One request. `abort` ends it from another thread by shutting down its socket."""

    key_id: str
    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)  # the arguments `json`, `files`, `data` of requests
    seconds: float = 30.0  # for the whole call
    destination: Path | None = None  # the file for a download
    egress: Proxy | None = None  # None: a direct connection
    public_only: bool = False  # whether a direct connection may go to public IP addresses only

    # The connection sets the first three: `sock`, a second handle to its socket; `connecting`, whether it is being
    # established; and `sent`, whether a byte of the request itself was sent.
    sock: socket.socket | None = None
    connecting: bool = False
    sent: bool = False
    aborted: bool = False

    def hold(self, sock: socket.socket) -> None:
        """Keep a second handle to the socket, because the connection loses its own during a TLS handshake, and when the
        server closes the connection after its answer."""
        if self.sock is None:
            self.sock = socket.socket(fileno=os.dup(sock.fileno()))

    def release(self) -> None:
        """Forget the socket, so that a late abort does not end the next call on the same connection."""
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
    """The current call of this thread; not set while the thread is idle."""

    call: HttpCall


current = Current()
