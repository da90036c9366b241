"""Answers that are too large, too highly compressed or endless, on real sockets.

Every call ends at a limit or at its deadline, and its thread becomes free.
"""

import asyncio
import contextlib
import gc
import gzip
import itertools
import socket
import threading
import tracemalloc
import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import psutil
import pytest

from sora_proxy.blocking import BlockingPool
from sora_proxy.errors import Fault, UpstreamUnavailable
from sora_proxy.generation import Asset
from sora_proxy.settings.accounts import Account
from sora_proxy.upstream import BackendOptions, Deadlines
from sora_proxy.upstream.sora import Sora
from sora_proxy.upstream.sora_http import SoraHttp
from tests.eventually import PATIENCE
from tests.scripted import Script, Serve, Server, answer, answer_all, by, failure_of, order
from tests.submission import submission

pytestmark = pytest.mark.slow

MEGABYTE = 2**20
JSON = b'{"task_responses": []}'
OK = b"HTTP/1.1 200 OK\r\n"
CLOSING = OK + b"connection: close\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n"
GZIP = b"content-encoding: gzip\r\n"
EMPTY_BLOCK = b"\0\0\0\xff\xff"  # five bytes of deflate data that unpack to nothing


def bare(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


def sending(*pieces: bytes) -> Script:
    """The script of a server that sends these pieces after a request, and then closes the connection."""

    def script(server: Server, sock: socket.socket) -> None:
        server.read(sock)
        for piece in pieces:
            sock.sendall(piece)

    return script


def encoded(encoding: str, body: bytes) -> Script:
    def script(server: Server, sock: socket.socket) -> None:
        while server.read(sock):
            answer(sock, body, f"content-encoding: {encoding}")

    return script


# --- Encodings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "body", "content"),
    [
        ("gzip", gzip.compress(JSON), JSON),
        ("x-gzip", gzip.compress(JSON), JSON),
        ("gzip", b"".join(gzip.compress(bytes([byte])) for byte in JSON), JSON),
        (
            "gzip",
            gzip.compress(bytes(2**16)) * 8,
            bytes(2**19),
        ),  # each member ends where one of the library's pieces ends
        ("deflate", zlib.compress(JSON), JSON),
        ("deflate", bare(JSON), JSON),
        ("identity", JSON, JSON),
        ("gzip", b"", b""),
    ],
    ids=["gzip", "x-gzip", "members", "members of 64 KiB", "zlib", "bare deflate", "identity", "nothing"],
)
def test_an_encoded_answer_is_read_and_its_connection_is_reused(
    serve: Serve, http: SoraHttp, encoding: str, body: bytes, content: bytes
) -> None:
    server = serve(encoded(encoding, body))
    assert [http.call(order(server)).body for _ in range(2)] == [content, content]
    assert server.connections == 1


def test_an_encoded_answer_in_chunks_is_read_and_its_connection_is_reused(serve: Serve, http: SoraHttp) -> None:
    def script(server: Server, sock: socket.socket) -> None:
        while server.read(sock):
            sock.sendall(CHUNKED + GZIP + b"\r\n")
            for byte in gzip.compress(JSON):
                sock.sendall(b"1\r\n%c\r\n" % byte)
            sock.sendall(b"0\r\n\r\n")

    server = serve(script)
    assert [http.call(order(server)).body for _ in range(2)] == [JSON, JSON]
    assert server.connections == 1


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, gzip", "no-such"])
def test_an_answer_with_an_encoding_that_was_not_requested_is_refused(
    serve: Serve, http: SoraHttp, encoding: str
) -> None:
    failure = failure_of(http, order(serve(encoded(encoding, gzip.compress(gzip.compress(JSON))))))
    assert (str(failure), failure.sent) == ("the answer has an encoding that was not requested", True)


@pytest.mark.parametrize(
    "body", [JSON, gzip.compress(JSON) + b"more", gzip.compress(JSON)[:-1]], ids=["plain", "more", "cut off"]
)
def test_a_body_that_cannot_be_decoded_is_not_counted_as_a_fault_of_the_proxy(
    serve: Serve, http: SoraHttp, body: bytes
) -> None:
    proxy = serve(encoded("gzip", body))
    failure = failure_of(http, order("http://sora.test", egress=by(f"http://127.0.0.1:{proxy.port}")))
    assert (failure.sent, failure.proxy) == (True, False)
    assert "compressed" in str(failure)


def test_an_image_with_a_content_encoding_is_refused(serve: Serve, http: SoraHttp, tmp_path: Path) -> None:
    for encoding in ("gzip", "deflate", "br"):
        call = order(serve(encoded(encoding, gzip.compress(JSON))), destination=tmp_path / "image")
        assert str(failure_of(http, call)) == "the answer has an encoding that was not requested"
    http.call(order(serve(encoded("identity", JSON)), destination=tmp_path / "image"))
    assert (tmp_path / "image").read_bytes() == JSON


def test_only_supported_encodings_are_requested(serve: Serve, http: SoraHttp, tmp_path: Path) -> None:
    server = serve(answer_all)
    http.call(order(server))
    # The extra headers that an operator configures may contain this header.
    http.call(order(server, headers={"accept-encoding": "br"}))
    http.call(order(server, destination=tmp_path / "image"))
    asked = [request.headers.get_all("accept-encoding") for request in server.requests]
    assert asked == [["gzip, deflate"], ["gzip, deflate"], ["identity"]]


# --- Size -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "pieces"),
    [
        (CLOSING, itertools.repeat(bytes(MEGABYTE), 64)),
        (CHUNKED, itertools.repeat(b"100000\r\n" + bytes(MEGABYTE) + b"\r\n", 64)),
        (CHUNKED, itertools.chain([b"-1\r\n"], itertools.repeat(bytes(MEGABYTE), 64))),
        (CLOSING + GZIP, [gzip.compress(bytes(64 * MEGABYTE))]),
        (CLOSING + GZIP, [gzip.compress(bytes(2**16)) * 1000]),
        (CLOSING + GZIP, itertools.chain([gzip.compress(b"")[:10]], itertools.repeat(EMPTY_BLOCK * 100_000, 64))),
        (CLOSING + GZIP, itertools.chain([b"\x1f\x8b\x08\x08" + bytes(6)], itertools.repeat(b"x" * MEGABYTE, 64))),
    ],
    ids=["plain", "chunks", "chunk of negative length", "bomb", "bomb of 64 KiB members", "empty blocks", "file name"],
)
def test_an_endless_answer_is_refused_when_it_is_too_large(
    serve: Serve, http: SoraHttp, head: bytes, pieces: Iterable[bytes]
) -> None:
    failure = failure_of(http, order(serve(sending(head + b"\r\n", *pieces))))
    assert (str(failure), failure.sent) == ("the answer is too large", True)


def test_endless_gzip_members_are_refused(serve: Serve, http: SoraHttp) -> None:
    server = serve(sending(CLOSING + GZIP + b"\r\n", gzip.compress(b"") * 100_000))
    failure = failure_of(http, order(server))
    assert (str(failure), failure.sent) == ("the compressed answer has too many members", True)


@pytest.mark.parametrize("head", [b"x: y\r\n" * 1000, b"x: " + b"y" * 2**20])
def test_an_endless_head_is_refused(serve: Serve, http: SoraHttp, head: bytes) -> None:
    assert failure_of(http, order(serve(sending(OK, head)))).sent


@pytest.mark.parametrize(
    "head",
    [
        OK + (b"x: " + b"y" * 1000 + b"\r\n") * 70,
        OK + b"x: " + b"y" * 65_000 + b"\r\ny: " + b"y" * 1000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 3000,
    ],
    ids=["many headers", "large headers", "interim answers"],
)
def test_a_head_that_is_too_large_is_not_counted_as_a_fault_of_the_proxy(
    serve: Serve, http: SoraHttp, head: bytes
) -> None:
    server = serve(sending(head + b"\r\n\r\n"))
    failure = failure_of(http, order("http://sora.test", egress=by(f"http://127.0.0.1:{server.port}")))
    assert (str(failure), failure.sent, failure.proxy) == ("the head of the answer is too large", True, False)


def test_a_head_of_ordinary_size_is_accepted(serve: Serve, http: SoraHttp) -> None:
    headers = b"".join(b"x-%d: %b\r\n" % (number, b"y" * 1000) for number in range(50))
    server = serve(sending(OK + headers + b"content-length: 2\r\n\r\n{}"))
    assert http.call(order(server)).headers["x-49"] == "y" * 1000


def cut_off(head: bytes) -> Script:
    """The script of a server that closes the connection after 7 MB of an answer."""
    return sending(OK + head + b"\r\n", *[bytes(MEGABYTE)] * 7)


@pytest.mark.parametrize("head", [b"content-length: 8000000\r\n", b"content-length: 7340032\r\n"], ids=["cut", "whole"])
async def test_an_exception_does_not_keep_the_answer_that_caused_it_in_memory(
    serve: Serve, http: SoraHttp, head: bytes
) -> None:
    """A watcher or a log line may keep the exception, whose traceback keeps the variables of the call."""
    pool = BlockingPool()
    sora = Sora(BackendOptions("sora", f"http://127.0.0.1:{serve(cut_off(head)).port}"), pool, http)
    gc.disable()
    tracemalloc.start()
    try:
        faults = [await fault_of_poll(sora) for _ in range(5)]
        assert tracemalloc.get_traced_memory()[0] < 5 * MEGABYTE
        assert len(faults) == 5
    finally:
        tracemalloc.stop()
        gc.enable()
        pool.close()


async def fault_of_poll(sora: Sora) -> Fault:
    with pytest.raises(UpstreamUnavailable) as caught:
        await sora.poll(["task"], Account("key", "token"), deep=False)
    return caught.value


async def test_answers_are_parsed_on_the_threads_that_read_them(
    serve: Serve, http: SoraHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed_on, loads = [], orjson.loads

    def loads_here(text: bytes) -> Any:
        parsed_on.append(threading.current_thread())
        return loads(text)

    monkeypatch.setattr(orjson, "loads", loads_here)
    pool, account, body = (
        BlockingPool(),
        Account("key", "token"),
        b'{"id": "task_1", "task_responses": [{"id": "task_1"}]}',
    )
    sora = Sora(
        BackendOptions("sora", f"http://127.0.0.1:{serve(encoded('gzip', gzip.compress(body))).port}"), pool, http
    )
    assert await sora.submit(submission(account)) == "task_1"
    assert list(await sora.poll(["task_1"], account, deep=False)) == ["task_1"]
    await sora.probe(account)
    pool.close()
    assert len(parsed_on) == 3
    assert threading.current_thread() not in parsed_on


# --- Cookies ----------------------------------------------------------------------------------------------------------


def setting(*cookies: str) -> Script:
    def script(server: Server, sock: socket.socket) -> None:
        while server.read(sock):
            answer(sock, b"{}", *(f"set-cookie: {cookie}" for cookie in cookies))

    return script


def test_only_cookies_of_cloudflare_are_stored_and_only_if_they_are_short(serve: Serve, http: SoraHttp) -> None:
    server = serve(setting("session=1; path=/", "cf_clearance=2; path=/", "a=" + "x" * 5000, "__cf_bm=" + "x" * 5000))
    for _ in range(2):
        http.call(order(server))
    assert [request.headers["cookie"] for request in server.requests] == [None, "cf_clearance=2"]


def test_the_number_of_cookies_is_limited_even_if_each_has_a_different_path(serve: Serve, http: SoraHttp) -> None:
    def script(server: Server, sock: socket.socket) -> None:
        path = ""
        while server.read(sock):
            path += "/x"
            answer(sock, b"{}", f"set-cookie: __cf_bm={'y' * 4000}; path={path}")

    server = serve(script)
    for _ in range(50):
        http.call(order(server, "/x" * 60))
    assert max(len(request.headers["cookie"] or "") for request in server.requests) < 25 * 4000


# --- Time -------------------------------------------------------------------------------------------------------------


TRICKLES = {
    "nothing": (b"", b""),
    "nothing after the head": (OK + b"content-length: 9\r\n\r\n", b""),
    "bytes of the status line": (b"", b"H"),
    "header lines": (OK, b"x: y\r\n"),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "bytes": (CLOSING + b"\r\n", b"x"),
    "chunks": (CHUNKED + b"\r\n", b"1\r\nx\r\n"),
    "digits of a chunk's length": (CHUNKED + b"\r\n", b"0"),
    "trailers": (CHUNKED + b"\r\n0\r\n", b"x: y\r\n"),
    "empty gzip members": (CLOSING + GZIP + b"\r\n", gzip.compress(b"")),
    "empty deflate blocks": (CLOSING + GZIP + b"\r\n" + gzip.compress(b"")[:10], EMPTY_BLOCK),
}


def trickling(start: bytes, piece: bytes, hang_up: threading.Event) -> Script:
    def script(server: Server, sock: socket.socket) -> None:
        server.read(sock)
        sock.sendall(start)
        while not hang_up.wait(0.02):
            sock.sendall(piece)  # each byte restarts the timeouts of `requests`

    return script


@pytest.mark.parametrize(("start", "piece"), TRICKLES.values(), ids=list(TRICKLES))
async def test_a_call_ends_at_its_deadline_even_if_bytes_keep_trickling_in(
    serve: Serve, http: SoraHttp, tmp_path: Path, start: bytes, piece: bytes
) -> None:
    hang_up, pool = threading.Event(), BlockingPool()
    url = f"http://127.0.0.1:{serve(trickling(start, piece, hang_up)).port}"
    account = Account("key", "token")
    sora = Sora(BackendOptions("sora", url, deadlines=Deadlines(poll=0.5, download=0.5)), pool, http)
    try:
        async with asyncio.timeout(PATIENCE):
            ends = await asyncio.gather(
                sora.poll(["task"], account, deep=False),
                sora.fetch(Asset(f"{url}/fox.png"), account, tmp_path / "fox.png"),
                return_exceptions=True,
            )
        assert [isinstance(end, UpstreamUnavailable) for end in ends] == [True, True], ends
        assert not pool.busy
    finally:
        hang_up.set()
        pool.close()


def never_connecting(port: int) -> bool:
    return any(
        connection.raddr and connection.raddr.port == port and connection.status == psutil.CONN_SYN_SENT
        for connection in psutil.Process().net_connections("tcp")
    )


def test_abort_ends_a_call_that_is_waiting_for_a_connection_and_nothing_is_sent(
    http: SoraHttp, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sora_proxy.upstream.sora_http.CONNECT_SECONDS", 2 * PATIENCE)
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        port = full.getsockname()[1]
        # This connection fills the server's backlog, so the next one has to wait.
        stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        call = order(f"http://127.0.0.1:{port}")
        running = threads.submit(http.call, call)
        while not never_connecting(port):
            assert not running.done()
        call.abort()
        failure = running.exception(PATIENCE)  # without the abort, the call would time out only after twice this time
        assert (str(failure), getattr(failure, "sent", None)) == ("can't connect", False)


@pytest.mark.parametrize("kept", [True, False])
def test_a_call_that_is_aborted_before_it_has_a_connection_sends_nothing(
    serve: Serve, http: SoraHttp, kept: bool
) -> None:
    def too_late(request: Any) -> Any:  # `requests` calls this to add credentials, after the call has begun
        call.abort()
        return request

    server = serve(answer_all)
    if kept:
        http.call(order(server, "/first"))
    call = order(server)
    call.body["auth"] = too_late
    failure = failure_of(http, call)
    assert (str(failure), failure.sent, failure.proxy) == ("no connection in time", False, False)
    http.call(order(server, "/last"))  # if the aborted call had sent a request, it would have arrived before this one
    assert [request.path for request in server.requests] == ["/first", "/last"][not kept :]


def test_a_call_tries_the_next_address_if_one_refuses_the_connection(
    serve: Serve, http: SoraHttp, monkeypatch: pytest.MonkeyPatch, silent: int
) -> None:
    server = serve(answer_all)

    def two_addresses(*_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in (silent, server.port)]

    monkeypatch.setattr(socket, "getaddrinfo", two_addresses)
    assert http.call(order("http://sora.test")).body == b"{}"


# --- Matching answers to calls ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["101 Switching Protocols", "102 Processing", "103 Early Hints"])
def test_a_call_that_gets_only_an_interim_answer_does_not_affect_the_next_call(
    serve: Serve, http: SoraHttp, status: str
) -> None:
    def script(server: Server, sock: socket.socket) -> None:
        first = server.read(sock)
        if first and first.path == "/first":
            sock.sendall(f"HTTP/1.1 {status}\r\n\r\n".encode())
            server.read(sock)
            answer(sock, b'"the first"')
        else:
            answer(sock, b'"the second"')

    server = serve(script)
    assert failure_of(http, order(server, "/first")).sent
    assert http.call(order(server, "/second")).body == b'"the second"'


def test_interim_answers_before_the_final_answer_are_skipped(serve: Serve, http: SoraHttp) -> None:
    server = serve(sending(b"HTTP/1.1 100 Continue\r\n\r\n" * 3, OK + b"content-length: 2\r\n\r\n{}"))
    assert http.call(order(server)).body == b"{}"
