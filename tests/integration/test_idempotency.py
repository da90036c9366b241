"""Repeats of a request, marked by an idempotency key or an SDK's retry count, share one order and one answer."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from openai import AsyncOpenAI
from yarl import URL

from tests.conftest import ADMIN_KEY, CLIENT_KEY, HOUR, Proxy, Simulator, StartProxy, StartSimulator, in_front_of
from tests.streams import blocks_of, read_stream, read_until

KEY = {"idempotency-key": "order 66"}
PUBLIC = {"base_url": "http://images.example.com", "image_localization": True}
COUNTED = {"x-stainless-retry-count": "1"}
IMAGE = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///ywAAAAAAQABAAACAUwAOw=="


@contextlib.asynccontextmanager
async def swallowing_the_first_answer(proxy: Proxy) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Forward requests to the server, and drop the first answer. Yields the address and the list of requests."""
    seen: list[bytes] = []

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        request = head + await reader.readexactly(int(length[1]) if length else 0)
        seen.append(request)
        first = len(seen) == 1
        url = URL(proxy.url)
        answer, out = await asyncio.open_connection(url.host, url.port)
        out.write(re.sub(rb"(?i)connection: [^\r]*", b"connection: close", request))
        content = await answer.read()
        if not first:
            writer.write(content)
            await writer.drain()
        out.close()
        writer.close()

    server = await asyncio.start_server(carry, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", seen
    finally:
        server.close()


async def ask(proxy: Proxy, prompt: str = "a red fox", **fields: Any) -> tuple[int, dict[str, Any]]:
    async with proxy.chat(prompt, **fields) as answer:
        return answer.status, await answer.json()


async def registered(simulator: Simulator) -> int:
    number: int = (await simulator.stats())["registered"]
    return number


async def test_fifty_equal_requests_with_one_idempotency_key_place_one_order(
    proxy: Proxy, simulator: Simulator
) -> None:
    answers = await asyncio.gather(*(ask(proxy, headers=KEY) for _ in range(50)))
    assert {status for status, _ in answers} == {200}
    assert len({str(body) for _, body in answers}) == 1
    assert await registered(simulator) == 1


async def test_repeats_of_an_order_take_up_no_room_in_the_queue(start_proxy: StartProxy, simulator: Simulator) -> None:
    async with start_proxy(**in_front_of(simulator), max_queue=1) as proxy:
        answers = await asyncio.gather(*(ask(proxy, f"{IMAGE} larger", headers=KEY) for _ in range(20)))
    assert {status for status, _ in answers} == {200}
    assert await registered(simulator) == 1


async def test_an_answer_is_replayed_with_or_without_streaming_even_after_a_restart(
    start_proxy: StartProxy, simulator: Simulator
) -> None:
    settings = in_front_of(simulator) | PUBLIC
    async with start_proxy(**settings) as proxy:
        whole = await ask(proxy, headers=KEY)
        async with proxy.chat(headers=KEY, stream=True) as answer:
            streamed = await read_stream(answer)
        assert streamed.chunks[0]["id"] == whole[1]["id"]
        assert streamed.content == whole[1]["choices"][0]["message"]["content"]
    async with start_proxy(**settings) as proxy:
        assert await ask(proxy, headers=KEY) == whole
        assert (await ask(proxy, headers=KEY, background=True)) == whole
        async with proxy.chat(headers=KEY, stream=True) as answer:
            assert blocks_of(await answer.read()) == blocks_of(streamed.raw)
    assert await registered(simulator) == 1


async def test_a_repeated_request_joins_the_running_order(
    start_proxy: StartProxy, start_simulator: StartSimulator
) -> None:
    async with start_simulator(seconds=HOUR) as simulator, start_proxy(**in_front_of(simulator)) as proxy:
        first = asyncio.create_task(ask(proxy, headers=KEY))
        await simulator.wait_for(registered=1)
        async with proxy.chat(headers=KEY, stream=True) as answer:
            await simulator.let_pass(HOUR / 2)
            begun = await read_until(answer, b" %")
            await simulator.let_pass(HOUR / 2)
            streamed = await read_stream(answer, begun)
        assert streamed.reasoning
        assert streamed.headers["x-generation-id"] == (await first)[1]["id"]
        assert await registered(simulator) == 1


async def test_a_repeated_request_gets_the_same_failure(proxy: Proxy, simulator: Simulator) -> None:
    await simulator.order_fault("moderation", times=1)
    first = await ask(proxy, headers=KEY)
    async with proxy.chat(headers=KEY) as answer:
        assert answer.headers["x-should-retry"] == "false"
        assert (answer.status, await answer.json()) == first
    assert first[0] == 400
    assert await registered(simulator) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": "a blue fox"},
        {"n": 2},
        {"size": "480x480"},
        {"model": "sora-image"},
        {"prompt": f"{IMAGE} a red fox"},
    ],
    ids=str,
)
async def test_a_different_order_with_the_same_idempotency_key_is_refused(
    proxy: Proxy, simulator: Simulator, fields: dict[str, Any]
) -> None:
    await ask(proxy, headers=KEY)
    status, body = await ask(proxy, headers=KEY, **fields)
    assert (status, body["error"]["code"]) == (400, "idempotency_mismatch")
    assert await registered(simulator) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "a\u2028b"], ids=["empty", "long", "a tab", "a line"])
async def test_an_invalid_idempotency_key_is_refused(proxy: Proxy, simulator: Simulator, key: str) -> None:
    status, body = await ask(proxy, headers={"idempotency-key": key})
    assert (status, body["error"]["param"]) == (400, "Idempotency-Key")
    assert await registered(simulator) == 0


async def test_the_longest_valid_idempotency_key_is_accepted(proxy: Proxy, simulator: Simulator) -> None:
    answers = [await ask(proxy, headers={"idempotency-key": "k" * 255}) for _ in range(2)]
    assert answers[0] == answers[1]
    assert await registered(simulator) == 1


async def test_two_clients_with_the_same_idempotency_key_place_two_orders(
    proxy: Proxy, simulator: Simulator, session: aiohttp.ClientSession
) -> None:
    mine = await ask(proxy, headers=KEY)
    theirs = await ask(proxy, headers=KEY | {"authorization": f"Bearer {ADMIN_KEY}"})
    counted = await ask(proxy, headers=COUNTED | {"authorization": f"Bearer {ADMIN_KEY}"})
    assert mine[1]["id"] != theirs[1]["id"] == counted[1]["id"]
    assert await registered(simulator) == 2


async def test_a_refused_request_leaves_its_idempotency_key_unused(
    start_proxy: StartProxy, simulator: Simulator
) -> None:
    async with start_proxy(upstream="sora", sora_base_url=simulator.url) as proxy:
        assert (await ask(proxy, headers=KEY))[0] == 503
        assert (await ask(proxy, headers=KEY, n=9))[0] == 400
    async with start_proxy(**in_front_of(simulator)) as proxy:
        assert (await ask(proxy, "another prompt", headers=KEY))[0] == 200


async def test_an_sdk_retry_joins_an_earlier_order_only_if_it_orders_the_same(
    start_proxy: StartProxy, start_simulator: StartSimulator
) -> None:
    async with start_simulator(seconds=HOUR) as simulator, start_proxy(**in_front_of(simulator)) as proxy:
        _, first = await ask(proxy, background=True)
        joining = asyncio.create_task(ask(proxy, headers=COUNTED))
        await simulator.let_pass()
        _, running = await joining
        _, finished = await ask(proxy, headers={"x-stainless-retry-count": "2"}, stream=False)
        assert first["id"] == running["id"] == finished["id"]
        _, other = await ask(proxy, "a blue fox", headers=COUNTED, background=True)
        _, new = await ask(proxy, headers={"x-stainless-retry-count": "0"}, background=True)
        assert len({first["id"], other["id"], new["id"]}) == 3
        await simulator.wait_for(registered=3)


async def test_an_sdk_retry_of_a_refused_request_places_a_new_order(
    start_proxy: StartProxy, simulator: Simulator
) -> None:
    await simulator.order_fault("never_finish", times=2)
    settings = in_front_of(simulator, max_concurrent=1) | {"max_queue": 1, "max_queue_wait": 3600.0}
    async with start_proxy(**settings) as proxy:
        _, first = await ask(proxy, background=True)
        await simulator.wait_for(registered=1)
        _, second = await ask(proxy, "a blue fox", background=True)
        assert (await ask(proxy, background=True))[0] == 429
        async with proxy.client.delete(f"{proxy.url}/v1/generation/{second['id']}") as answer:
            assert answer.status == 200
        _, repeat = await ask(proxy, background=True, headers=COUNTED)
        _, joined = await ask(proxy, background=True, headers={"x-stainless-retry-count": "2"})
        assert repeat["id"] == joined["id"] != first["id"]


async def test_simultaneous_sdk_retries_place_one_order(proxy: Proxy, simulator: Simulator) -> None:
    answers = await asyncio.gather(*(ask(proxy, headers=COUNTED) for _ in range(10)))
    assert len({body["id"] for _, body in answers}) == 1
    assert await registered(simulator) == 1


async def test_repeating_a_request_whose_answer_was_deleted_places_no_order(proxy: Proxy, simulator: Simulator) -> None:
    _, body = await ask(proxy, headers=KEY)
    async with proxy.client.delete(f"{proxy.url}/v1/chat/completions/{body['id']}") as answer:
        assert answer.status == 200
    status, refusal = await ask(proxy, headers=KEY)
    assert (status, refusal["error"]["param"]) == (404, "Idempotency-Key")
    assert await registered(simulator) == 1


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_the_sdk_gets_its_image_although_the_first_answer_is_lost(
    proxy: Proxy, simulator: Simulator, stream: bool
) -> None:
    async with (
        swallowing_the_first_answer(proxy) as (url, seen),
        # The client is made in a thread, because its constructor blocks while it reads the CA bundle.
        await asyncio.to_thread(AsyncOpenAI, base_url=url, api_key=CLIENT_KEY) as client,
    ):
        answer: Any = await client.chat.completions.create(
            model="sora-1.0", messages=[{"role": "user", "content": "a red fox"}], stream=stream
        )
        content = (
            "".join([chunk.choices[0].delta.content or "" async for chunk in answer])
            if stream
            else answer.choices[0].message.content
        )
    assert content.startswith("![a red fox](")
    assert len(seen) == 2
    assert await registered(simulator) == 1


async def test_a_repeated_request_of_the_images_api_places_one_order(proxy: Proxy, simulator: Simulator) -> None:
    async def order(**fields: Any) -> dict[str, Any]:
        body = {"model": "sora-1.0", "prompt": "a red fox", **fields}
        async with proxy.client.post(f"{proxy.url}/v1/images/generations", json=body, headers=KEY) as answer:
            assert answer.status == 200, await answer.text()
            found: dict[str, Any] = await answer.json()
            return found

    link = (await order(response_format="url"))["data"][0]["url"]
    assert (await order())["data"][0]["url"] == link
    assert (await order(response_format="b64_json"))["data"][0]["b64_json"]
    assert await registered(simulator) == 1
