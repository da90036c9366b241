"""Answers: answers orders as the Images API does, with one JSON object or with a stream."""

import contextlib
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from aiohttp import web

from sora_proxy.simulator.images.catalogue import PROFILES
from sora_proxy.simulator.images.orders import Order
from sora_proxy.simulator.images.profile import Answers, Fill
from sora_proxy.simulator.images.work import Work
from sora_proxy.simulator.json_answers import json_response

REFERENCE_TOKENS, IMAGE_TOKENS = 272, 4160


async def answer_images(work: Work) -> web.StreamResponse:
    """Make the images of an order and answer with them."""
    if work.order.partial_images is not None:
        return await _stream(work)
    images = await work.images()
    whole = _filled(work, lambda answers: answers.whole)
    rows = [] if work.manner.empty else [_row(work, image) for image in images]
    return json_response({**whole, work.simulator.profile.answers.rows: rows})


def filled(template: Mapping[str, Any], order: Order) -> dict[str, Any]:
    """Replace the open values of a template. The prompt is left out if the order has none."""
    values = {
        Fill.now: int(time.time()),
        Fill.id: secrets.token_hex(8),
        Fill.prompt: order.prompt,
        Fill.model: order.model,
        Fill.size: f"{order.size[0]}x{order.size[1]}",
        Fill.quality: order.quality,
        Fill.background: order.background,
        Fill.output_format: order.output_format,
        Fill.usage: usage_of(order),
    }
    left_out = Fill.prompt if order.prompt is None else None
    return {
        name: values[value] if isinstance(value, Fill) else value
        for name, value in template.items()
        if value is not left_out or value is None
    }


def usage_of(order: Order) -> dict[str, Any]:
    """Return the usage in OpenAI's format, with made-up numbers of tokens per image."""
    text, image = len((order.prompt or "").split()), REFERENCE_TOKENS * len(order.references)
    made = IMAGE_TOKENS * order.n
    details = {"text_tokens": text, "image_tokens": image}
    whole = {"input_tokens": text + image, "output_tokens": made, "total_tokens": text + image + made}
    return {**whole, "input_tokens_details": details}


def _filled(work: Work, template_of: Callable[[Answers], Mapping[str, Any]]) -> dict[str, Any]:
    """Return the fields besides the images. A gateway takes their values from the server behind it."""
    profile, order = work.simulator.profile, work.order
    own = filled(template_of(profile.answers), order)
    name = profile.behind.get(order.model)
    behind = filled(template_of(PROFILES[name].answers), order) if name else {}
    return own | {field: value for field, value in behind.items() if field in own}


def _row(work: Work, image: bytes) -> dict[str, Any]:
    answers = work.simulator.profile.answers
    row = _filled(work, lambda answers: answers.row)
    if work.manner.moderated:
        return {**row, "url": "", "respect_moderation": False}
    if work.manner.link is None and work.order.response_format == "b64_json":
        return {**row, "b64_json": work.encoded(image)}
    as_data = answers.data_uris and work.manner.link is None
    return {**row, "url": work.data_uri(image) if as_data else work.address(image)}


async def _stream(work: Work) -> web.StreamResponse:
    """Send partial images and then the final image, each as an event with a single line of data."""
    answer = web.StreamResponse(headers={"content-type": "text/event-stream"})
    async with work.simulator.turn():
        with contextlib.suppress(ConnectionError):
            await answer.prepare(work.request)
            await _send_events(work, answer)
    return answer


async def _send_events(work: Work, answer: web.StreamResponse) -> None:
    order, options = work.order, work.simulator.options
    (image,) = await work.drawn()
    for number in range(order.partial_images or 0):
        await work.pause(options.partial_seconds + (work.manner.silence if number else 0))
        partial = work.encoded(await work.partial(number, image))
        await answer.write(_event(order, "partial_image", b64_json=partial, partial_image_index=number))
    shown = options.partial_seconds * (order.partial_images or 0)
    await work.pause(max(0.0, options.seconds - shown) + work.manner.silence)
    if work.manner.ending == "whole":
        await answer.write(_event(order, "completed", b64_json=work.encoded(image), usage=usage_of(order)))
    elif work.manner.ending != "cut":
        error = {"type": "image_generation_error", "code": work.manner.ending, "message": "The image failed."}
        await answer.write(_line("error", {"type": "error", "error": {**error, "param": None}}))


def _event(order: Order, kind: str, **fields: Any) -> bytes:
    name = f"{'image_edit' if order.endpoint == 'edits' else 'image_generation'}.{kind}"
    described = {
        "created_at": Fill.now,
        "size": Fill.size,
        "quality": Fill.quality,
        "background": Fill.background,
        "output_format": Fill.output_format,
    }
    return _line(name, {"type": name, **fields, **filled(described, order)})


def _line(event: str, data: Mapping[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (event.encode(), orjson.dumps(data))
