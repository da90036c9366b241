"""`POST /v1/images/…`: generations, edits and variations, with or without streaming.

A request becomes a `GenerationSpec`, and from then on the handler only reads the generation's log.
"""

from collections.abc import Iterable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import orjson
import structlog
from aiohttp import web

from sora_proxy.api.http.answers import error_object, failure_response
from sora_proxy.api.http.bodies import parsed
from sora_proxy.api.http.context import MEDIA, SETTINGS, THREADS
from sora_proxy.api.http.forms import read_form
from sora_proxy.api.http.keepalive import LongAnswer, client_patience
from sora_proxy.api.http.origin import public_origin
from sora_proxy.api.http.pieces import Piece, write_pieces
from sora_proxy.api.http.refusals import ClientError
from sora_proxy.api.http.sse import EventStream
from sora_proxy.api.images.answers import answer_to, preview_event
from sora_proxy.api.images.requests import EditRequest, ImageRequest, VariationForm, VariationRequest
from sora_proxy.api.lookup import why_no_images
from sora_proxy.api.ordering.image_input import Inputs, InputSource
from sora_proxy.api.ordering.schemas import bracketed, checked, parse_body
from sora_proxy.api.placing import model_for, place_order, waiting_for
from sora_proxy.api.previews import Previews
from sora_proxy.api.reference.answer_schemas import ImagesAnswer
from sora_proxy.api.reference.described import EVENTS, JSON, Description, described
from sora_proxy.api.wording import progress_text
from sora_proxy.event_log import Failed, Progress, Queued
from sora_proxy.generation import Generation
from sora_proxy.media.image_files import Media
from sora_proxy.spec import GenerationSpec

EXAMPLE = {"prompt": "a red fox in the snow"}
EXAMPLE_IMAGE = (  # white, 64 by 64 pixels
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAEAAAABAAQAAAACCEkxzAAAAFElEQVR42mP8zwABTAyjjFEGyQwAzx8Bf7QK4E8AAAAASUVORK5CYII="
)
EXAMPLE_INPUT = {"images": [{"image_url": EXAMPLE_IMAGE}]}


@described(Description(body=ImageRequest, example=EXAMPLE, answer=ImagesAnswer, media=(JSON, EVENTS)))
async def generate(request: web.Request) -> web.StreamResponse:
    """Make images from a text."""
    async with parsed(request, lambda body: parse_body(ImageRequest, body)) as order:
        generation = await _place(request, order, Inputs())
    return await _answer(request, generation, order)


@described(
    Description(
        body=EditRequest, form=ImageRequest, example=EXAMPLE | EXAMPLE_INPUT, answer=ImagesAnswer, media=(JSON, EVENTS)
    )
)
async def edit(request: web.Request) -> web.StreamResponse:
    """Make images from a text and reference images."""
    return await _edit(request, ImageRequest, EditRequest)


@described(
    Description(
        body=VariationRequest, form=VariationForm, example=EXAMPLE_INPUT, answer=ImagesAnswer, media=(JSON, EVENTS)
    )
)
async def vary(request: web.Request) -> web.StreamResponse:
    """Make variations of an image."""
    return await _edit(request, VariationForm, VariationRequest)


async def _edit(
    request: web.Request, form_kind: type[ImageRequest], json_kind: type[EditRequest]
) -> web.StreamResponse:
    if request.content_type == "multipart/form-data":
        async with read_form(request, files=("image", "mask", "markup")) as form:
            fields = form.texts | {"metadata": bracketed("metadata", form.texts)}
            order = checked(form_kind, fields, strict=False)
            inputs = _inputs(form.files["image"], form.files["mask"], form.files["markup"])
            generation = await _place(request, order, inputs)
    else:
        async with parsed(request, lambda body: parse_body(json_kind, body)) as whole:
            images = [image.image_url for image in whole.images or ()]
            inputs = _inputs(images, [whole.mask.image_url] if whole.mask else [], whole.markup)
            generation = await _place(request, whole, inputs)
            order = whole.model_copy(update={"images": None, "mask": None, "markup": None})
            del whole, images, inputs  # frees the memory: the images are on disk now
    return await _answer(request, generation, order)


def _inputs(images: Sequence[str | Path], masks: Sequence[str | Path], markup: object) -> Inputs:
    """The reference images, at least one, and the mask. Raises ClientError."""
    if not images:
        raise ClientError("Missing required parameter: 'image'.", code="missing_required_parameter", param="image")
    if len(masks) > 1:
        raise ClientError("An order can have only one mask.", param="mask")
    if markup:  # an image made without the markup would be wrong
        raise ClientError("No model of this server accepts 'markup'. Remove it.", param="markup")
    mask = InputSource(masks[0], "mask") if masks else None
    return Inputs([InputSource(image, "image") for image in images], mask)


async def _place(request: web.Request, order: ImageRequest, inputs: Inputs) -> Generation:
    model = model_for(request, order.model)
    width, height = model.size_for(order.dimensions)
    spec = GenerationSpec(
        model.id,
        order.prompt,
        n=order.n,
        width=width,
        height=height,
        keep=order.stream or order.response_format != "url" or order.output_format is not None,
        format=order.output_format,
        compression=order.output_compression,
        metadata=order.metadata,
        parameters=order.parameters,
        previews=order.partial_images if order.stream else 0,
    )
    return await place_order(request, spec, inputs)


async def _answer(request: web.Request, generation: Generation, order: ImageRequest) -> web.StreamResponse:
    structlog.contextvars.bind_contextvars(generation=generation.id)
    with waiting_for(request, generation):
        return await (_stream if order.stream else _whole)(request, generation, order, public_origin(request))


async def _whole(request: web.Request, generation: Generation, order: ImageRequest, origin: str) -> web.StreamResponse:
    """Wait until the generation has ended, but not longer than the client waits, and answer with all images."""
    answer = LongAnswer(request)
    patience = min(request.app[SETTINGS].current.image_wait, client_patience(request))
    await answer.wait(generation.log.end(), patience)
    if failed := why_no_images(generation, generation.id):
        if not answer.begun:
            return failure_response(failed)
        return await answer.end(orjson.dumps({"created": int(generation.created_at), "data": [], **_error(failed)}))
    whole = (await answer_to(generation, order, request.app[MEDIA], origin)).whole()
    await write_pieces(whole, request.app[THREADS], answer.write)
    return await answer.end()


async def _stream(request: web.Request, generation: Generation, order: ImageRequest, origin: str) -> web.StreamResponse:
    """Send the progress as comments, since strict clients reject events that OpenAI does not define. Then send the
    images.
    """
    stream, previews, threads = EventStream(request), Previews(generation, order.partial_images), request.app[THREADS]
    await stream.open()
    idle = request.app[SETTINGS].current.heartbeat_interval
    async with aclosing(generation.log.follow(idle=idle, nudged=previews.wanted)) as batches:
        async for events in batches:
            texts = [progress_text(event) for event in events if isinstance(event, Queued | Progress)]
            await stream.comment(texts[-1] if texts else "ping")
            for preview in previews.new():
                await write_pieces(preview_event(generation, preview), threads, stream.write)
    last_events = await _last_events(generation, order, request.app[MEDIA], origin)
    await write_pieces(last_events, threads, stream.write)
    return await stream.end(done=False)


async def _last_events(generation: Generation, order: ImageRequest, media: Media, origin: str) -> Iterable[Piece]:
    failed = why_no_images(generation, generation.id)
    if failed is None:
        answer = await answer_to(generation, order, media, origin)
        if any(image.file for image in answer.images):
            return answer.events()
        failed = Failed("result_unavailable", "The images could not be fetched, or they are no longer stored here.")
    return [b"event: error\ndata: %b\n\n" % orjson.dumps(_error(failed))]


def _error(failed: Failed) -> dict[str, Any]:
    return error_object(failed.message, code=failed.code)
