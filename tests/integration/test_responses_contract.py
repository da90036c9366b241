"""The streams of the Responses API, byte by byte."""

import re

import pytest

from tests.conftest import Proxy, Simulator
from tests.streams import blocks_of

BARE = (
    '{"id":"resp_NAME","object":"response","created_at":0,"status":"%s","model":"sora-1.0","output":[%s],"error":%s,'
    '"incomplete_details":null,"instructions":null,"metadata":{},"parallel_tool_calls":false,"temperature":null,'
    '"tool_choice":"auto","tools":[{"type":"image_generation","size":"auto"}],"top_p":null,"usage":%s}'
)
MADE_BY = '"backend":"sora","backend_model":"sora-1.0","backend_id":TASK,"ignored_parameters":[]'
ENDED = BARE.removesuffix("}") + f",{MADE_BY}}}"
BEGUN = BARE % ("in_progress", "", "null", "null")
CALL = '{"id":"ig_NAME_0","type":"image_generation_call","status":"%s","result":%s%s}'
MADE = CALL % ("completed", '"BASE64"', ',"size":"720x480","output_format":"png"')
PART = '{"type":"output_text","text":"%s","annotations":[],"logprobs":[]}'
MESSAGE = '{"id":"msg_NAME","type":"message","role":"assistant","status":"%s","content":[%s]}'
SAID = MESSAGE % ("completed", PART % "![a fox](URL)")
USAGE = (
    '{"input_tokens":2,"input_tokens_details":{"cached_tokens":0,"cache_write_tokens":0},'
    '"output_tokens":1,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":3}'
)
IN_MESSAGE = '"output_index":1,"item_id":"msg_NAME","content_index":0'
OPENING = [
    ("response.created", f'"response":{BEGUN}'),
    ("response.in_progress", f'"response":{BEGUN}'),
    ("response.output_item.added", f'"output_index":0,"item":{CALL % ("in_progress", "null", "")}'),
    ("response.image_generation_call.in_progress", '"item_id":"ig_NAME_0","output_index":0'),
]
GENERATING = ("response.image_generation_call.generating", '"item_id":"ig_NAME_0","output_index":0')
GOOD_END = [
    ("response.image_generation_call.completed", '"item_id":"ig_NAME_0","output_index":0'),
    ("response.output_item.done", f'"output_index":0,"item":{MADE}'),
    ("response.output_item.added", f'"output_index":1,"item":{MESSAGE % ("in_progress", "")}'),
    ("response.content_part.added", f'{IN_MESSAGE},"part":{PART % ""}'),
    ("response.output_text.delta", f'{IN_MESSAGE},"delta":"![a fox](URL)","logprobs":[]'),
    ("response.output_text.done", f'{IN_MESSAGE},"text":"![a fox](URL)","logprobs":[]'),
    ("response.content_part.done", f'{IN_MESSAGE},"part":{PART % "![a fox](URL)"}'),
    ("response.output_item.done", f'"output_index":1,"item":{SAID}'),
    ("response.completed", f'"response":{ENDED % ("completed", f"{MADE},{SAID}", "null", USAGE)}'),
]
REFUSAL = "The order violates the back end's content policy. Change the prompt or a reference image."
REFUSED = CALL % (
    "failed",
    "null",
    f',"error":{{"message":"{REFUSAL}","type":"invalid_request_error","param":null,"code":"content_policy_violation"}}',
)
ERROR = f'{{"code":"invalid_prompt","message":"{REFUSAL}"}}'
BAD_END = [
    ("response.output_item.done", f'"output_index":0,"item":{REFUSED}'),
    ("response.failed", f'"response":{ENDED % ("failed", REFUSED, ERROR, "null")}'),
]


def golden(raw: bytes) -> list[tuple[str, str]]:
    """The names and data of a stream's events, with fixed values for the ids, times, images and links."""
    text = b"\n".join(blocks_of(raw)).decode()
    for pattern, same in (
        (r"_[0-9a-f]{32}", "_NAME"),
        (r'"created_at":\d+', '"created_at":0'),
        (r'"sequence_number":\d+,', ""),
        (r'"backend_id":(null|"[^"]+")', '"backend_id":TASK'),
        (r'"result":"[^"]+"', '"result":"BASE64"'),
        (r"http://127\.0\.0\.1:\d+/images/[0-9a-f]{32}\.png", "URL"),
    ):
        text = re.sub(pattern, same, text)
    lines = text.split("\n")
    return list(zip(lines[::2], lines[1::2], strict=True))


@pytest.mark.parametrize(
    ("fault", "ending"), [(None, [GENERATING, *GOOD_END]), ("moderation", BAD_END)], ids=["good", "bad"]
)
async def test_a_stream_matches_its_record_byte_for_byte(
    proxy: Proxy, simulator: Simulator, fault: str | None, ending: list[tuple[str, str]]
) -> None:
    if fault:
        await simulator.order_fault(fault, times=None)
    body = {"model": "sora-1.0", "input": "a fox", "stream": True}
    async with proxy.client.post(f"{proxy.url}/v1/responses", json=body) as answer:
        told = golden(await answer.read())
    wanted = [(f"event: {kind}", f'data: {{"type":"{kind}",{rest}}}') for kind, rest in [*OPENING, *ending]]
    if fault:  # the event may or may not come before the refusal
        told = [event for event in told if not event[0].endswith(".generating")]
    assert told == wanted
