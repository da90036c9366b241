"""The bytes that chat clients rely on: complete streams, and rules whose violation once broke a client."""

import asyncio
import json
import re
from typing import Any

import pytest

from tests.conftest import HOUR, Proxy, Simulator, StartProxy, StartSimulator, in_front_of
from tests.eventually import PATIENCE
from tests.streams import read_stream, read_until

TITLE = "Provide a concise, 5-word-or-less title for the conversation\nUser: a fox"
HEAD = '{"id":"ID","object":"chat.completion.chunk","created":0,"model":"sora-1.0","sequence_number":N,'
CHUNK = HEAD + '"choices":[{"index":0,"delta":%s,"logprobs":null,"finish_reason":%s}]}'
COUNTED = CHUNK[:-1] + ',"usage":null}'
LOCAL = CHUNK.replace('"sequence_number":N,', "")
ROLE, END, DONE = ('{"role":"assistant","content":""}', "null"), ("{}", '"stop"'), "[DONE]"
NO_MORE = '{"error":{"message":"%s","type":"%s","param":null,"code":"%s"}}'


def image(text: str) -> tuple[str, str]:
    return json.dumps({"content": text}, separators=(",", ":")), "null"


def golden(raw: bytes) -> list[str]:
    """The data of a stream's events except progress. Fixed values replace the ids, times, numbers and links."""
    text = raw.decode()
    assert text.endswith("\n\n")
    blocks = [block for block in text[:-2].split("\n\n") if not block.startswith(": ")]
    assert all(block.startswith("data: ") and "\n" not in block for block in blocks), text
    text = "\n".join(block.removeprefix("data: ") for block in blocks if "reasoning_content" not in block)
    for pattern, same in (
        (r"chatcmpl-[0-9a-f]{32}", "ID"),
        (r'"created":\d+', '"created":0'),
        (r'"sequence_number":\d+', '"sequence_number":N'),
        (r"http://127\.0\.0\.1:\d+/images/[0-9a-f]{32}\.png", "URL"),
    ):
        text = re.sub(pattern, same, text)
    return text.split("\n")


REFUSED = "The order violates the back end's content policy. Change the prompt or a reference image."
BROKEN = "The back end failed to make the image."
WITH_USAGE = {"stream_options": {"include_usage": True}}
STREAMS: list[tuple[str, dict[str, Any], str | None, list[str]]] = [
    ("one image", {}, None, [CHUNK % ROLE, CHUNK % image("![a fox](URL)"), CHUNK % END, DONE]),
    (
        "two images and the usage",
        {"n": 2, **WITH_USAGE},
        None,
        [
            COUNTED % ROLE,
            COUNTED % image("![a fox](URL)"),
            COUNTED % image("\n\n![a fox](URL)"),
            COUNTED % END,
            HEAD + '"choices":[],"usage":{"prompt_tokens":2,"completion_tokens":2,"total_tokens":4}}',
            DONE,
        ],
    ),
    (
        "an image that is missing",
        {"n": 2},
        "unsafe",
        [
            CHUNK % ROLE,
            CHUNK % image("![a fox](URL)"),
            CHUNK % image("\n\nImage 2 could not be made."),
            CHUNK % END,
            DONE,
        ],
    ),
    (
        "a refusal",
        {},
        "moderation",
        [
            CHUNK % ROLE,
            CHUNK % image(f"The image could not be made. {REFUSED}"),
            NO_MORE % (REFUSED, "invalid_request_error", "content_policy_violation"),
        ],
    ),
    (
        "a failure",
        WITH_USAGE,
        "fail",
        [
            COUNTED % ROLE,
            COUNTED % image(f"The image could not be made. {BROKEN}"),
            NO_MORE % (BROKEN, "server_error", "generation_failed"),
        ],
    ),
    (
        "a side call",
        {"messages": [{"role": "user", "content": TITLE}]},
        None,
        [LOCAL % ROLE, LOCAL % image("a fox"), LOCAL % END, DONE],
    ),
]


@pytest.mark.parametrize(("fields", "fault", "events"), [row[1:] for row in STREAMS], ids=[row[0] for row in STREAMS])
async def test_a_stream_matches_its_record_byte_for_byte(
    proxy: Proxy, simulator: Simulator, fields: dict[str, Any], fault: str | None, events: list[str]
) -> None:
    if fault:
        await simulator.order_fault(fault, times=None)
    async with proxy.chat("a fox", stream=True, **fields) as answer:
        stream = await read_stream(answer)
    assert golden(stream.raw) == events


async def test_rule_2_a_stream_contains_only_data_lines_and_comments(
    start_proxy: StartProxy, start_simulator: StartSimulator
) -> None:
    async with (
        start_simulator(seconds=HOUR) as simulator,
        start_proxy(**in_front_of(simulator), heartbeat_interval=0.05) as proxy,
        proxy.chat(stream=True) as answer,
    ):
        begun = await read_until(answer, b": ping\n\n")
        await simulator.let_pass()
        raw = (await read_stream(answer, begun)).raw
    assert {block[:6] for block in raw.split(b"\n\n") if block} == {b"data: ", b": ping"}


async def test_rule_5_the_body_ends_right_after_done(proxy: Proxy) -> None:
    async with proxy.chat(stream=True) as answer:
        async for line in answer.content:
            if line == b"data: [DONE]\n":
                break
        async with asyncio.timeout(PATIENCE):
            assert await answer.content.read() == b"\n"


async def test_rule_6_no_line_is_longer_than_64_kib(proxy: Proxy) -> None:
    longest = "狐" * 32_000
    async with proxy.chat(longest, n=4, stream=True) as answer:
        stream = await read_stream(answer)
    assert stream.done
    assert max(len(line) for line in stream.raw.split(b"\n")) < 2**16


@pytest.mark.parametrize(
    ("fields", "status"),
    [({"model": "none"}, 404), ({"n": 9}, 400), ({"messages": []}, 400), ({"headers": {"authorization": "x"}}, 401)],
)
async def test_rule_7_a_refused_stream_is_answered_with_a_plain_error(
    proxy: Proxy, fields: dict[str, Any], status: int
) -> None:
    async with proxy.chat(stream=True, **fields) as answer:
        assert answer.status == status
        assert answer.content_type == "application/json"
        assert set((await answer.json())["error"]) == {"message", "type", "param", "code"}


async def test_rule_8_an_order_is_never_answered_with_409(proxy: Proxy) -> None:
    statuses = []
    for prompt in ("a fox", "another fox"):
        async with proxy.chat(prompt, background=True, headers={"idempotency-key": "one"}) as answer:
            statuses.append(answer.status)
    assert statuses == [200, 400]


@pytest.mark.parametrize("fault", ["moderation", "fail", "no_urls"])
async def test_rule_9_the_answer_to_a_failed_order_forbids_a_retry(
    proxy: Proxy, simulator: Simulator, fault: str
) -> None:
    await simulator.order_fault(fault, times=None)
    async with proxy.chat() as answer:
        assert answer.status >= 400
        assert answer.headers["x-should-retry"] == "false"


async def test_rule_10_clients_that_do_not_poll_see_only_the_finish_reason_stop(
    proxy: Proxy, simulator: Simulator
) -> None:
    reasons = set()
    for prompt in ("a fox", TITLE):
        async with proxy.chat(prompt) as answer:
            reasons.add((await answer.json())["choices"][0]["finish_reason"])
        async with proxy.chat(prompt, stream=True) as answer:
            chunks = (await read_stream(answer)).chunks
            reasons |= {choice["finish_reason"] for chunk in chunks for choice in chunk["choices"]}
    assert reasons == {None, "stop"}
