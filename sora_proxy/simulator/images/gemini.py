"""Gemini: answers orders with Google's protocol. An order is a call to `:generateContent`, and the image is a part of
the content that it returns.
"""

import secrets
from typing import Any

from aiohttp import web

from sora_proxy.simulator.images.answers import usage_of
from sora_proxy.simulator.images.orders import Order, count_of, model_of, prompt_of, size_of
from sora_proxy.simulator.images.profile import Profile
from sora_proxy.simulator.images.reading import File, Received, decoded
from sora_proxy.simulator.images.refusals import Reason, Refused
from sora_proxy.simulator.images.work import Work
from sora_proxy.simulator.json_answers import json_response


def content_order(received: Received, profile: Profile) -> Order:
    """Read an order from the last entry of `contents`. Raises Refused."""
    model = model_of(received, profile)
    contents = received.fields.get("contents")
    last = contents[-1] if isinstance(contents, list) and contents else None
    parts = last.get("parts") if isinstance(last, dict) else None
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise Refused(Reason.no_prompt, "contents")
    received.files = [_image(part["inlineData"]) for part in parts if "inlineData" in part]
    config = _object(received.fields.get("generationConfig"))
    n = count_of(Received(received.endpoint, received.path, received.key, fields=config), profile.fields)
    return Order(
        prompt_of("\n".join(str(part["text"]) for part in parts if "text" in part), profile.fields),
        model,
        size_of(_object(config.get("imageConfig")), profile.fields.sizes),
        n,
        references=tuple(received.files),
        endpoint=received.endpoint,
    )


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _image(data: Any) -> File:
    declared, text = _object(data).get("mimeType"), _object(data).get("data")
    if not isinstance(declared, str) or not isinstance(text, str):
        raise Refused(Reason.bad_image, "inlineData")
    return File("inlineData", decoded("inlineData", text), declared)


async def answer_content(work: Work) -> web.StreamResponse:
    """Make the image of an order, and answer with it."""
    (image,) = await work.images()
    usage = usage_of(work.order)
    head = {
        "usageMetadata": {
            "promptTokenCount": usage["input_tokens"],
            "candidatesTokenCount": usage["output_tokens"],
            "totalTokenCount": usage["total_tokens"],
        },
        "modelVersion": work.order.model,
        "responseId": secrets.token_hex(10),
    }
    if work.manner.block_reason is not None:
        return json_response({"promptFeedback": {"blockReason": work.manner.block_reason}, **head})
    return json_response({"candidates": [] if work.manner.empty else [_candidate(work, image)], **head})


def _candidate(work: Work, image: bytes) -> dict[str, Any]:
    manner = work.manner
    if manner.finish_reason != "STOP":
        return {"finishReason": manner.finish_reason, "finishMessage": "The image was not made.", "index": 0}
    part: dict[str, Any] = {"inlineData": {"mimeType": work.content_type, "data": work.encoded(image)}}
    if manner.words is not None:
        part = {"text": manner.words}
    return {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}


def models_json(profile: Profile) -> dict[str, Any]:
    """List the models as Google does."""
    methods = ["generateContent", "countTokens"]
    names = (*profile.models, *profile.other_models)
    return {"models": [{"name": f"models/{name}", "supportedGenerationMethods": methods} for name in names]}
