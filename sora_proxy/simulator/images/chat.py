"""Chat: answers orders that come as chat completions. The image is in a separate field, as with OpenRouter, or is a
Markdown image in the text.
"""

import contextlib
import secrets
import time
from typing import Any

import orjson
from aiohttp import web

from sora_proxy.simulator.images.answers import usage_of
from sora_proxy.simulator.images.hosted import RATIOS
from sora_proxy.simulator.images.orders import Order, model_of, prompt_of, size_of
from sora_proxy.simulator.images.profile import Profile, Wire
from sora_proxy.simulator.images.reading import File, Received, inline_file
from sora_proxy.simulator.images.refusals import Reason, Refused
from sora_proxy.simulator.images.sizes import Sizes
from sora_proxy.simulator.images.work import Work
from sora_proxy.simulator.json_answers import json_response

SHAPES = Sizes("aspect_ratio", names=RATIOS, only_names=True)
PIECE = 64 * 1024  # characters of a text in one chunk of a stream
COMMENT = b": OPENROUTER PROCESSING\n\n"
DONE = b"data: [DONE]\n\n"


def chat_order(received: Received, profile: Profile) -> Order:
    """Read the order from the last message of the user. Raises Refused."""
    model = model_of(received, profile)
    messages = received.fields.get("messages")
    rows = [each for each in messages if isinstance(each, dict)] if isinstance(messages, list) else []
    content = next((each.get("content") for each in reversed(rows) if each.get("role") == "user"), None)
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise Refused(Reason.no_prompt, "messages")
    texts = [str(part.get("text")) for part in parts if part.get("type") == "text"]
    received.files = [_image(part) for part in parts if part.get("type") == "image_url"]
    config = received.fields.get("image_config")
    return Order(
        prompt_of("\n".join(texts), profile.fields),
        model,
        size_of(config if isinstance(config, dict) else {}, SHAPES),
        partial_images=0 if received.fields.get("stream") is True else None,
        references=tuple(received.files),
        endpoint=received.endpoint,
    )


def _image(part: dict[str, Any]) -> File:
    return inline_file("image_url", part.get("image_url"))


async def answer_chat(work: Work) -> web.StreamResponse:
    """Make the image of an order, and answer with a chat completion."""
    if work.order.partial_images is not None:
        return await _stream(work)
    (image,) = await work.images()
    choice = {"index": 0, "message": {"role": "assistant", **_message(work, image)}, "finish_reason": "stop"}
    return json_response({**_head(work, "chat.completion"), "choices": [choice], "usage": _usage(work)})


def _message(work: Work, image: bytes) -> dict[str, Any]:
    """Return the fields of the message: the text, and the images if they have a field of their own."""
    if work.manner.words is not None or work.manner.empty:
        return {"content": work.manner.words or ""}
    address = work.data_uri(image) if work.manner.link is None else work.address(image)
    if work.simulator.profile.wire is Wire.markdown:
        return {"content": f"Here it is:\n\n![image]({address})"}
    return {"content": "", "images": [{"type": "image_url", "image_url": {"url": address}, "index": 0}]}


async def _stream(work: Work) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"content-type": "text/event-stream"})
    with contextlib.suppress(ConnectionError):
        await answer.prepare(work.request)
        if work.simulator.profile.wire is Wire.chat:
            await answer.write(COMMENT)
        await _send_chunks(work, answer)
    return answer


async def _send_chunks(work: Work, answer: web.StreamResponse) -> None:
    head = _head(work, "chat.completion.chunk")
    await answer.write(_chunk(head, {"role": "assistant", "content": ""}))
    (image,) = await work.images()
    if work.manner.ending == "cut":
        return
    if work.manner.ending != "whole":
        error = {"code": work.manner.ending, "message": "The image failed."}
        await answer.write(_chunk(head | {"error": error}, {"content": ""}, "error"))
        return
    message = _message(work, image)
    content = message.pop("content")
    for at in range(0, len(content), PIECE):
        await answer.write(_chunk(head, {"content": content[at : at + PIECE]}))
    if message:
        await answer.write(_chunk(head, {"content": "", **message}))
    await answer.write(_chunk(head, {}, "stop"))
    await answer.write(_data({**head, "choices": [], "usage": _usage(work)}) + DONE)


def _head(work: Work, kind: str) -> dict[str, Any]:
    return {"id": f"gen-{secrets.token_hex(8)}", "object": kind, "created": int(time.time()), "model": work.order.model}


def _chunk(head: dict[str, Any], delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
    return _data({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]})


def _data(chunk: dict[str, Any]) -> bytes:
    return b"data: %b\n\n" % orjson.dumps(chunk)


def _usage(work: Work) -> dict[str, int]:
    usage = usage_of(work.order)
    named = {"prompt_tokens": "input_tokens", "completion_tokens": "output_tokens", "total_tokens": "total_tokens"}
    return {name: usage[counted] for name, counted in named.items()}
