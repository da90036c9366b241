"""Calls to small servers on real sockets: which calls count as sent, how calls are aborted, and reused connections.

`sent` decides whether an order may be sent again, so for each kind of broken call, `sent` is compared with what the
server received.
"""

import os
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import trustme

from sora_proxy.errors import ResultRefused
from sora_proxy.upstream.http_call import Answer, CallFailed, HttpCall
from sora_proxy.upstream.sora_http import SoraHttp
from tests.eventually import PATIENCE
from tests.scripted import (
    ORDER,
    Serve,
    Server,
    answer,
    answer_all,
    failure_of,
    order,
    over_tls,
)

# --- Calls that count as sent -----------------------------------------------------------------------------------------


def break_with_plain_text(sock: socket.socket) -> None:
    socket.socket.sendall(sock, b"HTTP/1.1 502 Bad Gateway\r\n\r\n")  # this bypasses the TLS layer


def break_with_an_alert(sock: socket.socket) -> None:
    socket.socket.sendall(sock, bytes([21, 3, 3, 0, 2, 2, 80]))  # an unencrypted alert, which no TLS peer accepts


def break_with_an_end(sock: socket.socket) -> None:
    sock.shutdown(socket.SHUT_RDWR)


def break_with_a_reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize(
    "break_off", [break_with_plain_text, break_with_an_alert, break_with_an_end, break_with_a_reset]
)
def test_a_request_that_the_server_read_counts_as_sent_if_tls_breaks(
    serve: Serve, http: SoraHttp, authority: trustme.CA, break_off: Callable[[socket.socket], None]
) -> None:
    def script(server: Server, sock: socket.socket) -> None:
        server.read(sock)
        break_off(sock)

    server = serve(over_tls(authority, script))
    assert failure_of(http, order(f"https://localhost:{server.port}")).sent
    assert [request.body for request in server.requests] == [ORDER]


def test_a_call_whose_reused_connection_breaks_counts_as_sent_and_is_not_repeated(serve: Serve, http: SoraHttp) -> None:
    def script(server: Server, sock: socket.socket) -> None:
        server.read(sock)
        answer(sock)
        server.read(sock)

    server = serve(script)
    http.call(order(server, "/first"))
    assert failure_of(http, order(server, "/second")).sent
    assert [request.path for request in server.requests] == ["/first", "/second"]


def test_an_untrusted_certificate_is_refused_and_nothing_is_sent(
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


def test_a_call_counts_as_not_sent_if_the_server_disconnects_during_the_handshake(serve: Serve, http: SoraHttp) -> None:
    server = serve(lambda _server, _sock: None)
    assert not failure_of(http, order(f"https://localhost:{server.port}")).sent


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_call_whose_connection_is_refused_counts_as_not_sent(http: SoraHttp, silent: int, scheme: str) -> None:
    failure = failure_of(http, order(f"{scheme}://127.0.0.1:{silent}"))
    assert (failure.sent, failure.proxy) == (False, False)


def test_a_call_to_a_name_that_cannot_be_resolved_counts_as_not_sent(
    http: SoraHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: Any) -> None:  # the real function may send DNS queries, and the tests must work without a network
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    failure = failure_of(http, order("http://sora.test"))
    assert (failure.sent, failure.proxy) == (False, False)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_call_that_allows_only_public_addresses_does_not_connect_to_loopback(
    serve: Serve, http: SoraHttp, scheme: str
) -> None:
    server = serve(answer_all)
    with pytest.raises(ResultRefused) as caught:
        http.call(order(f"{scheme}://127.0.0.1:{server.port}", public_only=True))
    assert caught.value.host == f"127.0.0.1:{server.port}"
    assert server.connections == 0


# --- Ending a call from outside ---------------------------------------------------------------------------------------


def failure_in(running: "Future[Answer]") -> CallFailed:
    failure = running.exception(PATIENCE)
    assert isinstance(failure, CallFailed)
    return failure


def test_a_call_that_is_aborted_before_it_begins_never_connects(serve: Serve, http: SoraHttp) -> None:
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
        assert go.wait(PATIENCE)
        connect(sock, address)

    monkeypatch.setattr(socket.socket, "connect", slow_connect)
    call = order(server)
    running = threads.submit(http.call, call)
    assert connecting.wait(PATIENCE)
    call.abort()
    go.set()
    assert not failure_in(running).sent
    monkeypatch.undo()
    http.call(order(server, "/next"))  # if the aborted call had sent a request, it would have arrived before this one
    assert [request.path for request in server.requests] == ["/next"]


def test_abort_ends_a_hanging_handshake_and_nothing_is_sent(
    serve: Serve, http: SoraHttp, threads: ThreadPoolExecutor
) -> None:
    greeted, hang_up = threading.Event(), threading.Event()

    def script(server: Server, sock: socket.socket) -> None:
        sock.recv(1)
        greeted.set()
        hang_up.wait(PATIENCE)

    call = order(f"https://localhost:{serve(script).port}")
    running = threads.submit(http.call, call)
    try:
        assert greeted.wait(PATIENCE)
        call.abort()
        assert not failure_in(running).sent
    finally:
        hang_up.set()


def test_abort_ends_a_call_whose_server_sends_a_header_byte_by_byte(
    serve: Serve, http: SoraHttp, threads: ThreadPoolExecutor
) -> None:
    dripping, hang_up = threading.Event(), threading.Event()

    def script(server: Server, sock: socket.socket) -> None:
        server.read(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nx: ")
        while not hang_up.wait(0.02):
            sock.sendall(b"x")  # each byte restarts the timeouts of `requests`
            dripping.set()

    call = order(serve(script))
    running = threads.submit(http.call, call)
    try:
        assert dripping.wait(PATIENCE)
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
def test_abort_ends_a_call_whose_server_sends_a_body_byte_by_byte(
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
        while not (tmp_path / "download").exists():  # the file is created when the call begins to read the body
            assert not running.done()
            os.sched_yield()
        call.abort()
        assert failure_in(running).sent
    finally:
        hang_up.set()


def test_a_late_abort_does_not_interrupt_the_next_call_on_the_same_connection(
    serve: Serve, http: SoraHttp, threads: ThreadPoolExecutor
) -> None:
    arrived, go = threading.Event(), threading.Event()

    def script(server: Server, sock: socket.socket) -> None:
        server.read(sock)
        answer(sock)
        server.read(sock)
        arrived.set()
        assert go.wait(PATIENCE)
        answer(sock)

    server = serve(script)
    first = order(server, "/first")
    http.call(first)
    running = threads.submit(http.call, order(server, "/second"))
    assert arrived.wait(PATIENCE)
    first.abort()
    go.set()
    assert running.result(PATIENCE).body == b"{}"
    assert server.connections == 1


# --- Connections and cookies ------------------------------------------------------------------------------------------


def test_a_connection_is_reused_for_the_next_call_even_if_it_has_another_key(serve: Serve, http: SoraHttp) -> None:
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


def test_simultaneous_calls_of_one_key_have_separate_sessions_but_share_cookies(
    serve: Serve, http: SoraHttp, threads: ThreadPoolExecutor
) -> None:
    both = threading.Barrier(2)

    def script(server: Server, sock: socket.socket) -> None:
        while request := server.read(sock):
            if request.path in ("/__cf_bm", "/_cfuvid"):
                both.wait(PATIENCE)  # no request is answered before both have arrived
            answer(sock, b"{}", f"set-cookie: {request.path[1:]}=1; path=/")

    server = serve(script)
    running = [threads.submit(http.call, order(server, path)) for path in ("/__cf_bm", "/_cfuvid")]
    for each in running:
        each.result(PATIENCE)
    http.call(order(server, "/three"))
    http.call(HttpCall("another key", "GET", f"http://127.0.0.1:{server.port}/four"))

    *at_once, third, fourth = server.requests
    assert {request.path for request in at_once} == {"/__cf_bm", "/_cfuvid"}
    assert all(request.headers["cookie"] is None for request in at_once)
    assert set(third.headers["cookie"].split("; ")) == {"__cf_bm=1", "_cfuvid=1"}
    assert fourth.headers["cookie"] is None
    assert len({request.headers["user-agent"] for request in (*at_once, third)}) == 1
