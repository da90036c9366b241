"""Bodies that come too slowly, and ones that are too large."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.conftest import Proxy

MIB = 2**20


async def post(proxy: Proxy, route: str, body: Any) -> tuple[int, dict[str, Any]]:
    headers = {"content-type": "application/json"}
    async with proxy.client.post(f"{proxy.url}/v1/{route}", data=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def test_a_body_that_does_not_come_is_a_408_and_the_next_one_has_its_turn(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sora_proxy.api.bodies.LONGEST_SECONDS", 0.3)

    async def never() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(5)
        yield b"}"

    answers = await asyncio.gather(*(post(proxy, "images/edits", never()) for _ in range(9)))
    assert {(status, answer["error"]["code"]) for status, answer in answers} == {(408, "request_timeout")}
    assert (await post(proxy, "images/generations", b'{"prompt": "a fox"}'))[0] == 200


@pytest.mark.parametrize("route", ["chat/completions", "images/generations", "images/edits"])
async def test_a_body_that_is_too_large_is_refused_also_if_it_does_not_say_so(proxy: Proxy, route: str) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * MIB

    status, answer = await post(proxy, route, endless())
    assert (status, answer["error"]["code"]) == (413, "request_too_large")
