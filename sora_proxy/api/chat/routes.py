"""`POST /v1/chat/completions`: accepts an order and answers with the images as markdown, with or without streaming.

The handler turns the request into a `GenerationSpec`, gives it to the supervisor, and from then on only reads the log
of its generation. The generation does not depend on the handler or on the client's connection.
"""

import re
from dataclasses import dataclass

import orjson
import structlog
from aiohttp import web

from sora_proxy.api.chat.completions import completion, late_failure
from sora_proxy.api.chat.legacy_sdk import by_legacy_sdk
from sora_proxy.api.chat.requests import ChatRequest, parse_chat_request
from sora_proxy.api.chat.stream import ChatStream
from sora_proxy.api.chat.text_answers import answer_with_text
from sora_proxy.api.context import SIDE_CALLS
from sora_proxy.api.http.answers import failure_response
from sora_proxy.api.http.bodies import parsed
from sora_proxy.api.http.context import SETTINGS
from sora_proxy.api.http.keepalive import LongAnswer, client_patience
from sora_proxy.api.http.origin import public_origin
from sora_proxy.api.lookup import poll_headers, why_no_images
from sora_proxy.api.ordering.image_input import Inputs, InputSource
from sora_proxy.api.ordering.prompts import Prompt, prompt_of, texts_of
from sora_proxy.api.ordering.side_calls import SideCalls
from sora_proxy.api.placing import model_for, place_order, waiting_for
from sora_proxy.api.reference.answer_schemas import ChatCompletion
from sora_proxy.api.reference.described import EVENTS, JSON, Description, described
from sora_proxy.generation import Generation
from sora_proxy.orders.conversations import Conversations, MessageText
from sora_proxy.spec import GenerationSpec
from sora_proxy.upstream.model_names import Model

PREFER_WAIT = re.compile(r"\bwait\s*=\s*(\d{1,5})\b", re.IGNORECASE)


EXAMPLE = {"messages": [{"role": "user", "content": "a red fox in the snow"}]}


@described(Description(body=ChatRequest, example=EXAMPLE, answer=ChatCompletion, media=(JSON, EVENTS)))
async def create(request: web.Request) -> web.StreamResponse:
    """Order images and return them as markdown, with or without streaming."""
    side_calls, named = request.app[SIDE_CALLS], request.match_info.get("model")
    async with parsed(request, lambda body: _parse(body, side_calls, named)) as order:
        chat, model = order.chat, model_for(request, order.chat.model)
        if isinstance(order.prompt, str):
            return await answer_with_text(request, chat, model.id, order.messages, order.prompt)
        generation = await _place(request, order, model, order.prompt)
        del order  # frees the memory, since the images are on disk now
    structlog.contextvars.bind_contextvars(generation=generation.id)
    origin = public_origin(request)
    with waiting_for(request, generation):
        if chat.stream:
            include_usage = chat.stream_options.include_usage
            return await ChatStream(request, generation, origin, include_usage=include_usage).run()
        return await _answer(request, generation, origin, _seconds_to_wait(request, chat))


@dataclass(frozen=True, slots=True)
class _Order:
    """The parts of a request's body that are still needed after parsing; the body itself may be large.

    For a side call, `prompt` is not a prompt, but the text that answers the call. `messages` is empty if the messages
    are not needed.
    """

    chat: ChatRequest
    prompt: Prompt | str
    messages: list[MessageText]


def _parse(body: bytes, side_calls: SideCalls | None, model: str | None) -> _Order:
    """Parse a body. `model`, from the path, overrides the body's model."""
    chat = parse_chat_request(body, model)
    answer = side_calls.answer(chat.messages) if side_calls else None
    messages = texts_of(chat.messages) if chat.store or answer is not None else []
    prompt = prompt_of(chat.messages) if answer is None else answer
    return _Order(chat.model_copy(update={"messages": []}), prompt, messages)


async def _place(request: web.Request, order: _Order, model: Model, prompt: Prompt) -> Generation:
    chat = order.chat
    width, height = model.size_for(chat.dimensions)
    spec = GenerationSpec(
        model.id,
        prompt.text,
        n=chat.n,
        width=width,
        height=height,
        metadata=chat.metadata,
        include_usage=chat.stream_options.include_usage,
        parameters=chat.parameters,
    )
    also = [Conversations.keeping(order.messages)] if chat.store else []
    inputs = Inputs([InputSource(image, "messages") for image in prompt.images])
    return await place_order(request, spec, inputs, *also)


def _seconds_to_wait(request: web.Request, chat: ChatRequest) -> float:
    """How long a request without `stream` waits before it is answered with `processing`, in seconds."""
    prefer = request.headers.get("prefer", "")
    if chat.background is True or "respond-async" in prefer.lower():
        return 0.0
    wait = PREFER_WAIT.search(prefer)
    return float(wait[1]) if wait else request.app[SETTINGS].current.sync_wait


async def _answer(request: web.Request, generation: Generation, origin: str, seconds: float) -> web.StreamResponse:
    """Wait at most `seconds` until the generation has ended, then answer with the completion in its current state."""
    answer = LongAnswer(request)
    patience = client_patience(request)
    ended = await answer.wait(generation.log.end(), min(seconds, patience))
    failed = generation.failure
    if failed is None and ((generation.overdue and seconds) or (not ended and patience < seconds)):
        failed = why_no_images(generation, generation.id)
    if failed is None or by_legacy_sdk(request):
        body = completion(generation, origin, only_error=by_legacy_sdk(request))
        return await answer.end(orjson.dumps(body), poll_headers(generation))
    if answer.begun:
        return await answer.end(orjson.dumps(late_failure(generation, failed, origin)))
    return failure_response(failed)
