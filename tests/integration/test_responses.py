"""`/v1/responses` over real sockets, against the real simulator."""

import asyncio
import base64
import io
import json
import re
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp
import pytest
from PIL import Image

from sora_proxy.api.context import SUPERVISOR
from sora_proxy.api.http.context import MEDIA
from tests.conftest import ADMIN_KEY, HOUR, Proxy, Simulator, StartProxy, StartSimulator, in_front_of
from tests.eventually import PATIENCE, eventually
from tests.sora_server import Sora
from tests.sora_server import in_front_of as in_front_of_sora
from tests.streams import blocks_of, named_event, read_until

PUBLIC = {"base_url": "http://images.example.com", "image_localization": True}
GIF = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///ywAAAAAAQABAAACAUwAOw=="
WHOLE_STREAM = [
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.image_generation_call.in_progress",
    "response.image_generation_call.generating",
    "response.image_generation_call.completed",
    "response.output_item.done",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.completed",
]


def ask(proxy: Proxy, prompt: Any = "a red fox", **fields: Any) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
    headers = fields.pop("headers", None)
    body = {"model": "sora-1.0", "input": prompt} | fields
    return proxy.client.post(f"{proxy.url}/v1/responses", json=body, headers=headers)


async def answer_of(proxy: Proxy, prompt: Any = "a red fox", **fields: Any) -> dict[str, Any]:
    async with ask(proxy, prompt, **fields) as answer:
        assert answer.status == 200, await answer.text()
        body: dict[str, Any] = await answer.json()
        return body


async def error_of(answering: AbstractAsyncContextManager[aiohttp.ClientResponse]) -> tuple[int, dict[str, Any]]:
    async with answering as answer:
        return answer.status, (await answer.json())["error"]


async def stream_of(proxy: Proxy, response_id: str, after: int | None = None) -> list[bytes]:
    """The blocks of a resumed stream, without comments."""
    query = {"stream": "true"} | ({} if after is None else {"starting_after": str(after)})
    async with proxy.client.get(f"{proxy.url}/v1/responses/{response_id}", params=query) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.content_type == "text/event-stream"
        return blocks_of(await answer.read())


async def ended(proxy: Proxy, response_id: str) -> dict[str, Any]:
    """The response, once its stream has ended."""
    await stream_of(proxy, response_id)
    body: dict[str, Any] = await proxy.get(f"/v1/responses/{response_id}")
    return body


async def started(proxy: Proxy, **fields: Any) -> str:
    """Request a response in the background; returns its id."""
    return str((await answer_of(proxy, background=True, **fields))["id"])


async def cancel(proxy: Proxy, response_id: str) -> dict[str, Any]:
    """Cancel as the SDKs do: with a content type, and without a body."""
    headers = {"content-type": "application/json"}
    async with proxy.client.post(f"{proxy.url}/v1/responses/{response_id}/cancel", headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        body: dict[str, Any] = await answer.json()
        return body


def kinds_of(blocks: list[bytes]) -> list[str]:
    return [named_event(block)[0] for block in blocks]


def opened(encoded: str) -> Image.Image:
    image = Image.open(io.BytesIO(base64.b64decode(encoded, validate=True)))
    image.load()
    return image


async def check_every_cut(proxy: Proxy, response_id: str, uncut: list[bytes]) -> None:
    assert await stream_of(proxy, response_id) == uncut
    for position, block in enumerate(uncut, 1):
        number = named_event(block)[1]["sequence_number"]
        assert await stream_of(proxy, response_id, number) == uncut[position:]


async def test_a_response_without_streaming_has_the_image_and_its_link(proxy: Proxy) -> None:
    body = await answer_of(proxy, metadata={"album": "foxes"})

    call, message = body["output"]
    (part,) = message["content"]
    link = re.fullmatch(r"!\[a red fox\]\((\S+)\)", part["text"])
    assert link is not None
    async with proxy.client.get(link[1]) as answer:
        assert await answer.read() == base64.b64decode(call["result"], validate=True)
    assert (call["type"], call["status"], call["size"], call["output_format"]) == (
        "image_generation_call",
        "completed",
        "720x480",
        "png",
    )
    assert body["tools"] == [{"type": "image_generation", "size": "auto"}]  # older SDKs accept only a few sizes
    assert (body["status"], body["error"], body["metadata"]) == ("completed", None, {"album": "foxes"})
    assert body["usage"]["total_tokens"] == 4


async def test_chat_orders_can_be_retrieved_as_responses_and_responses_as_chat_completions(proxy: Proxy) -> None:
    body = await answer_of(proxy)
    name = body["id"].removeprefix("resp_")
    assert body["output"][0]["id"] == f"ig_{name}_0"
    completion = await proxy.get(f"/v1/chat/completions/chatcmpl-{name}")
    assert completion["choices"][0]["message"]["content"] == body["output"][1]["content"][0]["text"]

    async with proxy.chat(n=2) as answer:
        completion = await answer.json()
    body = await proxy.get(f"/v1/responses/resp_{completion['id'].removeprefix('chatcmpl-')}")
    assert [item["type"] for item in body["output"]] == ["image_generation_call"] * 2 + ["message"]
    assert body["output"][2]["content"][0]["text"] == completion["choices"][0]["message"]["content"]
    for wrong in (completion["id"], name, "resp_", "resp_" + completion["id"]):
        assert (await error_of(proxy.client.get(f"{proxy.url}/v1/responses/{wrong}")))[0] == 404


async def test_an_image_that_is_not_stored_is_linked(start_proxy: StartProxy, simulator: Simulator) -> None:
    async with start_proxy(**in_front_of(simulator), image_localization=False) as proxy:
        assert (await answer_of(proxy))["output"][0]["result"]
        async with proxy.chat() as answer:
            name = (await answer.json())["id"].removeprefix("chatcmpl-")
        call, message = (await proxy.get(f"/v1/responses/resp_{name}"))["output"]
    assert (call["status"], call["result"]) == ("completed", None)
    assert simulator.url in message["content"][0]["text"]


@pytest.mark.parametrize(
    ("prompt", "uploads"),
    [
        ([{"role": "user", "content": "a red fox"}], 0),
        ([{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a red fox"}]}], 0),
        ([{"role": "developer", "content": "a red fox"}], 0),
        (
            [
                {"role": "user", "content": "a bear"},
                {"type": "reasoning", "summary": []},
                {"type": "image_generation_call", "id": "ig_1", "result": "AAAA"},
                {"role": "assistant", "content": [{"type": "output_text", "text": "![a bear](x)"}]},
                {"role": "user", "content": [{"type": "input_text", "text": "a red fox"}]},
            ],
            0,
        ),
        (
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "input_text", "text": "a red fox"},
                        {"type": "input_image", "image_url": GIF, "detail": "auto"},
                    ],
                }
            ],
            1,
        ),
    ],
)
async def test_the_prompt_is_the_last_message_of_the_user(
    proxy: Proxy, simulator: Simulator, prompt: Any, uploads: int
) -> None:
    body = await answer_of(proxy, prompt)
    items = await proxy.get(f"/v1/responses/{body['id']}/input_items")
    assert items["data"][0]["content"] == [{"type": "input_text", "text": "a red fox"}]
    assert len((await simulator.stats())["uploads"]) == uploads


async def test_the_image_tool_sets_the_image_options_and_unsupported_fields_are_ignored(proxy: Proxy) -> None:
    tool = {"type": "image_generation", "size": "1024x1536", "output_format": "webp", "output_compression": 40}
    body = await answer_of(
        proxy,
        tools=[{"type": "function", "name": "f"}, tool],
        tool_choice={"type": "image_generation"},
        temperature="warm",
        reasoning={"effort": "none"},
        include=["x"],
        store=False,
        truncation=0,
    )
    image = opened(body["output"][0]["result"])
    assert (image.format, image.size) == ("WEBP", (1024, 1536))
    assert body["tools"] == [{"type": "image_generation", "size": "1024x1536", "output_format": "webp"}]
    assert body["output"][0]["size"] == "1024x1536"


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"input": None}, 400, "input"),
        ({"input": ""}, 400, "input"),
        ({"input": []}, 400, "input"),
        ({"input": [{"type": "reasoning"}]}, 400, "input"),
        ({"input": [7]}, 400, "input[0]"),
        ({"input": [{"role": "user", "content": [{"type": "input_audio"}]}]}, 400, "input"),
        ({"input": [{"role": "king", "content": "x"}]}, 400, "input[0].role"),
        ({"tools": [{"type": "image_generation", "size": 7}]}, 400, "tools.size"),
        ({"tools": [{"type": "image_generation", "size": "huge"}]}, 400, "size"),
        ({"tools": [{"type": "image_generation", "output_format": "svg"}]}, 400, "tools.output_format"),
        ({"stream": "yes"}, 400, "stream"),
        ({"metadata": {"k": 1}}, 400, "metadata"),
        ({"model": "gpt-9"}, 404, "model"),
        ({"previous_response_id": "resp_none"}, 400, "previous_response_id"),
    ],
)
async def test_a_bad_parameter_is_refused_by_name_before_an_order_is_placed(
    proxy: Proxy, simulator: Simulator, fields: dict[str, Any], status: int, param: str
) -> None:
    refused, error = await error_of(ask(proxy, **fields))
    assert (refused, error["param"]) == (status, param)
    assert (await simulator.stats())["registered"] == 0


async def test_a_request_without_a_model_uses_the_first_model(proxy: Proxy) -> None:
    assert (await answer_of(proxy, model=None))["model"] == "sora-1.0"
    assert (await answer_of(proxy, model="gpt-image-1"))["model"] == "gpt-image-1"


async def test_a_background_response_is_answered_at_once_and_retrieved_later(
    start_simulator: StartSimulator, start_proxy: StartProxy
) -> None:
    async with start_simulator(seconds=HOUR) as simulator, start_proxy(**in_front_of(simulator)) as proxy:
        async with ask(proxy, background=True) as answer:
            body = await answer.json()
            assert answer.headers["openai-poll-after-ms"] == "2000"
            assert answer.headers["x-generation-id"] == body["id"].replace("resp_", "chatcmpl-")
        assert (body["status"], body["output"], body["usage"]) == ("queued", [], None)
        await simulator.wait_for(registered=1)
        body = await proxy.get(f"/v1/responses/{body['id']}")
        assert (body["status"], body["output"]) == ("in_progress", [])
        await simulator.let_pass()
        assert (await ended(proxy, body["id"]))["status"] == "completed"


async def test_a_stream_has_the_events_that_sdks_expect_and_progress_between_them(
    start_simulator: StartSimulator, start_proxy: StartProxy
) -> None:
    async with (
        start_simulator(seconds=HOUR) as simulator,
        start_proxy(**in_front_of(simulator), heartbeat_interval=0.1) as proxy,
        ask(proxy, stream=True) as answer,
    ):
        await simulator.let_pass(HOUR / 2)
        begun = await read_until(answer, b"\n: ping\n", b" %\n")
        await simulator.let_pass(HOUR / 2)
        raw = begun + await answer.read()
        retrieved = await proxy.get(f"/v1/responses/{answer.headers['x-generation-id'].replace('chatcmpl-', 'resp_')}")
    events = [named_event(block) for block in blocks_of(raw)]

    assert [kind for kind, _ in events] == WHOLE_STREAM
    assert all(event["type"] == kind for kind, event in events)
    numbers = [event["sequence_number"] for _, event in events]
    assert numbers == sorted(set(numbers))
    assert [event["response"]["status"] for _, event in events[:2]] == ["in_progress"] * 2
    assert events[-1][1]["response"] == retrieved
    assert events[6][1]["item"] == retrieved["output"][0]
    assert events[12][1]["item"] == retrieved["output"][1]
    assert re.search(rb"^: \d+ %$", raw, re.MULTILINE)
    assert b"[DONE]" not in raw
    assert not re.search(rb"^id:", raw, re.MULTILINE)


async def test_a_stream_resumed_after_any_event_sends_the_rest_even_after_a_restart(
    start_proxy: StartProxy, simulator: Simulator
) -> None:
    settings = in_front_of(simulator) | PUBLIC
    async with start_proxy(**settings) as proxy:
        async with ask(proxy, stream=True) as answer:
            uncut = blocks_of(await answer.read())
        response_id = named_event(uncut[0])[1]["response"]["id"]
        await check_every_cut(proxy, response_id, uncut)
    async with start_proxy(**settings) as proxy:
        await check_every_cut(proxy, response_id, uncut)


async def test_a_stream_may_be_requested_with_the_value_true_or_1(
    start_proxy: StartProxy, simulator: Simulator
) -> None:
    async with start_proxy(**in_front_of(simulator)) as proxy:
        async with ask(proxy, stream=True) as answer:
            uncut = blocks_of(await answer.read())
        url = f"{proxy.url}/v1/responses/{named_event(uncut[0])[1]['response']['id']}"
        for asked in ("true", "True", "1"):
            async with proxy.client.get(url, params={"stream": asked}) as answer:
                assert blocks_of(await answer.read()) == uncut
        async with proxy.client.get(url, params={"stream": "false"}) as answer:
            assert answer.content_type == "application/json"


async def test_a_stream_cut_by_a_restart_continues_in_the_next_process(
    start_simulator: StartSimulator, start_proxy: StartProxy
) -> None:
    async with start_simulator(seconds=HOUR) as simulator:
        settings = in_front_of(simulator) | PUBLIC
        async with start_proxy(**settings) as proxy, ask(proxy, stream=True) as answer:
            await simulator.wait_for(registered=1)
            await proxy.app[SUPERVISOR].stop(PATIENCE)
            *before, last = blocks_of(await answer.read())
        kind, error = named_event(last)
        number = named_event(before[-1])[1]["sequence_number"]
        response_id = named_event(before[0])[1]["response"]["id"]
        assert (kind, error["code"], error["sequence_number"]) == ("error", "server_stopping", number)
        assert f"/v1/responses/{response_id}?stream=true&starting_after={number}" in error["message"]
        await simulator.let_pass()
        async with start_proxy(**settings) as proxy:
            rest = await stream_of(proxy, response_id, number)
            assert before + rest == await stream_of(proxy, response_id)
    assert kinds_of(before + rest) == WHOLE_STREAM


async def test_the_stream_of_an_unfinished_response_begins_at_once(start_proxy: StartProxy, sora: Sora) -> None:
    sora.on_order = sora.take_and_run
    async with start_proxy(**in_front_of_sora(sora)) as proxy, ask(proxy, stream=True) as answer:
        events = [await answer.content.readuntil(b"\n\n") for _ in range(4)]
        assert [named_event(event.strip())[0] for event in events] == WHOLE_STREAM[:4]


async def test_a_refused_prompt_is_reported_with_and_without_streaming(
    start_proxy: StartProxy, simulator: Simulator
) -> None:
    await simulator.order_fault("moderation", times=None)
    settings = in_front_of(simulator)
    async with start_proxy(**settings) as proxy:
        async with ask(proxy) as answer:
            assert (answer.status, answer.headers["x-should-retry"]) == (400, "false")
            assert (await answer.json())["error"]["code"] == "content_policy_violation"
        async with ask(proxy, stream=True) as answer:
            uncut = blocks_of(await answer.read())
        kind, event = named_event(uncut[-1])
        assert kind == "response.failed"
        body = event["response"]
        assert (body["status"], body["error"]["code"]) == ("failed", "invalid_prompt")
        (call,) = body["output"]
        assert (call["status"], call["error"]["code"]) == ("failed", "content_policy_violation")
        assert named_event(uncut[-2])[1]["item"] == call
        assert body == await proxy.get(f"/v1/responses/{body['id']}")
        await check_every_cut(proxy, body["id"], uncut)
    async with start_proxy(**settings) as proxy:
        await check_every_cut(proxy, body["id"], uncut)


async def test_a_late_failure_is_answered_with_a_failed_response(start_proxy: StartProxy, simulator: Simulator) -> None:
    await simulator.order_fault("fail", times=None)
    settings = in_front_of(simulator) | {"keepalive_after": 0.0, "heartbeat_interval": 0.05}
    async with start_proxy(**settings) as proxy, ask(proxy) as answer:
        assert answer.status == 200
        raw = await answer.read()
    body = json.loads(raw)
    assert raw.startswith(b" ")
    assert (body["status"], body["error"]["code"]) == ("failed", "server_error")


async def test_a_client_gets_the_id_of_its_response_before_its_own_timeout(
    start_proxy: StartProxy, simulator: Simulator
) -> None:
    await simulator.order_fault("never_finish", times=None)
    impatient = {"headers": {"x-stainless-read-timeout": "0.6"}}
    async with start_proxy(**in_front_of(simulator)) as proxy, ask(proxy, **impatient) as answer:
        assert (answer.status, answer.headers["x-should-retry"]) == (504, "false")
        error = (await answer.json())["error"]
        assert error["code"] == "generation_timeout"
        (response_id,) = re.findall(r"resp_[0-9a-f]{32}", error["message"])
        await simulator.wait_for(registered=1)
        assert (await proxy.get(f"/v1/responses/{response_id}"))["status"] == "in_progress"
    settings = in_front_of(simulator) | {"keepalive_after": 0.1, "heartbeat_interval": 0.1}
    async with start_proxy(**settings) as proxy, ask(proxy, **impatient) as answer:
        assert (await answer.json())["status"] in ("queued", "in_progress")


async def test_cancelling_ends_a_response_for_all_its_readers(start_proxy: StartProxy, simulator: Simulator) -> None:
    await simulator.order_fault("never_finish", times=None)
    settings = in_front_of(simulator)
    async with start_proxy(**settings) as proxy:
        async with ask(proxy, stream=True) as answer:
            response_id = answer.headers["x-generation-id"].replace("chatcmpl-", "resp_")
            await simulator.wait_for(registered=1)
            cancelled = await cancel(proxy, response_id)
            uncut = blocks_of(await answer.read())
        assert (cancelled["status"], cancelled["output"][0]["status"]) == ("cancelled", "failed")
        kind, event = named_event(uncut[-1])
        assert (kind, event["response"]) == ("response.failed", cancelled)
        assert await cancel(proxy, response_id) == cancelled
        await check_every_cut(proxy, response_id, uncut)


async def test_a_response_can_be_deleted_only_when_it_is_finished(proxy: Proxy, simulator: Simulator) -> None:
    await simulator.order_fault("never_finish", times=1)
    running = await started(proxy)
    async with proxy.client.delete(f"{proxy.url}/v1/responses/{running}") as answer:
        assert (answer.status, answer.headers["x-should-retry"]) == (409, "false")
    body = await answer_of(proxy)
    link = body["output"][1]["content"][0]["text"].split("(")[1][:-1]
    async with proxy.client.delete(f"{proxy.url}/v1/responses/{body['id']}") as answer:
        assert await answer.json() == {"id": body["id"], "object": "response", "deleted": True}
    for url in (link, f"{proxy.url}/v1/responses/{body['id']}"):
        assert (await error_of(proxy.client.get(url)))[0] == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/responses/{}"),
        ("GET", "/v1/responses/{}?stream=true"),
        ("DELETE", "/v1/responses/{}"),
        ("POST", "/v1/responses/{}/cancel"),
        ("GET", "/v1/responses/{}/input_items"),
    ],
)
async def test_another_clients_response_is_answered_like_an_unknown_response(
    proxy: Proxy, session: aiohttp.ClientSession, method: str, path: str
) -> None:
    response_id, answers = await started(proxy), []
    for asked in (response_id, "resp_" + "0" * 32):
        headers = {"authorization": f"Bearer {ADMIN_KEY}"}
        async with session.request(method, proxy.url + path.format(asked), headers=headers) as answer:
            answers.append((answer.status, (await answer.text()).replace(asked, "")))
    assert answers[0] == answers[1]
    assert answers[0][0] == 404


async def test_a_request_with_a_previous_response_starts_from_the_image_of_that_response(
    proxy: Proxy, simulator: Simulator
) -> None:
    first = await answer_of(proxy)
    second = await answer_of(proxy, "the same fox at night", previous_response_id=first["id"])
    image = base64.b64decode(first["output"][0]["result"])
    (upload,) = (await simulator.stats())["uploads"]
    assert upload["bytes"] == len(image)
    assert (await proxy.get(f"/v1/responses/{first['id']}")) == first
    assert second["status"] == "completed"
    inputs = proxy.app[MEDIA].input_path("")
    assert await asyncio.to_thread(lambda: [*inputs.iterdir()]) == []


async def test_an_image_in_the_prompt_takes_precedence_over_the_previous_response(
    proxy: Proxy, simulator: Simulator
) -> None:
    first = await answer_of(proxy)
    content = [{"type": "input_text", "text": "at night"}, {"type": "input_image", "image_url": GIF}]
    await answer_of(proxy, [{"role": "user", "content": content}], previous_response_id=first["id"])
    (upload,) = (await simulator.stats())["uploads"]
    assert upload["bytes"] == len(base64.b64decode(GIF.partition(",")[2]))


async def test_a_request_whose_previous_response_has_no_image_is_refused(proxy: Proxy, simulator: Simulator) -> None:
    await simulator.order_fault("never_finish", times=None)
    status, error = await error_of(ask(proxy, previous_response_id=await started(proxy)))
    assert (status, error["code"]) == (400, "previous_response_without_picture")


async def test_a_repeated_request_places_one_order(proxy: Proxy, simulator: Simulator) -> None:
    first = await answer_of(proxy, headers={"idempotency-key": "k"})
    assert await answer_of(proxy, headers={"idempotency-key": "k"}) == first
    assert await answer_of(proxy, headers={"x-stainless-retry-count": "1"}) == first
    async with ask(proxy, stream=True, headers={"idempotency-key": "k"}) as answer:
        assert named_event(blocks_of(await answer.read())[-1])[1]["response"] == first
    assert (await simulator.stats())["registered"] == 1


@pytest.mark.parametrize(
    "asked",
    [
        {"prompt": "Provide a concise, 5-word-or-less title for the conversation\n||>User: a red fox in the snow"},
        {"prompt": "a red fox", "instructions": "Summarize the conversation into a title in English"},
    ],
)
async def test_side_calls_of_programs_order_no_image(proxy: Proxy, simulator: Simulator, asked: dict[str, Any]) -> None:
    body = await answer_of(proxy, **asked)
    (message,) = body["output"]
    assert (body["status"], body["usage"]["input_tokens"]) == ("completed", len(asked["prompt"].split()))
    assert message["content"][0]["text"]
    async with ask(proxy, **asked, stream=True) as answer:
        blocks = blocks_of(await answer.read())
    assert kinds_of(blocks) == [*WHOLE_STREAM[:2], *WHOLE_STREAM[7:]]
    assert named_event(blocks[-1])[1]["response"]["output"][0]["content"] == message["content"]
    assert (await simulator.stats())["registered"] == 0


async def test_a_response_with_the_cancel_header_is_cancelled_when_its_client_leaves(
    start_proxy: StartProxy, simulator: Simulator
) -> None:
    await simulator.order_fault("never_finish", times=None)
    async with start_proxy(**in_front_of(simulator), abandon_grace=0.0) as proxy:
        async with ask(proxy, stream=True, headers={"x-on-disconnect": "cancel"}) as answer:
            await answer.content.readline()
            answer.close()
        path = f"/v1/responses/{answer.headers['x-generation-id'].replace('chatcmpl-', 'resp_')}"

        async def is_cancelled() -> bool:
            return bool((await proxy.get(path))["status"] == "cancelled")

        await eventually(is_cancelled)


@pytest.mark.parametrize("number", ["-1", "x", "99999", ""])
async def test_an_unknown_sequence_number_is_refused(proxy: Proxy, number: str) -> None:
    response_id = (await answer_of(proxy))["id"]
    query = {"stream": "true", "starting_after": number}
    status, error = await error_of(proxy.client.get(f"{proxy.url}/v1/responses/{response_id}", params=query))
    assert (status, error["param"]) == (400, "starting_after")
