"""Servers that follow a script on real sockets, and calls to these servers."""

import contextlib
import ipaddress
import select
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from email.message import Message
from email.parser import BytesParser
from typing import Any

import pytest
import trustme
from pydantic import SecretStr

from sora_proxy.settings.accounts import Proxy
from sora_proxy.upstream.http_call import CallFailed, HttpCall
from sora_proxy.upstream.sora_http import SoraHttp
from tests.eventually import PATIENCE

ORDER = b'{"n_variants": 1}'


class Request:
    """A request as a server received it."""

    def __init__(self, head: bytes, body: bytes) -> None:
        line, _, fields = head.partition(b"\r\n")
        self.path = line.split()[1].decode()
        self.headers: Message = BytesParser().parsebytes(fields, headersonly=True)
        self.body = body


class Server(socketserver.ThreadingTCPServer):
    """A server that runs a script for each connection, on a separate thread, and records the requests that it reads."""

    daemon_threads = True

    def __init__(self, script: "Script") -> None:
        super().__init__(("127.0.0.1", 0), socketserver.BaseRequestHandler)
        self.port: int = self.server_address[1]
        self.connections = 0
        self.requests: list[Request] = []
        self.destinations: list[tuple[str, int]] = []  # host and port of each request to a SOCKS proxy
        self._script = script

    def finish_request(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        self.connections += 1
        with contextlib.suppress(OSError):
            self._script(self, request)

    def read(self, sock: socket.socket) -> Request | None:
        """The next request with its body, or None if the connection ends before the request is complete."""
        data = b""
        while b"\r\n\r\n" not in data:
            if not (piece := sock.recv(2**16)):
                return None
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        request = Request(head, body)
        while len(request.body) < int(request.headers["content-length"] or 0):
            if not (piece := sock.recv(2**16)):
                return None
            request.body += piece
        self.requests.append(request)
        return request


Script = Callable[[Server, socket.socket], None]
Serve = Callable[[Script], Server]


@contextlib.contextmanager
def serving() -> Iterator[Serve]:
    """A function that starts servers, which stop at the end of the context."""
    servers: list[Server] = []

    def start(script: Script) -> Server:
        servers.append(Server(script))
        threading.Thread(target=servers[-1].serve_forever, args=(0.01,), daemon=True).start()
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def answer(sock: socket.socket, body: bytes = b"{}", *headers: str) -> None:
    lines = ["HTTP/1.1 200 OK", f"content-length: {len(body)}", *headers, "", ""]
    sock.sendall("\r\n".join(lines).encode() + body)


def answer_all(server: Server, sock: socket.socket) -> None:
    """The script of a server that answers all requests and keeps its connections open."""
    while server.read(sock):
        answer(sock)


def over_tls(authority: trustme.CA, script: Script, host: str = "localhost") -> Script:
    """A script that runs inside TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(host).configure_cert(context)

    def play(server: Server, sock: socket.socket) -> None:
        with context.wrap_socket(sock, server_side=True) as wrapped:
            script(server, wrapped)

    return play


def behind_socks(script: Script, *, user: str = "", password: str = "", refusal: int = 0) -> Script:
    """A script for a SOCKS5 proxy (RFC 1928 and 1929) and the server behind it. If `refusal` is not 0, the proxy
    refuses connections with this reply code."""

    def play(server: Server, sock: socket.socket) -> None:
        methods = _exactly(sock, _exactly(sock, 2)[1])
        method = 2 if user else 0
        if method not in methods:
            sock.sendall(b"\x05\xff")
            return
        sock.sendall(bytes([5, method]))
        if user and not _logged_in(sock, user, password):
            return
        server.destinations.append(_destination(sock))
        sock.sendall(bytes([5, refusal, 0, 1, 0, 0, 0, 0, 0, 0]))
        if not refusal:
            script(server, sock)

    return play


def _logged_in(sock: socket.socket, user: str, password: str) -> bool:
    given = [_exactly(sock, _exactly(sock, length)[-1]).decode() for length in (2, 1)]
    good = given == [user, password]
    sock.sendall(bytes([1, 0 if good else 1]))
    return good


def _destination(sock: socket.socket) -> tuple[str, int]:
    kind = _exactly(sock, 4)[3]
    if kind == 3:
        host = _exactly(sock, _exactly(sock, 1)[0]).decode()
    else:
        host = str(ipaddress.ip_address(_exactly(sock, 4 if kind == 1 else 16)))
    return host, int.from_bytes(_exactly(sock, 2))


def _exactly(sock: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        if not (piece := sock.recv(length - len(data))):
            raise ConnectionResetError
        data += piece
    return data


def behind_tunnel(script: Script, answer: str = "200 OK") -> Script:
    """A script for an HTTP proxy that opens a tunnel on request, and for the server behind it."""

    def play(server: Server, sock: socket.socket) -> None:
        server.read(sock)
        sock.sendall(f"HTTP/1.1 {answer}\r\n\r\n".encode())
        script(server, sock)

    return play


def leading_to(port: int) -> Script:
    """The far side of a proxy: it passes bytes to and from a port of this machine until either side closes."""

    def play(_server: Server, sock: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", port)) as other:
            ends = {sock: other, other: sock}
            while True:
                for end in select.select(list(ends), [], [])[0]:
                    if not (piece := end.recv(2**16)):
                        return
                    ends[end].sendall(piece)

    return play


def order(address: Server | str, path: str = "/order", **fields: Any) -> HttpCall:
    """A call with a timeout that is longer than any test waits, so a call that ends has not timed out."""
    base = f"http://127.0.0.1:{address.port}" if isinstance(address, Server) else address
    return HttpCall("key", "POST", base + path, body={"data": ORDER}, **{"seconds": 2 * PATIENCE, **fields})


def by(url: str, user: str | None = None, password: str | None = None) -> Proxy:
    return Proxy(url, user, SecretStr(password) if password else None)


def failure_of(http: SoraHttp, call: HttpCall) -> CallFailed:
    with pytest.raises(CallFailed) as caught:
        http.call(call)
    return caught.value


@contextlib.contextmanager
def silent_port(host: str = "127.0.0.1") -> Iterator[int]:
    """A port that refuses connections: it is bound, so no other program gets it, and nothing listens on it."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as taken:
        taken.bind((host, 0))
        port: int = taken.getsockname()[1]
        yield port
