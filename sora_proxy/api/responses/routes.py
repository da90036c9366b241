"""`/v1/responses`: the part of OpenAI's newer API that makes images.

A request becomes a `GenerationSpec`, and from then on the handler only reads the generation's log. A response is a
generation with another id, so the chat API can retrieve it, too.
"""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import structlog
from aiohttp import web

from sora_proxy.api.context import READERS, SIDE_CALLS, SUPERVISOR
from sora_proxy.api.http.answers import failure_response, json_response
from sora_proxy.api.http.bodies import parsed
from sora_proxy.api.http.context import CLIENT, MEDIA, SETTINGS, THREADS
from sora_proxy.api.http.keepalive import LongAnswer, client_patience
from sora_proxy.api.http.origin import public_origin
from sora_proxy.api.http.paging import page_response
from sora_proxy.api.http.pieces import json_pieces, write_pieces
from sora_proxy.api.http.refusals import ClientError
from sora_proxy.api.http.resuming import requested_start
from sora_proxy.api.http.sse import EventStream
from sora_proxy.api.lookup import find, find_by_id, forget, poll_headers, why_no_images
from sora_proxy.api.ordering.image_input import Inputs, InputSource
from sora_proxy.api.ordering.prompts import Prompt, prompt_of, text_of
from sora_proxy.api.ordering.schemas import MAX_PROMPT_LENGTH, parse_body
from sora_proxy.api.ordering.side_calls import SideCalls
from sora_proxy.api.placing import model_for, place_order, waiting_for
from sora_proxy.api.reference.described import EVENTS, JSON, Description, described
from sora_proxy.api.responses.events import NUMBERS_PER_EVENT, ResponseEvents
from sora_proxy.api.responses.objects import (
    Outcome,
    ResponseObjects,
    generation_id_of,
    outcome_of,
    response_id_of,
)
from sora_proxy.api.responses.requests import ResponseRequest
from sora_proxy.api.responses.schemas import DeletedResponse, InputItemList, ResponseAnswer
from sora_proxy.api.responses.stream import ResponseStream
from sora_proxy.event_log import Image
from sora_proxy.generation import Generation, new_generation_id
from sora_proxy.spec import GenerationSpec
from sora_proxy.upstream.model_names import Model

EXAMPLE = {"input": "a red fox in the snow"}


@described(Description(body=ResponseRequest, example=EXAMPLE, answer=ResponseAnswer, media=(JSON, EVENTS)))
async def create(request: web.Request) -> web.StreamResponse:
    """Order images and return them as a response."""
    side_calls = request.app[SIDE_CALLS]
    async with parsed(request, lambda body: _parse(body, side_calls)) as (whole, prompt, answer):
        model = model_for(request, whole.model)
        if answer is not None:
            spec = GenerationSpec(model.id, prompt.text, n=0, metadata=whole.metadata)
            return await _answer_with_text(request, spec, answer, stream=whole.stream)
        async with _inputs(request, whole, prompt) as inputs:
            generation = await _place(request, whole, model, prompt.text, inputs)
        stream, background = whole.stream, whole.background
        del whole, prompt, inputs  # frees the memory: the images are on disk now
    structlog.contextvars.bind_contextvars(generation=generation.id)
    with waiting_for(request, generation):
        if stream:
            return await ResponseStream(request, generation, public_origin(request)).run()
        return await _whole(request, generation, wait=not background)


@described(
    Description(
        query={"stream": "`true`: return a stream", "starting_after": "begin after the event with this number"},
        answer=ResponseAnswer,
        media=(JSON, EVENTS),
    )
)
async def retrieve(request: web.Request) -> web.StreamResponse:
    """Retrieve a response in any state, or its stream."""
    generation = await _find(request)
    after = requested_start(request, generation, numbers_per_event=NUMBERS_PER_EVENT)
    if after is None:
        return await _whole(request, generation, wait=False)
    with request.app[READERS].reading(generation):
        return await ResponseStream(request, generation, public_origin(request), after=after).run()


@described(Description(answer=DeletedResponse))
async def delete(request: web.Request) -> web.Response:
    """Delete a finished response and its image."""
    generation = await _find(request)
    await forget(request, generation)
    return json_response({"id": response_id_of(generation.id), "object": "response", "deleted": True})


@described(Description(answer=ResponseAnswer))
async def cancel(request: web.Request) -> web.StreamResponse:
    """Cancel a response. A response that has ended does not change."""
    generation = await _find(request)
    await request.app[SUPERVISOR].cancel(generation)
    return await _whole(request, generation, wait=False)


@described(Description(answer=InputItemList))
async def list_input_items(request: web.Request) -> web.Response:
    """List the input of a response, which is its prompt."""
    generation = await _find(request)
    return page_response([ResponseObjects(generation).input_item()], has_more=False)


def _parse(body: bytes, side_calls: SideCalls | None) -> tuple[ResponseRequest, Prompt, str | None]:
    """The request, its prompt and, if it is a side call, the answer."""
    order = parse_body(ResponseRequest, body)
    answer = side_calls.answer(order.conversation) if side_calls else None
    if answer is not None:
        return order, Prompt(text_of(order.input[-1])[:MAX_PROMPT_LENGTH]), answer
    try:
        return order, prompt_of(order.input), None
    except ClientError as error:
        error.param = "input"  # the name of the field with the messages in this API
        raise


async def _place(request: web.Request, order: ResponseRequest, model: Model, prompt: str, inputs: Inputs) -> Generation:
    width, height = model.size_for(order.tool.dimensions)
    spec = GenerationSpec(
        model.id,
        prompt,
        width=width,
        height=height,
        metadata=order.metadata,
        keep=True,
        format=order.tool.output_format,
        compression=order.tool.output_compression,
        parameters=order.tool.parameters,
        previews=order.tool.partial_images if order.stream else 0,
    )
    return await place_order(request, spec, inputs)


@contextlib.asynccontextmanager
async def _inputs(request: web.Request, order: ResponseRequest, prompt: Prompt) -> AsyncIterator[Inputs]:
    """The mask and the reference images: the images in the prompt, or else the image of the previous response.

    Raises ClientError.
    """
    given = order.tool.input_image_mask
    mask = InputSource(given.image_url, "input_image_mask") if given else None
    if prompt.images or order.previous_response_id is None:
        yield Inputs([InputSource(image, "input") for image in prompt.images], mask)
        return
    copy = await _copy_of_image(request, order.previous_response_id)
    try:
        yield Inputs([InputSource(copy, "previous_response_id")], mask)
    finally:
        await request.app[MEDIA].discard(copy)


async def _copy_of_image(request: web.Request, response_id: str) -> Path:
    generation, media = await find_by_id(request, generation_id_of(response_id)), request.app[MEDIA]
    if generation is None:
        message = f"The previous response {response_id[:80]!r} does not exist."
        raise ClientError(message, code="previous_response_not_found", param="previous_response_id")
    for image in generation.events_of(Image):
        if image.name and await media.has_image(image.name):
            return await media.copy_image(image.name)
    message = "No image of the previous response is stored here."
    raise ClientError(message, code="previous_response_without_picture", param="previous_response_id")


async def _whole(request: web.Request, generation: Generation, *, wait: bool) -> web.StreamResponse:
    """Answer with the response. With `wait`, first wait until the response has ended, but not longer than the client
    does."""
    answer = LongAnswer(request, None if wait else poll_headers(generation))
    if wait:
        patience = min(request.app[SETTINGS].current.image_wait, client_patience(request))
        await answer.wait(generation.log.end(), patience)
        failed = why_no_images(generation, response_id_of(generation.id))
        if failed and not answer.begun:
            return failure_response(failed)
    outcome = await outcome_of(generation, request.app[MEDIA], public_origin(request))
    body = ResponseObjects(generation).now(outcome)
    await write_pieces(json_pieces(body), request.app[THREADS], answer.write)
    return await answer.end()


async def _answer_with_text(
    request: web.Request, spec: GenerationSpec, text: str, *, stream: bool
) -> web.StreamResponse:
    """Answer with a text from this server: a response without images, which is not stored."""
    objects = ResponseObjects(Generation(new_generation_id(), request[CLIENT], spec))
    outcome = Outcome((), text)
    if not stream:
        return json_response(objects.completed(outcome))
    answer, events = EventStream(request), ResponseEvents(objects)
    await answer.open()
    for pieces in (events.opening(), events.ending(outcome)):
        await write_pieces(pieces, request.app[THREADS], answer.write)
    return await answer.end(done=False)


async def _find(request: web.Request) -> Generation:
    return await find(request, noun="response", id_of=generation_id_of)
