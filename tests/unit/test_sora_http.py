"""Calls to the back end, against small servers on real sockets: what counts as sent, what ends a call, what is kept.

`sent` decides whether an order may be placed again, so every way in which a call can break is looked at from both ends.
"""

import contextlib
import os
import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest
import trustme

from sora_proxy.upstream.http_call import Answer, CallFailed, HttpCall
from sora_proxy.upstream.sora_http import SoraHttp

SECONDS = 10  # nothing in a test waits longer
PROMPTLY = 1  # seconds in which an aborted call ends; without the abort, it takes SECONDS
ORDER = b'{"n_variants": 1}'


class Request:
    """What a server got."""

    def __init__(self, head: bytes, body: bytes) -> None:
        line, _, fields = head.partition(b"\r\n")
        self.path = line.split()[1].decode()
        self.headers: Message = BytesParser().parsebytes(fields, headersonly=True)
        self.body = body


class Server(socketserver.ThreadingTCPServer):
    """Talks to each connection by a script, on a thread of its own, and keeps the requests that were read."""

    daemon_threads = True

    def __init__(self, script: "Script") -> None:
        super().__init__(("127.0.0.1", 0), socketserver.BaseRequestHandler)
        self.port: int = self.server_address[1]
        self.connections = 0
        self.requests: list[Request] = []
        self._script = script

    def finish_request(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        self.connections += 1
        with contextlib.suppress(OSError):
            self._script(self, request)

    def read(self, sock: socket.socket) -> Request | None:
        """The next request with its body; None if the connection ends before it is whole."""
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


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[Server] = []

    def start(script: Script) -> Server:
        servers.append(Server(script))
        threading.Thread(target=servers[-1].serve_forever, args=(0.01,), daemon=True).start()
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def http() -> Iterator[SoraHttp]:
    http = SoraHttp()
    yield http
    http.close()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as threads:
        yield threads


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> trustme.CA:
    """A CA that this machine trusts."""
    authority = trustme.CA()
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    return authority


def answer(sock: socket.socket, body: bytes = b"{}", *headers: str) -> None:
    lines = ["HTTP/1.1 200 OK", f"content-length: {len(body)}", *headers, "", ""]
    sock.sendall("\r\n".join(lines).encode() + body)


def answer_all(server: Server, sock: socket.socket) -> None:
    """The script of a server that works, and keeps its connections."""
    while server.read(sock):
        answer(sock)


def over_tls(authority: trustme.CA, script: Script, host: str = "localhost") -> Script:
    """A script that is played inside of TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(host).configure_cert(context)

    def play(server: Server, sock: socket.socket) -> None:
        with context.wrap_socket(sock, server_side=True) as wrapped:
            script(server, wrapped)

    return play


def order(address: Server | str, path: str = "/order", **fields: Any) -> HttpCall:
    base = f"http://127.0.0.1:{address.port}" if isinstance(address, Server) else address
    return HttpCall("key", "POST", base + path, body={"data": ORDER}, **{"seconds": SECONDS, **fields})


def failure_of(http: SoraHttp, call: HttpCall) -> CallFailed:
    with pytest.raises(CallFailed) as caught:
        http.call(call)
    return caught.value


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


# --- What counts as sent ----------------------------------------------------------------------------------------------


def break_with_plain_text(sock: socket.socket) -> None:
    socket.socket.sendall(sock, b"HTTP/1.1 502 Bad Gateway\r\n\r\n")  # past the TLS layer


def break_with_an_alert(sock: socket.socket) -> None:
    socket.socket.sendall(sock, bytes([21, 3, 3, 0, 2, 2, 80]))  # in the clear, as no TLS peer takes it


def break_with_an_end(sock: socket.socket) -> None:
    sock.shutdown(socket.SHUT_RDWR)


def break_with_a_reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize(
    "break_off", [break_with_plain_text, break_with_an_alert, break_with_an_end, break_with_a_reset]
)
def test_tls_that_breaks_after_the_request_was_read_counts_as_sent(
    serve: Serve, http: SoraHttp, authority: trustme.CA, break_off: Callable[[socket.socket], None]
) -> None:
    def script(server: Server, sock: socket.socket) -> None:
        server.read(sock)
        break_off(sock)

    server = serve(over_tls(authority, script))
    assert failure_of(http, order(f"https://localhost:{server.port}")).sent
    assert [request.body for request in server.requests] == [ORDER]


def test_a_kept_connection_that_breaks_counts_as_sent_and_nothing_is_sent_again(serve: Serve, http: SoraHttp) -> None:
    def script(server: Server, sock: socket.socket) -> None:
        server.read(sock)
        answer(sock)
        server.read(sock)

    server = serve(script)
    http.call(order(server, "/first"))
    assert failure_of(http, order(server, "/second")).sent
    assert [request.path for request in server.requests] == ["/first", "/second"]


def test_a_certificate_that_nobody_trusts_is_refused_and_nothing_is_sent(
    serve: Serve, http: SoraHttp, authority: trustme.CA
) -> None:
    server = serve(over_tls(trustme.CA(), answer_all))
    assert not failure_of(http, order(f"https://localhost:{server.port}")).sent
    assert server.connections == 1
    assert not server.requests


def test_a_certificate_for_another_host_is_refused_and_nothing_is_sent(
    serve: Serve, http: SoraHttp, authority: trustme.CA
) -> None:
    server = serve(over_tls(authority, answer_all, host="sora.test"))
    assert not failure_of(http, order(f"https://localhost:{server.port}")).sent
    assert server.connections == 1
    assert not server.requests


def test_a_server_that_hangs_up_during_the_handshake_was_sent_nothing(serve: Serve, http: SoraHttp) -> None:
    server = serve(lambda _server, _sock: None)
    assert not failure_of(http, order(f"https://localhost:{server.port}")).sent


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_refused_connection_counts_as_not_sent(http: SoraHttp, scheme: str) -> None:
    failure = failure_of(http, order(f"{scheme}://127.0.0.1:{free_port()}"))
    assert (failure.sent, failure.proxy) == (False, False)


def test_a_name_that_no_server_has_counts_as_not_sent(http: SoraHttp, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any) -> None:  # the real one may ask a network that a test should not need
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    failure = failure_of(http, order("http://sora.test"))
    assert (failure.sent, failure.proxy) == (False, False)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_does_not_listen_counts_as_not_sent(scheme: str) -> None:
    failure = failure_of(SoraHttp(proxy_url=f"http://127.0.0.1:{free_port()}"), order(f"{scheme}://sora.test"))
    assert (failure.sent, failure.proxy) == (False, True)


@pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "403 Forbidden", "502 Bad Gateway"])
def test_a_proxy_that_refuses_the_tunnel_counts_as_not_sent(serve: Serve, status: str) -> None:
    def script(server: Server, sock: socket.socket) -> None:
        server.read(sock)
        sock.sendall(f"HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n".encode())

    server = serve(script)
    failure = failure_of(SoraHttp(proxy_url=f"http://127.0.0.1:{server.port}"), order("https://sora.test"))
    assert [request.path for request in server.requests] == ["sora.test:443"]
    assert (failure.sent, failure.proxy) == (False, True)


# --- Ending a call from outside ---------------------------------------------------------------------------------------


def failure_in(running: "Future[Answer]") -> CallFailed:
    failure = running.exception(PROMPTLY)
    assert isinstance(failure, CallFailed)
    return failure


def test_a_call_that_is_aborted_before_it_begins_connects_to_nobody(serve: Serve, http: SoraHttp) -> None:
    server = serve(answer_all)
    call = order(server)
    call.abort()
    assert not failure_of(http, call).sent
    assert server.connections == 0


def test_a_call_that_is_aborted_while_it_connects_sends_nothing(
    serve: Serve, http: SoraHttp, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(answer_all)
    connecting, go = threading.Event(), threading.Event()
    connect = socket.socket.connect

    def slow_connect(sock: socket.socket, address: Any) -> None:
        connecting.set()
        assert go.wait(SECONDS)
        connect(sock, address)

    monkeypatch.setattr(socket.socket, "connect", slow_connect)
    call = order(server)
    running = threads.submit(http.call, call)
    assert connecting.wait(SECONDS)
    call.abort()
    go.set()
    assert not failure_in(running).sent
    monkeypatch.undo()
    http.call(order(server, "/next"))  # whatever the aborted call had sent would have come before this
    assert [request.path for request in server.requests] == ["/next"]


def test_abort_ends_a_handshake_that_hangs_and_nothing_is_sent(
    serve: Serve, http: SoraHttp, threads: ThreadPoolExecutor
) -> None:
    greeted, hang_up = threading.Event(), threading.Event()

    def script(server: Server, sock: socket.socket) -> None:
        sock.recv(1)
        greeted.set()
        hang_up.wait(SECONDS)

    call = order(f"https://localhost:{serve(script).port}")
    running = threads.submit(http.call, call)
    try:
        assert greeted.wait(SECONDS)
        call.abort()
        assert not failure_in(running).sent
    finally:
        hang_up.set()


def test_abort_ends_a_call_whose_server_drips_a_header(
    serve: Serve, http: SoraHttp, threads: ThreadPoolExecutor
) -> None:
    dripping, hang_up = threading.Event(), threading.Event()

    def script(server: Server, sock: socket.socket) -> None:
        server.read(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nx: ")
        while not hang_up.wait(0.02):
            sock.sendall(b"x")  # each byte starts the timeouts of `requests` anew
            dripping.set()

    call = order(serve(script))
    running = threads.submit(http.call, call)
    try:
        assert dripping.wait(SECONDS)
        call.abort()
        assert failure_in(running).sent
    finally:
        hang_up.set()


@pytest.mark.parametrize(
    "header",
    [
        "content-length: 1000000",
        pytest.param(
            "connection: close",
        ),
    ],
)
def test_abort_ends_a_call_whose_server_drips_a_body(
    serve: Serve, http: SoraHttp, threads: ThreadPoolExecutor, tmp_path: Path, header: str
) -> None:
    hang_up = threading.Event()

    def script(server: Server, sock: socket.socket) -> None:
        server.read(sock)
        sock.sendall(f"HTTP/1.1 200 OK\r\n{header}\r\n\r\n".encode())
        while not hang_up.wait(0.02):
            sock.sendall(b"x")

    call = order(serve(script), destination=tmp_path / "download")
    running = threads.submit(http.call, call)
    try:
        while not (tmp_path / "download").exists():  # from then on, it reads the body
            assert not running.done()
            os.sched_yield()
        call.abort()
        assert failure_in(running).sent
    finally:
        hang_up.set()


def test_a_late_abort_does_not_cut_the_next_call_on_the_same_connection(
    serve: Serve, http: SoraHttp, threads: ThreadPoolExecutor
) -> None:
    arrived, go = threading.Event(), threading.Event()

    def script(server: Server, sock: socket.socket) -> None:
        server.read(sock)
        answer(sock)
        server.read(sock)
        arrived.set()
        assert go.wait(SECONDS)
        answer(sock)

    server = serve(script)
    first = order(server, "/first")
    http.call(first)
    running = threads.submit(http.call, order(server, "/second"))
    assert arrived.wait(SECONDS)
    first.abort()
    go.set()
    assert running.result(SECONDS).body == b"{}"
    assert server.connections == 1


# --- What calls share -------------------------------------------------------------------------------------------------


def test_a_connection_is_kept_for_the_next_call_whoever_makes_it(serve: Serve, http: SoraHttp) -> None:
    server = serve(answer_all)
    http.call(order(server))
    http.call(order(server))
    http.call(HttpCall("another key", "GET", f"http://127.0.0.1:{server.port}/"))
    assert len(server.requests) == 3
    assert server.connections == 1


def test_the_ca_bundle_is_not_read_again_for_a_new_connection(
    serve: Serve, http: SoraHttp, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    def script(server: Server, sock: socket.socket) -> None:
        server.read(sock)
        answer(sock, b"{}", "connection: close")

    reads = 0
    load = ssl.SSLContext.load_verify_locations

    def counted(context: ssl.SSLContext, *args: Any, **kwargs: Any) -> None:
        nonlocal reads
        reads += 1
        load(context, *args, **kwargs)

    server = serve(over_tls(authority, script))
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", counted)
    http.call(order(f"https://localhost:{server.port}"))
    assert reads > 0
    reads = 0
    http.call(order(f"https://localhost:{server.port}"))
    assert server.connections == 2
    assert reads == 0


def test_calls_of_one_key_at_once_have_sessions_of_their_own_but_one_jar_of_cookies(
    serve: Serve, http: SoraHttp, threads: ThreadPoolExecutor
) -> None:
    both = threading.Barrier(2)

    def script(server: Server, sock: socket.socket) -> None:
        while request := server.read(sock):
            if request.path in ("/one", "/two"):
                both.wait(SECONDS)  # neither is answered before both are there
            answer(sock, b"{}", f"set-cookie: {request.path[1:]}=1; path=/")

    server = serve(script)
    running = [threads.submit(http.call, order(server, path)) for path in ("/one", "/two")]
    for each in running:
        each.result(SECONDS)
    http.call(order(server, "/three"))
    http.call(HttpCall("another key", "GET", f"http://127.0.0.1:{server.port}/four"))

    *at_once, third, fourth = server.requests
    assert {request.path for request in at_once} == {"/one", "/two"}
    assert all(request.headers["cookie"] is None for request in at_once)
    assert set(third.headers["cookie"].split("; ")) == {"one=1", "two=1"}
    assert fourth.headers["cookie"] is None
    assert len({request.headers["user-agent"] for request in (*at_once, third)}) == 1
