"""Bodies that arrive too slowly, and bodies that are too large."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conftest import CLIENT_KEY, Proxy
from tests.eventually import PATIENCE

MIB = 2**20


async def post(proxy: Proxy, route: str, body: Any) -> tuple[int, dict[str, Any]]:
    headers = {"content-type": "application/json"}
    async with proxy.client.post(f"{proxy.url}/v1/{route}", data=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def test_bodies_that_do_not_arrive_do_not_block_later_requests(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    with monkeypatch.context() as short:
        short.setattr("sora_proxy.api.http.arrival.IDLE_SECONDS", 0.3)
        answers = await asyncio.gather(*(post(proxy, "images/edits", never()) for _ in range(9)))
    assert {(status, answer["error"]["code"]) for status, answer in answers} == {(408, "request_timeout")}
    assert (await post(proxy, "images/generations", b'{"prompt": "a fox"}'))[0] == 200


@pytest.mark.parametrize("route", ["chat/completions", "images/generations", "images/edits"])
async def test_a_body_that_is_too_large_is_refused_even_without_a_content_length(proxy: Proxy, route: str) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * MIB

    status, answer = await post(proxy, route, endless())
    assert (status, answer["error"]["code"]) == (413, "request_too_large")


@asynccontextmanager
async def sending(proxy: Proxy, route: str, *headers: str, body: bytes = b"") -> AsyncIterator[asyncio.StreamReader]:
    """A request whose body stays incomplete; yields the reader of its answer."""
    address = urlsplit(proxy.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write("\r\n".join([f"POST {route} HTTP/1.1", "host: h", *headers, "", ""]).encode() + body)
    try:
        yield reader
    finally:
        writer.close()


async def head_of(reader: asyncio.StreamReader) -> str:
    async with asyncio.timeout(PATIENCE):
        return (await reader.readuntil(b"\r\n\r\n")).decode()


AUTHORIZED = f"authorization: Bearer {CLIENT_KEY}"
JSON = "content-type: application/json"
ORDER = json.dumps({"model": "sora-1.0", "background": True, "messages": [{"role": "user", "content": "a fox"}]})


async def test_slow_bodies_do_not_delay_large_bodies(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sora_proxy.api.http.arrival.IDLE_SECONDS", 10 * PATIENCE)
    async with AsyncExitStack() as stack:
        for _ in range(8):
            slow = sending(proxy, "/admin/api/login", JSON, "transfer-encoding: chunked", body=b"1\r\n{\r\n")
            await stack.enter_async_context(slow)
        async with asyncio.timeout(PATIENCE):
            assert (await post(proxy, "chat/completions", ORDER + " " * (MIB // 2)))[0] == 200


@pytest.mark.parametrize("body", [b"", b'--x\r\ncontent-disposition: form-data; name="image"; filename="a"\r\n\r\nab'])
async def test_a_form_that_does_not_arrive_is_answered_with_408(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    monkeypatch.setattr("sora_proxy.api.http.arrival.IDLE_SECONDS", 0.3)
    headers = [AUTHORIZED, "content-type: multipart/form-data; boundary=x", "content-length: 1000"]
    async with sending(proxy, "/v1/images/edits", *headers, body=body) as answer:
        assert (await head_of(answer)).startswith("HTTP/1.1 408 ")


async def test_a_body_that_arrives_too_slowly_is_answered_with_408(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sora_proxy.api.http.arrival.MAX_ARRIVAL_SECONDS", 0.5)

    async def drops() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.02)

    assert (await post(proxy, "chat/completions", drops()))[0] == 408


async def test_metadata_that_does_not_arrive_is_answered_with_408(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with proxy.chat(background=True) as ordered:
        route = f"/v1/chat/completions/{(await ordered.json())['id']}"
    monkeypatch.setattr("sora_proxy.api.http.arrival.IDLE_SECONDS", 0.3)
    async with sending(proxy, route, AUTHORIZED, JSON, "content-length: 1000") as answer:
        assert (await head_of(answer)).startswith("HTTP/1.1 408 ")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([AUTHORIZED, "content-length: 10995116277760"], 413),
        (["content-length: 10"], 401),
        ([AUTHORIZED, f"content-length: {len(ORDER)}"], 100),
    ],
)
async def test_status_100_is_sent_only_if_the_body_would_be_accepted(
    proxy: Proxy, headers: list[str], status: int
) -> None:
    headers = [JSON, "expect: 100-continue", *headers]
    async with sending(proxy, "/v1/chat/completions", *headers) as answer:
        assert (await head_of(answer)).startswith(f"HTTP/1.1 {status} ")


async def test_a_client_that_expects_status_100_gets_its_answer(proxy: Proxy) -> None:
    large = f"{ORDER}{' ' * (MIB // 2)}"
    async with proxy.client.post(f"{proxy.url}/v1/chat/completions", data=large.encode(), expect100=True) as answer:
        assert answer.status == 200
