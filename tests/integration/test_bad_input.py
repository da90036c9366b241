"""Requests that no client should send: each is served or refused with a clear error, never answered with status 500."""

import asyncio
import json
import zlib
from urllib.parse import urlsplit

import pytest

from tests.conftest import CLIENT_KEY, Proxy, Simulator
from tests.eventually import PATIENCE

ORDER = b'{"model":"sora-1.0","messages":[{"role":"user","content":"x"}],"background":true}'
AUTHORIZED = b"authorization: Bearer %b" % CLIENT_KEY.encode()


async def send(proxy: Proxy, line: bytes, *headers: bytes, body: bytes = b"") -> tuple[int, bytes, bytes]:
    """Send these bytes as a request; returns the status, the head and the body of the answer."""
    address = urlsplit(proxy.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        lines = [line + b" HTTP/1.1", b"host: h", b"connection: close", b"content-length: %d" % len(body), *headers]
        writer.write(b"\r\n".join([*lines, b"", b""]) + body)
        async with asyncio.timeout(PATIENCE):
            head, _, content = (await reader.read()).partition(b"\r\n\r\n")
    finally:
        writer.close()
    return int(head.split()[1]), head, content


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET /v1/chat/completions/%ff", 404),
        (b"GET /v1/chat/completions/" + b"a" * 5000, 404),
        (b"GET /v1/generation/%00", 404),
        (b"GET /v1/generation/x%0d%0aX-Evil:%20y", 404),
        (b"GET /v1/generation/%ed%a0%80/events", 404),
        (b"GET /v1/models/..%2f..%2fetc%2fpasswd", 404),
        (b"GET //evil.example/", 404),
        (b"GET /v1//models", 404),
        (b"GET /images/%ff.png", 404),
        (b"GET /v1/generations?status=%ff", 400),
        (b"GET /v1/chat/completions?limit=%d9%a3", 400),
        (b"PUT /v1/chat/completions", 405),
        (b"TRACE /v1/models", 405),
        (b"DELETE /docs", 405),
    ],
    ids=lambda value: repr(value)[:60],
)
async def test_odd_paths_and_methods_are_refused(proxy: Proxy, line: bytes, status: int) -> None:
    given, head, content = await send(proxy, line, AUTHORIZED)
    assert given == status
    assert set(json.loads(content)["error"]) == {"message", "type", "param", "code"}
    assert b"x-evil:" not in head.lower()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([b"authorization: Bearer \xff\xfe"], 401),
        ([b"authorization:"], 401),
        ([b"api-key: \xff"], 401),
        ([AUTHORIZED, b"prefer: wait=99999999999999999999"], 200),
        ([AUTHORIZED, b"x-stainless-read-timeout: nan"], 200),
        ([AUTHORIZED, b"x-stainless-retry-count: " + b"9" * 5000], 200),
        ([AUTHORIZED, b"idempotency-key: " + b"x" * 300], 400),
        ([AUTHORIZED, b"x-request-id: \xff\xfe"], 200),
        ([AUTHORIZED, b"origin: \xff", b"last-event-id: \xff", b"x-forwarded-for: \xff", b"range: bytes=\xff"], 200),
        ([AUTHORIZED, b"content-type: application/json; charset=no-such"], 200),
        ([AUTHORIZED, b"content-type: multipart/form-data; boundary="], 200),
        ([AUTHORIZED, b"content-type: \xff/;;="], 200),
        ([AUTHORIZED, b"content-encoding: gzip"], 415),
    ],
    ids=lambda value: repr(value)[-60:],
)
async def test_odd_headers_are_refused_or_do_no_harm(proxy: Proxy, headers: list[bytes], status: int) -> None:
    given, _, content = await send(proxy, b"POST /v1/chat/completions", *headers, body=ORDER)
    assert given == status
    assert (given == 200) != ("error" in json.loads(content))


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        ORDER[:-1] + b',"tools":' + b"[" * 5000 + b"]" * 5000 + b"}",
        ORDER[:-1] + b',"n":' + b"9" * 5000 + b"}",
        ORDER[:-1] + b',"temperature":NaN}',
        ORDER.replace(b'"x"', b'"\\ud800"'),
        ORDER.replace(b'"x"', b'"' + b"a" * 3_000_000 + b'"'),
        ORDER.replace(b'"x"', b"[" + b",".join([b'{"type":"text","text":"x"}'] * 10 + [b"null"]) + b"]"),
        ORDER.replace(b'"x"', b'"' + b"data:image/ " * 2000 + b'"'),
        ORDER.replace(b'"x"', b'[{"type":"text","text":"x"},{"type":"image_url","image_url":"http://h:99999999/"}]'),
        ORDER.replace(b'"x"', b'[{"type":"text","text":"x"},{"type":"image_url","image_url":"http://[::1"}]'),
        ORDER.replace(b'"x"', b'[{"type":"text","text":"x"},{"type":"image_url","image_url":"file:///etc/passwd"}]'),
        ORDER[:-1] + b',"metadata":{"' + b"k" * 1_000_000 + b'":"v"}}',
        ORDER[:-1] + b',"tools":[' + b"[]," * 200_000 + b"1]}",
        b"\xef\xbb\xbf" + ORDER,
        ORDER.decode().encode("utf-16"),
    ],
    ids=lambda value: repr(value)[-60:],
)
async def test_odd_bodies_are_refused_and_no_order_is_placed(proxy: Proxy, simulator: Simulator, body: bytes) -> None:
    status, _, content = await send(proxy, b"POST /v1/chat/completions", AUTHORIZED, body=body)
    assert status == 400
    assert len(content) < 1000
    assert set(json.loads(content)["error"]) == {"message", "type", "param", "code"}
    assert (await simulator.stats())["registered"] == 0


async def test_a_compression_bomb_is_not_decompressed(proxy: Proxy) -> None:
    """Decompression would block the event loop: for a quarter of a gigabyte, it took 15 seconds."""
    packer, blanks = zlib.compressobj(), b" " * 2**20
    bomb = b"".join([packer.compress(blanks) for _ in range(256)]) + packer.flush()
    packed = b"content-encoding: deflate"
    status, _, content = await send(proxy, b"POST /v1/chat/completions", AUTHORIZED, packed, body=bomb)
    assert status == 415
    assert json.loads(content)["error"]["code"] == "unsupported_media_type"
