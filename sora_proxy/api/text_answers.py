"""Answering a chat request with a text of ours: no generation is made for it, and nothing is kept."""

import time
from collections.abc import Iterator
from typing import Any

import orjson
from aiohttp import web

from sora_proxy.api.answers import json_response
from sora_proxy.api.schemas import ChatRequest
from sora_proxy.api.sse import EventStream
from sora_proxy.generation import new_generation_id


async def answer_with_text(request: web.Request, chat: ChatRequest, text: str) -> web.StreamResponse:
    """The text as the whole completion, or as the stream that the client asked for."""
    head = {"id": new_generation_id(), "created": int(time.time()), "model": chat.model}
    counted = max(len(text.split()), 1)
    usage = {"prompt_tokens": 1, "completion_tokens": counted, "total_tokens": 1 + counted}
    if chat.stream:
        stream = EventStream(request, {})
        await stream.open()
        last = {"choices": [], "usage": usage}
        chunks = [*_chunks(text), *([last] if chat.stream_options.include_usage else [])]
        shared = head | {"object": "chat.completion.chunk"} | ({"usage": None} if len(chunks) > 3 else {})
        return await stream.end([orjson.dumps(shared | chunk) for chunk in chunks], done=True)
    message = {"role": "assistant", "content": text, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return json_response(head | {"object": "chat.completion", "choices": [choice], "usage": usage})


def _chunks(text: str) -> Iterator[dict[str, Any]]:
    deltas: tuple[dict[str, str], ...] = ({"role": "assistant", "content": ""}, {"content": text}, {})
    for delta in deltas:
        finish_reason = None if delta else "stop"
        yield {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}]}
