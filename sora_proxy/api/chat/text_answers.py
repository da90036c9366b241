"""Answers chat requests with a text from this server, without a generation. Nothing is stored."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
from aiohttp import web

from sora_proxy.api.chat.requests import ChatRequest
from sora_proxy.api.http.answers import json_response
from sora_proxy.api.http.sse import EventStream
from sora_proxy.generation import new_generation_id
from sora_proxy.orders.conversations import MessageText


async def answer_with_text(
    request: web.Request, chat: ChatRequest, model: str, messages: Sequence[MessageText], text: str
) -> web.StreamResponse:
    """Answer `messages` with a text, with or without streaming. `model` is the name of the model in the answer."""
    head = {"id": new_generation_id(), "object": "chat.completion", "created": int(time.time()), "model": model}
    prompt = max(sum(len(message.text.split()) for message in messages), 1)
    answer = max(len(text.split()), 1)
    usage = {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}
    if chat.stream:
        stream = EventStream(request)
        await stream.open()
        last = {"choices": [], "usage": usage}
        chunks = [*_chunks(text), *([last] if chat.stream_options.include_usage else [])]
        uncounted = {"usage": None} if chat.stream_options.include_usage else {}
        shared = head | {"object": "chat.completion.chunk"}
        return await stream.end([orjson.dumps(shared | uncounted | chunk) for chunk in chunks], done=True)
    message = {"role": "assistant", "content": text, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return json_response(head | {"choices": [choice], "usage": usage})


def _chunks(text: str) -> Iterator[dict[str, Any]]:
    deltas: tuple[dict[str, str], ...] = ({"role": "assistant", "content": ""}, {"content": text}, {})
    for delta in deltas:
        finish_reason = None if delta else "stop"
        yield {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}]}
