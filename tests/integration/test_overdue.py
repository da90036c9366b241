"""A client's request ends with a timeout if its order takes too long, but the order continues."""

from typing import Any

import pytest
from pydantic import SecretStr

from tests.conftest import HOUR, Proxy, StartProxy, StartSimulator, in_front_of
from tests.eventually import eventually
from tests.receiver import SECRET, serve_receiver
from tests.streams import blocks_of, read_stream

SHORT = {"generation_timeout": 0.5, "image_localization": True}
PROMPT = "a red fox"
CHAT = "/v1/chat/completions", {"model": "sora-1.0", "messages": [{"role": "user", "content": PROMPT}]}
IMAGES = "/v1/images/generations", {"prompt": PROMPT}
RESPONSES = "/v1/responses", {"input": PROMPT}
FORMS = {
    f"{path}, {'streamed' if stream else 'whole'}": (path, body | {"stream": stream})
    for path, body in (CHAT, IMAGES, RESPONSES)
    for stream in (True, False)
}


async def status_of(proxy: Proxy, generation_id: str) -> str:
    (found,) = [each for each in (await proxy.get("/v1/generations"))["data"] if each["id"] == generation_id]
    return str(found["status"])


async def wait_in_vain(proxy: Proxy) -> str:
    """Place an order, and read its stream until the server ends it with a timeout; returns the id."""
    async with proxy.chat(stream=True) as answer:
        stream = await read_stream(answer)
    assert stream.error is not None
    assert stream.error["code"] == "generation_timeout"
    return str(stream.headers["x-generation-id"])


@pytest.mark.parametrize(("path", "body"), FORMS.values(), ids=list(FORMS))
async def test_an_order_continues_after_the_wait_of_its_client_has_ended(
    start_proxy: StartProxy, start_simulator: StartSimulator, path: str, body: dict[str, Any]
) -> None:
    async with start_simulator(seconds=HOUR) as simulator, start_proxy(**in_front_of(simulator), **SHORT) as proxy:
        async with proxy.client.post(proxy.url + path, json=body) as answer:
            text = await answer.text()
            assert answer.status == (200 if body["stream"] else 504)
        assert '"generation_timeout"' in text
        assert "[DONE]" not in text
        generation_id = answer.headers["x-generation-id"]
        assert generation_id.removeprefix("chatcmpl-") in text  # each route has its own prefix for the id
        assert await status_of(proxy, generation_id) == "in_progress"
        await simulator.let_pass()
        assert (await proxy.ended(generation_id))["choices"][0]["finish_reason"] == "stop"
        assert await status_of(proxy, generation_id) == "completed"


async def test_streams_resumed_while_an_overdue_order_is_running_end_with_a_timeout(
    start_proxy: StartProxy, start_simulator: StartSimulator
) -> None:
    async with start_simulator(seconds=HOUR) as simulator, start_proxy(**in_front_of(simulator), **SHORT) as proxy:
        generation_id = await wait_in_vain(proxy)
        chat = f"{proxy.url}/v1/chat/completions/{generation_id}?stream=true"
        plain = f"{proxy.url}/v1/generation/{generation_id}/events"
        async with proxy.client.get(chat) as answer:
            assert b'"generation_timeout"' in await answer.read()
        async with proxy.client.get(plain) as answer:
            assert blocks_of(await answer.read())[-1].startswith(b"event: generation_timeout")
        await simulator.let_pass()
        await proxy.ended(generation_id)
        async with proxy.client.get(chat) as answer:
            assert (await read_stream(answer)).done
        async with proxy.client.get(plain) as answer:
            assert b"event: completed" in blocks_of(await answer.read())[-1]


async def test_a_background_request_for_an_overdue_order_gets_no_timeout(
    start_proxy: StartProxy, start_simulator: StartSimulator
) -> None:
    async with start_simulator(seconds=HOUR) as simulator, start_proxy(**in_front_of(simulator), **SHORT) as proxy:
        headers = {"idempotency-key": "one order"}
        async with proxy.chat(stream=True, headers=headers) as answer:
            await answer.read()
        async with proxy.chat(background=True, headers=headers) as answer:
            assert answer.status == 200
            assert (await answer.json())["choices"][0]["finish_reason"] == "processing"
        async with proxy.chat(headers=headers) as answer:
            assert answer.status == 504


async def test_an_overdue_order_keeps_its_slot(start_proxy: StartProxy, start_simulator: StartSimulator) -> None:
    async with start_simulator(seconds=HOUR) as simulator:
        settings = in_front_of(simulator, max_concurrent=1)
        async with start_proxy(**settings, **SHORT) as proxy:
            overdue = await wait_in_vain(proxy)
            async with proxy.chat(background=True) as answer:
                waiting = answer.headers["x-generation-id"]
            assert await status_of(proxy, waiting) == "queued"
            assert await status_of(proxy, overdue) == "in_progress"
            await simulator.let_pass()
            await proxy.ended(overdue)
            await simulator.wait_for(registered=2)


async def test_the_outcome_of_an_order_that_was_given_up_never_changes(
    start_proxy: StartProxy, start_simulator: StartSimulator
) -> None:
    async with start_simulator(seconds=HOUR) as simulator, serve_receiver() as receiver:
        webhooks = {"webhook_allow": (receiver.host,), "webhook_secret": SecretStr(SECRET)}
        settings = in_front_of(simulator) | SHORT | webhooks | {"give_up_after": 1.0}
        async with start_proxy(**settings) as proxy:
            async with proxy.chat(metadata={"webhook_url": receiver.url}) as answer:
                assert (answer.status, (await answer.json())["error"]["code"]) == (504, "generation_timeout")
            generation_id = answer.headers["x-generation-id"]
            call = await receiver.until(1)
            assert call.event["type"] == "generation.failed"
            assert call.event["data"]["error"]["code"] == "generation_timeout"
            await simulator.let_pass()
            async with proxy.chat("the next one is polled"):
                pass
            assert await status_of(proxy, generation_id) == "failed"


async def test_the_webhook_of_an_overdue_order_reports_its_final_outcome(
    start_proxy: StartProxy, start_simulator: StartSimulator
) -> None:
    async with start_simulator(seconds=HOUR) as simulator, serve_receiver() as receiver:
        webhooks = {"webhook_allow": (receiver.host,), "webhook_secret": SecretStr(SECRET)}
        async with start_proxy(**in_front_of(simulator), **SHORT, **webhooks) as proxy:
            async with proxy.chat(metadata={"webhook_url": receiver.url}) as answer:
                assert answer.status == 504
            assert receiver.calls == []
            await simulator.let_pass()
            assert (await receiver.until(1)).event["type"] == "generation.completed"


async def test_the_timeout_of_an_order_starts_again_after_a_restart(
    start_proxy: StartProxy, start_simulator: StartSimulator
) -> None:
    async with start_simulator(seconds=HOUR) as simulator:
        async with start_proxy(**in_front_of(simulator), **SHORT) as proxy:
            generation_id = await wait_in_vain(proxy)
        async with start_proxy(**in_front_of(simulator)) as proxy:
            url = f"{proxy.url}/v1/chat/completions/{generation_id}?stream=true"
            async with proxy.client.get(url) as answer:
                await simulator.let_pass()
                assert (await read_stream(answer)).done


async def test_an_order_stays_in_progress_while_every_search_for_it_fails(
    start_proxy: StartProxy, start_simulator: StartSimulator
) -> None:
    async with start_simulator() as simulator:
        settings = in_front_of(simulator)
        async with start_proxy(**settings, **SHORT) as proxy:
            async with proxy.chat("shows the server that lists contain prompts") as answer:
                assert answer.status == 200
            await simulator.order_fault("drop", endpoint="submit", times=1, registered=True)
            await simulator.order_fault("server_error", endpoint="list", times=None)
            generation_id = await wait_in_vain(proxy)
            assert await status_of(proxy, generation_id) == "in_progress"
            async with simulator.session.delete(f"{simulator.url}/simulator/faults") as cleared:
                assert cleared.status < 300

            async def look() -> bool:
                return await status_of(proxy, generation_id) == "completed"

            await eventually(look)
