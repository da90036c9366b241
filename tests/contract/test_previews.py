"""If a back end has previews, they reach the streams that request them, and no other streams."""

import base64
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from openai.types import ImageGenPartialImageEvent
from openai.types.responses import ResponseImageGenCallPartialImageEvent

from sora_proxy.api.context import SUPERVISOR
from sora_proxy.generation import Generation
from tests.conftest import Proxy
from tests.contract.conftest import Contract
from tests.contract.test_inputs import image
from tests.eventually import PATIENCE, eventually
from tests.streams import blocks_of, named_event, read_until

Start = Callable[..., AbstractAsyncContextManager[Proxy]]
PREVIEWS = [image("PNG", colour) for colour in ("grey", "silver", "white")]


@pytest.fixture(autouse=True)
def _has_previews(contract: Contract) -> None:
    if not contract.stage.shows_previews:
        pytest.skip("its protocol has no previews")
    contract.stage.script.tasks_end = False


def ask(proxy: Proxy, contract: Contract, **fields: Any) -> Any:
    body = {"prompt": "a fox", "model": contract.model, "stream": True, "partial_images": 2} | fields
    return proxy.client.post(f"{proxy.url}/v1/images/generations", json=body)


def events_of(raw: bytes) -> list[tuple[str, dict[str, Any]]]:
    return [named_event(block) for block in blocks_of(raw)]


async def shown(proxy: Proxy, contract: Contract, preview: bytes) -> Generation:
    """The only generation, once the back end has shown a preview of it."""
    await contract.stage.show(preview)

    async def look() -> Generation | None:
        (generation,) = proxy.app[SUPERVISOR].unfinished
        shown = generation.previews.get(0)
        return generation if shown and shown.content == preview else None

    return await eventually(look)


async def test_a_stream_shows_the_requested_number_of_previews_and_then_the_image(
    start: Start, contract: Contract
) -> None:
    async with start() as proxy, ask(proxy, contract) as answer:
        raw = b""
        for preview in PREVIEWS[:2]:
            await contract.stage.show(preview)
            raw += await read_until(answer, b"event: image_generation.partial_image")
        generation = await shown(proxy, contract, PREVIEWS[2])
        await contract.stage.show(None)
        *partial, (kind, completed) = events_of(raw + await answer.read())
        assert not generation.previews
    assert [name for name, _ in partial] == ["image_generation.partial_image"] * 2
    assert [event["partial_image_index"] for _, event in partial] == [0, 1]
    assert [base64.b64decode(event["b64_json"]) for _, event in partial] == PREVIEWS[:2]
    for _, event in partial:
        assert ImageGenPartialImageEvent.model_validate(event).output_format == "png"
    assert kind == "image_generation.completed"
    assert base64.b64decode(completed["b64_json"]) not in PREVIEWS
    assert contract.stage.received.previews == 2


async def test_a_response_stream_shows_previews_and_can_be_resumed_after_a_preview(
    start: Start, contract: Contract
) -> None:
    tool = {"type": "image_generation", "partial_images": 1}
    body = {"model": contract.model, "input": "a fox", "stream": True, "tools": [tool]}
    async with start() as proxy, proxy.client.post(f"{proxy.url}/v1/responses", json=body) as answer:
        await contract.stage.show(PREVIEWS[0])
        raw = await read_until(answer, b"event: response.image_generation_call.partial_image")
        while not raw.endswith(b"\n\n"):
            raw += await answer.content.readany()
        *_, (kind, preview) = events_of(raw)
        assert kind == "response.image_generation_call.partial_image"
        assert ResponseImageGenCallPartialImageEvent.model_validate(preview).partial_image_index == 0
        assert base64.b64decode(preview["partial_image_b64"]) == PREVIEWS[0]
        response_id = answer.headers["x-generation-id"].replace("chatcmpl-", "resp_")
        resumed = f"{proxy.url}/v1/responses/{response_id}?stream=true&starting_after={preview['sequence_number']}"
        async with proxy.client.get(resumed) as rest:
            await shown(proxy, contract, PREVIEWS[1])
            again = await read_until(rest, b"event: response.image_generation_call.partial_image")
            await contract.stage.show(None)
            first = [event for event in events_of(raw + await answer.read()) if event[1] != preview]
            second = events_of(again + await rest.read())
    assert first[-1][0] == second[-1][0] == "response.completed"
    for told in (first, second):
        numbers = [event["sequence_number"] for _, event in told]
        assert numbers == sorted(set(numbers))
    after = [event for event in second if not event[0].endswith("partial_image")]
    assert after == [event for event in first if event[1]["sequence_number"] > preview["sequence_number"]]


async def test_streams_that_did_not_request_previews_get_neither_previews_nor_extra_comments(
    start: Start, contract: Contract
) -> None:
    async with start(heartbeat_interval=PATIENCE) as proxy, ask(proxy, contract) as answer:
        path = f"{proxy.url}/v1/generation/{answer.headers['x-generation-id']}"
        async with proxy.client.get(f"{path}?stream=true") as chat, proxy.client.get(f"{path}/events") as events:
            begun = await read_until(chat, b'"role"'), await read_until(events, b": ping")
            for preview in PREVIEWS:
                await shown(proxy, contract, preview)
            await contract.stage.show(None)
            raw = begun[0] + await chat.read()
            assert raw.endswith(b"data: [DONE]\n\n")
            assert raw.count(b": ping") == 0
            assert (begun[1] + await events.read()).count(b": ping") == 1


async def test_a_preview_is_never_the_result_of_a_failed_order(start: Start, contract: Contract) -> None:
    contract.stage.fails = True
    async with start() as proxy:
        async with ask(proxy, contract) as answer:
            await contract.stage.show(PREVIEWS[0])
            raw = await read_until(answer, b"event: image_generation.partial_image")
            (generation,) = proxy.app[SUPERVISOR].unfinished
            await contract.stage.show(None)
            events = events_of(raw + await answer.read())
        assert [name for name, _ in events] == ["image_generation.partial_image", "error"]
        assert events[-1][1]["error"]["code"] in ("generation_failed", "outcome_unknown")
        (listed,) = (await proxy.get("/v1/generations"))["data"]
        assert (listed["status"], listed["pictures"]) == ("failed", [])
        assert not generation.previews
    assert contract.stage.registered == 1


async def test_cancelling_an_order_removes_its_previews(start: Start, contract: Contract) -> None:
    async with start() as proxy, ask(proxy, contract) as answer:
        generation = await shown(proxy, contract, PREVIEWS[0])
        path = f"{proxy.url}/v1/generation/{generation.id}/cancel"
        async with proxy.client.post(path) as cancelled:
            assert (await cancelled.json())["status"] == "cancelled"
        assert not generation.previews
        await answer.read()
        await contract.stage.show(None)
