"""Egresses through every kind of proxy, on real sockets: what is sent through them, which broken calls count as sent,
and when sessions are renewed."""

import logging
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import trustme

from sora_proxy.settings.accounts import Proxy
from sora_proxy.upstream.http_call import CallFailed, HttpCall
from sora_proxy.upstream.sora_http import SoraHttp
from tests.eventually import PATIENCE
from tests.scripted import (
    ORDER,
    Script,
    Serve,
    Server,
    answer,
    answer_all,
    behind_socks,
    behind_tunnel,
    by,
    failure_of,
    leading_to,
    order,
    over_tls,
)

pytestmark = pytest.mark.slow

HOST = "sora.test"  # a name that only a proxy can resolve
USER, PASSWORD = "user", "p@ss:wörd"


class ScriptedProxy:
    """A proxy of the given kind, and behind it a server that follows a script."""

    def __init__(self, kind: str, serve: Serve, authority: trustme.CA) -> None:
        self._serve, self._authority = serve, authority
        self.scheme, _, rest = kind.partition(" ")
        self.to = "https" if rest == "to https" else "http"

    def start(self, script: Script) -> tuple[Server, Proxy]:
        """Start the server. Returns the server and the egress that leads to the server."""
        if self.to == "https":
            script = over_tls(self._authority, script, HOST)
        if self.scheme == "socks5h":
            server = self._serve(behind_socks(script))
            return server, by(f"socks5h://127.0.0.1:{server.port}")
        if self.scheme == "http":
            server = self._serve(behind_tunnel(script) if self.to == "https" else script)
            return server, by(f"http://127.0.0.1:{server.port}")
        server = self._serve(script)
        proxy = leading_to(server.port) if self.to == "http" else behind_tunnel(leading_to(server.port))
        return server, by(f"https://localhost:{self._serve(over_tls(self._authority, proxy)).port}")

    def order(self, egress: Proxy, path: str = "/order") -> HttpCall:
        return order(f"{self.to}://{HOST}", path, egress=egress)


KINDS = [f"{scheme} to {to}" for scheme in ("http", "https", "socks5h") for to in ("http", "https")]


@pytest.fixture(params=KINDS)
def scripted(request: pytest.FixtureRequest, serve: Serve, authority: trustme.CA) -> ScriptedProxy:
    return ScriptedProxy(request.param, serve, authority)


# --- Requests, and calls that count as sent ---------------------------------------------------------------------------


def test_each_order_is_sent_once_through_the_proxy_and_the_connection_is_reused(
    scripted: ScriptedProxy, http: SoraHttp
) -> None:
    server, egress = scripted.start(answer_all)
    for path in ("/first", "/second"):
        assert http.call(scripted.order(egress, path)).body == b"{}"
    orders = [request for request in server.requests if request.body == ORDER]
    assert [request.path.removeprefix(f"http://{HOST}") for request in orders] == ["/first", "/second"]
    assert all(request.headers["host"] == HOST for request in orders)
    assert server.connections == 1


def test_an_order_that_the_server_read_counts_as_sent_if_the_connection_breaks(
    scripted: ScriptedProxy, http: SoraHttp
) -> None:
    def script(server: Server, sock: socket.socket) -> None:
        server.read(sock)

    server, egress = scripted.start(script)
    failure = failure_of(http, scripted.order(egress))
    assert (failure.sent, failure.proxy) == (True, True)
    assert sum(request.body == ORDER for request in server.requests) == 1


def test_an_order_whose_reused_connection_breaks_counts_as_sent_and_is_not_repeated(
    scripted: ScriptedProxy, http: SoraHttp
) -> None:
    def script(server: Server, sock: socket.socket) -> None:
        server.read(sock)
        answer(sock)
        server.read(sock)

    server, egress = scripted.start(script)
    http.call(scripted.order(egress))
    assert failure_of(http, scripted.order(egress, "/second")).sent
    assert sum(request.body == ORDER for request in server.requests) == 2


def test_an_order_counts_as_not_sent_if_the_proxy_does_not_listen(
    scripted: ScriptedProxy, http: SoraHttp, silent: int
) -> None:
    failure = failure_of(http, scripted.order(by(f"{scripted.scheme}://127.0.0.1:{silent}")))
    assert (failure.sent, failure.proxy) == (False, True)


def test_an_order_counts_as_not_sent_if_the_proxys_name_cannot_be_resolved(
    scripted: ScriptedProxy, http: SoraHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(
        *_: object, **__: object
    ) -> None:  # the real function may send DNS queries, and the tests must work without a network
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    failure = failure_of(http, scripted.order(by(f"{scripted.scheme}://proxy.test:1080")))
    assert (failure.sent, failure.proxy) == (False, True)


@pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "403 Forbidden", "502 Bad Gateway"])
def test_an_order_counts_as_not_sent_if_the_proxy_refuses_the_tunnel(serve: Serve, http: SoraHttp, status: str) -> None:
    server = serve(behind_tunnel(answer_all, status))
    failure = failure_of(http, order(f"https://{HOST}", egress=by(f"http://127.0.0.1:{server.port}")))
    assert [request.path for request in server.requests] == [f"{HOST}:443"]
    assert (failure.sent, failure.proxy) == (False, True)


def test_an_order_counts_as_not_sent_if_the_proxy_drops_a_new_connection(serve: Serve, http: SoraHttp) -> None:
    for scheme, wrap in (("http", behind_tunnel), ("socks5h", behind_socks)):
        server = serve(wrap(lambda _server, _sock: None))
        failure = failure_of(http, order(f"https://{HOST}", egress=by(f"{scheme}://127.0.0.1:{server.port}")))
        assert (failure.sent, failure.proxy) == (False, True)


def test_an_invalid_address_is_not_a_fault_of_the_proxy(http: SoraHttp, silent: int) -> None:
    failure = failure_of(http, order("http://[::1", egress=by(f"http://127.0.0.1:{silent}")))
    assert (failure.sent, failure.proxy) == (False, False)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("refusal", range(1, 9))
def test_an_order_counts_as_not_sent_if_a_socks_proxy_refuses_the_connection(
    serve: Serve, http: SoraHttp, scheme: str, refusal: int
) -> None:
    server = serve(behind_socks(answer_all, refusal=refusal))
    failure = failure_of(http, order(f"{scheme}://{HOST}", egress=by(f"socks5h://127.0.0.1:{server.port}")))
    assert server.destinations == [(HOST, 443 if scheme == "https" else 80)]
    assert (failure.sent, failure.proxy) == (False, True)
    assert not server.requests


@pytest.mark.parametrize(
    "reply", [b"", b"\x05", b"\x04\x00", b"\x05\xff", b"\x05\x07", b"HTTP/1.1 400 Bad Request\r\n\r\n"]
)
def test_an_order_counts_as_not_sent_if_the_proxy_does_not_speak_socks(
    serve: Serve, http: SoraHttp, reply: bytes
) -> None:
    def script(_server: Server, sock: socket.socket) -> None:
        sock.recv(16)
        sock.sendall(reply)

    failure = failure_of(http, order(f"http://{HOST}", egress=by(f"socks5h://127.0.0.1:{serve(script).port}")))
    assert (failure.sent, failure.proxy) == (False, True)


def test_a_bad_server_certificate_behind_a_proxy_counts_as_a_fault_of_the_proxy(
    serve: Serve, http: SoraHttp, authority: trustme.CA
) -> None:
    script = over_tls(trustme.CA(), answer_all, HOST)
    ways = [("http", serve(behind_tunnel(script))), ("socks5h", serve(behind_socks(script)))]
    for scheme, server in ways:
        failure = failure_of(http, order(f"https://{HOST}", egress=by(f"{scheme}://127.0.0.1:{server.port}")))
        assert (failure.sent, failure.proxy) == (False, True)
        assert not server.requests[1:] if scheme == "http" else not server.requests


@pytest.mark.parametrize("to", ["http", "https"])
def test_a_proxy_without_a_trusted_certificate_gets_no_request(
    serve: Serve, http: SoraHttp, authority: trustme.CA, to: str
) -> None:
    server = serve(over_tls(trustme.CA(), answer_all))
    failure = failure_of(http, order(f"{to}://{HOST}", egress=by(f"https://localhost:{server.port}", USER, PASSWORD)))
    assert (failure.sent, failure.proxy) == (False, True)
    assert not server.requests


def test_the_address_of_a_proxy_may_be_written_in_capitals(serve: Serve, http: SoraHttp) -> None:
    for scheme, script in (("http", answer_all), ("socks5h", behind_socks(answer_all))):
        egress = by(f"{scheme}://LOCALHOST:{serve(script).port}")
        assert http.call(order(f"http://{HOST}", egress=egress)).status == 200


# --- Credentials ------------------------------------------------------------------------------------------------------


def test_the_user_name_and_password_of_a_socks_proxy_are_sent_to_the_proxy(serve: Serve, http: SoraHttp) -> None:
    server = serve(behind_socks(answer_all, user=USER, password=PASSWORD))
    egress = by(f"socks5h://127.0.0.1:{server.port}", USER, PASSWORD)
    assert http.call(order(f"http://{HOST}", egress=egress)).status == 200


@pytest.mark.parametrize("to", ["http", "https"])
def test_the_user_name_and_password_of_an_http_proxy_are_sent_only_to_the_proxy(
    serve: Serve, http: SoraHttp, authority: trustme.CA, to: str
) -> None:
    script = behind_tunnel(over_tls(authority, answer_all, HOST)) if to == "https" else answer_all
    server = serve(script)
    http.call(order(f"{to}://{HOST}", egress=by(f"http://127.0.0.1:{server.port}", USER, PASSWORD)))
    told, *others = [request.headers["proxy-authorization"] for request in server.requests]
    assert told == "Basic dXNlcjpwQHNzOnfDtnJk"
    assert others == ([None] if to == "https" else [])


@pytest.mark.parametrize(("user", "password"), [("", ""), (USER, "wr0ng-password"), ("an0ther-user", PASSWORD)])
def test_with_wrong_credentials_for_a_socks_proxy_no_order_is_sent_and_no_secret_is_shown(
    serve: Serve, http: SoraHttp, caplog: pytest.LogCaptureFixture, user: str, password: str
) -> None:
    caplog.set_level(logging.DEBUG)
    server = serve(behind_socks(answer_all, user=USER, password=PASSWORD))
    egress = by(f"socks5h://127.0.0.1:{server.port}", user, password)
    failure = failure_of(http, order(f"http://{HOST}", egress=egress))
    assert (failure.sent, failure.proxy) == (False, True)
    assert not server.destinations
    told = f"{failure!r} {failure.__cause__!r} {failure.__context__!r} {egress!r} {caplog.text}"
    assert not [secret for secret in ("wr0ng-password", PASSWORD) if secret in told]


# --- Ending a call ----------------------------------------------------------------------------------------------------


def drip(dripping: threading.Event, hang_up: threading.Event, *, first: bytes) -> Script:
    """A script that keeps sending single bytes, each of which restarts the timeouts of libraries."""

    def play(_server: Server, sock: socket.socket) -> None:
        sock.recv(2**16)
        sock.sendall(first)
        while not hang_up.wait(0.02):
            sock.sendall(b"\xff")
            dripping.set()

    return play


def unwrapped(script: Script) -> Script:
    return script


BODY = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n"
DRIPS: dict[str, tuple[str, bytes, Callable[[Script], Script]]] = {
    "methods of socks": ("socks5h", b"\x05", unwrapped),
    "address of socks": ("socks5h", b"\x05\x00\x05\x00\x00\x03", unwrapped),
    "body through socks": ("socks5h", BODY, behind_socks),
    "tunnel": ("http", b"HTTP/1.1 200 OK\r\nx: ", unwrapped),
    "handshake with the proxy": ("https", b"", unwrapped),
}


@pytest.mark.parametrize("stage", DRIPS)
def test_abort_ends_a_call_whose_proxy_answers_byte_by_byte(
    serve: Serve, http: SoraHttp, threads: ThreadPoolExecutor, stage: str
) -> None:
    scheme, first, wrap = DRIPS[stage]
    dripping, hang_up = threading.Event(), threading.Event()
    server = serve(wrap(drip(dripping, hang_up, first=first)))
    to = "http" if scheme == "socks5h" else "https"
    call = order(f"{to}://{HOST}", egress=by(f"{scheme}://127.0.0.1:{server.port}"))
    running = threads.submit(http.call, call)
    try:
        assert dripping.wait(PATIENCE)
        call.abort()
        failure = running.exception(PATIENCE)
        assert isinstance(failure, CallFailed)
        reached = stage == "body through socks"
        assert (failure.sent, failure.proxy) == (reached, not reached)
    finally:
        hang_up.set()


# --- Sessions and connections of egresses -----------------------------------------------------------------------------


def test_a_challenge_page_renews_only_the_session_of_the_key_and_egress_that_got_it(
    serve: Serve, http: SoraHttp
) -> None:
    def script(server: Server, sock: socket.socket) -> None:
        while request := server.read(sock):
            if request.path == "/challenge":
                sock.sendall(b"HTTP/1.1 403 Forbidden\r\ncontent-type: text/html\r\ncontent-length: 4\r\n\r\npage")
            else:
                answer(sock, b"{}", f"set-cookie: {request.path[1:]}=1; path=/")

    server = serve(behind_socks(script))
    one, other = by(f"socks5h://127.0.0.1:{server.port}"), None

    def ask(key: str, path: str, egress: Proxy | None) -> str | None:
        base = f"http://127.0.0.1:{server.port}" if egress is one else f"http://127.0.0.1:{straight.port}"
        http.call(HttpCall(key, "GET", f"{base}{path}", egress=egress))
        return (server if egress is one else straight).requests[-1].headers["cookie"]

    straight = serve(script)
    for key, egress in [("key", one), ("key", other), ("another", one)]:
        assert ask(key, "/__cf_bm", egress) is None
        assert ask(key, "/_cfuvid", egress) == "__cf_bm=1"
    before = server.connections
    assert ask("key", "/challenge", one) == "__cf_bm=1; _cfuvid=1"

    assert ask("key", "/__cflb", one) is None
    assert server.connections == before + 1  # the connection that delivered the challenge page was closed
    assert ask("key", "/__cflb", one) == "__cflb=1"
    assert ask("key", "/__cflb", other) == "__cf_bm=1; _cfuvid=1"
    assert ask("another", "/__cflb", one) == "__cf_bm=1; _cfuvid=1"


def test_a_session_that_is_renewed_after_a_challenge_may_have_another_user_agent(serve: Serve, http: SoraHttp) -> None:
    """All calls of a session have the headers of one browser; a new session may have those of another browser."""

    def script(server: Server, sock: socket.socket) -> None:
        while server.read(sock):
            answer(sock, b"", "cf-mitigated: challenge")

    server = serve(script)
    for _ in range(20):
        http.call(order(server))
    assert len({request.headers["user-agent"] for request in server.requests}) > 1


def test_egresses_with_the_same_address_but_different_credentials_share_no_connection(
    serve: Serve, http: SoraHttp
) -> None:
    def script(server: Server, sock: socket.socket) -> None:
        while server.read(sock):
            answer(sock)

    server = serve(script)
    for user in ("one", "two", "one"):
        http.call(order(f"http://{HOST}", egress=by(f"http://127.0.0.1:{server.port}", user, PASSWORD)))
    assert server.connections == 2
    assert len({request.headers["proxy-authorization"] for request in server.requests}) == 2
