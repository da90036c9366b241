"""Clients that recognise a failure only by the finish_reason `error`: openai-python 0.x, and sora-api's own route."""

import json
from typing import Any

import pytest

from tests.conftest import Proxy, Simulator, StartProxy, in_front_of
from tests.streams import blocks_of, numbers_of

REFUSED = "The order violates the back end's content policy. Change the prompt or a reference image."
BY_NAME = {"User-Agent": "OpenAI/v1 PythonBindings/0.28.1"}
BY_ITS_OTHER_HEADER = {
    "User-Agent": "a name that the script chose",
    "X-OpenAI-Client-User-Agent": json.dumps({"bindings_version": "0.27.8", "lang": "python", "publisher": "openai"}),
}
LEGACY = pytest.mark.parametrize(
    "headers", [BY_NAME, BY_ITS_OTHER_HEADER], ids=["by user agent", "by its other header"]
)
CURRENT = {"User-Agent": "OpenAI/Python 3.54.0"}


async def refused(proxy: Proxy, simulator: Simulator) -> str:
    """Place an order that the back end refuses; returns its id."""
    await simulator.order_fault("policy")
    async with proxy.chat(stream=True) as answer:
        await answer.read()
        return str(answer.headers["x-generation-id"])


async def retrieved(proxy: Proxy, path: str, **headers: str) -> tuple[str, str]:
    async with proxy.client.get(proxy.url + path, headers=headers) as answer:
        assert answer.status == 200, path
        (choice,) = (await answer.json())["choices"]
    assert choice["message"]["refusal"] == choice["message"]["content"]
    return choice["finish_reason"], choice["message"]["content"]


@LEGACY
async def test_the_legacy_sdk_gets_finish_reason_error_for_a_refusal_on_every_path(
    proxy: Proxy, simulator: Simulator, headers: dict[str, str]
) -> None:
    generation_id = await refused(proxy, simulator)
    for folder in ("/v1/chat/completions", "/v1/engines/sora-1.0/chat/completions", "/openai/v1/chat/completions"):
        path = f"{folder}/{generation_id}"
        assert await retrieved(proxy, path, **headers) == ("error", REFUSED)
        assert await retrieved(proxy, path, **CURRENT) == ("content_filter", REFUSED)


async def test_every_client_gets_finish_reason_error_on_the_route_of_sora_api(
    proxy: Proxy, simulator: Simulator
) -> None:
    generation_id = await refused(proxy, simulator)
    for path in (f"/v1/generation/{generation_id}", f"/openai/v1/generation/{generation_id}"):
        assert await retrieved(proxy, path, **CURRENT) == ("error", REFUSED)


@LEGACY
@pytest.mark.parametrize("fault", ["policy", "moderation", "fail"])
async def test_a_failed_order_of_the_legacy_sdk_is_answered_with_a_completion(
    proxy: Proxy, simulator: Simulator, headers: dict[str, str], fault: str
) -> None:
    await simulator.order_fault(fault)
    async with proxy.chat(headers=headers) as answer:
        assert answer.status == 200
        created = await answer.json()
    assert created["choices"][0]["finish_reason"] == "error"
    assert created["choices"][0]["message"]["content"]
    path = f"{proxy.url}/v1/chat/completions/{created['id']}"
    async with proxy.client.get(path, headers=headers) as answer:
        assert await answer.json() == created


async def test_the_legacy_sdk_gets_finish_reason_error_for_a_late_failure(
    start_proxy: StartProxy, simulator: Simulator
) -> None:
    await simulator.order_fault("moderation")
    quick: dict[str, Any] = {"keepalive_after": 0.01, "heartbeat_interval": 0.05}
    async with start_proxy(**in_front_of(simulator), **quick) as proxy, proxy.chat(headers=BY_NAME) as answer:
        raw = await answer.read()
    assert raw.startswith(b" ")
    assert json.loads(raw)["choices"][0]["finish_reason"] == "error"


@pytest.mark.parametrize(
    ("fields", "status"),
    [({"model": "gpt-9"}, 404), ({"n": 9}, 400), ({"headers": BY_NAME | {"Authorization": "Bearer no"}}, 401)],
)
async def test_an_invalid_request_of_the_legacy_sdk_gets_an_error_status(
    proxy: Proxy, fields: dict[str, Any], status: int
) -> None:
    async with proxy.chat(**({"headers": BY_NAME} | fields)) as answer:
        assert answer.status == status
        assert (await answer.json())["error"]["message"]


async def test_the_legacy_sdk_gets_429_while_the_queue_is_full(start_proxy: StartProxy, simulator: Simulator) -> None:
    await simulator.order_fault("never_finish")
    settings = in_front_of(simulator, max_concurrent=1) | {"max_queue": 1}
    async with start_proxy(**settings) as proxy:
        for _ in range(2):
            async with proxy.chat(background=True) as answer:
                assert answer.status == 200
            await simulator.wait_for(registered=1)
        async with proxy.chat(headers=BY_NAME) as answer:
            assert answer.status == 429


async def test_a_failed_stream_of_the_legacy_sdk_ends_and_can_be_resumed(proxy: Proxy, simulator: Simulator) -> None:
    await simulator.order_fault("fail")
    async with proxy.chat(stream=True, headers=BY_NAME) as answer:
        blocks = blocks_of(await answer.read())
        path = f"{proxy.url}/v1/chat/completions/{answer.headers['x-generation-id']}"
    *_, reason, done = blocks
    assert b'"finish_reason":"error"' in reason
    assert b'"error":' not in b"".join(blocks)  # an error object would make the SDK raise an error
    assert done == b"data: [DONE]"
    for position, number in enumerate(numbers_of(blocks), 1):
        query = {"stream": "true", "starting_after": str(number)}
        async with proxy.client.get(path, params=query, headers=BY_NAME) as rest:
            assert blocks_of(await rest.read()) == blocks[position:]


@pytest.mark.parametrize("name", ["chatcmpl-123456789abcdef", "%ed%a0%80", "x" * 500])
async def test_only_the_legacy_sdk_gets_a_completion_for_an_unknown_id(proxy: Proxy, name: str) -> None:
    path = f"/v1/chat/completions/{name}"
    reason, why = await retrieved(proxy, path, **BY_NAME)
    assert reason == "error"
    assert why.startswith("The generation ")
    async with proxy.client.get(proxy.url + path, headers=CURRENT) as answer:
        assert answer.status == 404
