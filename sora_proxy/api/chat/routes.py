"""`POST /v1/chat/completions`: an order comes in, pictures go out as markdown, streamed or whole.

The handler turns the request into a `GenerationSpec`, gives it to the supervisor, and from then on only reads the log
of the generation it got. Nothing that happens to the handler or its client touches the generation.
"""

import re
from dataclasses import dataclass

import orjson
import structlog
from aiohttp import web

from sora_proxy.api.chat.completions import completion, late_failure
from sora_proxy.api.chat.legacy_sdk import by_legacy_sdk
from sora_proxy.api.chat.stream import ChatStream
from sora_proxy.api.chat.text_answers import answer_with_text
from sora_proxy.api.context import MODELS, SIDE_CALLS
from sora_proxy.api.http.answers import failure_response, json_response
from sora_proxy.api.http.bodies import parsed
from sora_proxy.api.http.context import SETTINGS
from sora_proxy.api.http.keepalive import LongAnswer, client_patience
from sora_proxy.api.orders import place_order, waiting_for
from sora_proxy.api.reference.answer_schemas import ChatCompletion
from sora_proxy.api.reference.described import EVENTS, JSON, Description, described
from sora_proxy.api.requests.image_input import Reference
from sora_proxy.api.requests.prompts import Prompt, prompt_of, said
from sora_proxy.api.requests.schemas import ChatRequest, parse_chat_request
from sora_proxy.api.requests.side_calls import SideCalls
from sora_proxy.generation import Failed, Generation, GenerationSpec
from sora_proxy.orders.conversations import Conversations, Said

PREFER_WAIT = re.compile(r"\bwait\s*=\s*(\d{1,5})\b", re.IGNORECASE)
POLL_AFTER_SECONDS = 2


@described(Description(body=ChatRequest, answer=ChatCompletion, media=(JSON, EVENTS)))
async def create(request: web.Request) -> web.StreamResponse:
    """Take an order and answer it the way the client asked for."""
    known = (request.app[SIDE_CALLS], request.match_info.get("model"))
    async with parsed(request, lambda body: _parse(body, *known)) as asked:
        chat = asked.chat
        request.app[MODELS].get(chat.model)
        if isinstance(asked.prompt, str):
            return await answer_with_text(request, chat, asked.said, asked.prompt)
        generation = await _order(request, asked, asked.prompt)
        del asked  # its picture is on disk now
    structlog.contextvars.bind_contextvars(generation=generation.id)
    with waiting_for(request, generation):
        if chat.stream:
            return await ChatStream(request, generation, include_usage=chat.stream_options.include_usage).run()
        return await _answer(request, generation, _seconds_to_wait(request, chat))


@dataclass(frozen=True, slots=True)
class _Asked:
    """All that is read from a request's body, which may be large. `prompt` is the answer itself if it is a side call;
    `said` is there where it is needed, and all that is left of the messages."""

    chat: ChatRequest
    prompt: Prompt | str
    said: list[Said]


def _parse(body: bytes, side_calls: SideCalls | None, model: str | None) -> _Asked:
    """`model` is the one that the path names."""
    chat = parse_chat_request(body, model)
    answer = side_calls.answer(chat.messages) if side_calls else None
    kept = said(chat.messages) if chat.store or answer is not None else []
    prompt = prompt_of(chat.messages) if answer is None else answer
    return _Asked(chat.model_copy(update={"messages": []}), prompt, kept)


async def _order(request: web.Request, asked: _Asked, prompt: Prompt) -> Generation:
    chat = asked.chat
    width, height = chat.dimensions
    spec = GenerationSpec(
        chat.model,
        prompt.text,
        n=chat.n,
        width=width,
        height=height,
        metadata=chat.metadata,
        include_usage=chat.stream_options.include_usage,
    )
    also = [Conversations.keeping(asked.said)] if chat.store else []
    picture = Reference(prompt.picture) if prompt.picture else None
    return await place_order(request, spec, picture, *also)


def _seconds_to_wait(request: web.Request, chat: ChatRequest) -> float:
    """How long a whole answer may take before it says "processing"."""
    longest = request.app[SETTINGS].sync_wait
    prefer = request.headers.get("prefer", "")
    if chat.background or "respond-async" in prefer.lower():
        return 0.0
    asked = PREFER_WAIT.search(prefer)
    return float(asked[1]) if asked else longest


async def _answer(request: web.Request, generation: Generation, seconds: float) -> web.StreamResponse:
    """Wait for the end for a while, then say how it stands."""
    answer = LongAnswer(request)
    patience = client_patience(request)
    ended = await answer.wait(generation.log.end(), min(seconds, patience))
    failed = generation.failure
    if not ended and patience < seconds:
        failed = Failed(
            "generation_timeout", f"the order takes longer than your timeout; it continues: ask for {generation.id}"
        )
    if failed is None or by_legacy_sdk(request):
        return await answer.end(orjson.dumps(completion(request, generation)), poll_headers(generation))
    if answer.begun:
        return await answer.end(orjson.dumps(late_failure(request, generation, failed)))
    return failure_response(failed)


def completion_response(request: web.Request, generation: Generation) -> web.Response:
    """The generation as a chat completion, wherever it stands."""
    return json_response(completion(request, generation), headers=poll_headers(generation))


def poll_headers(generation: Generation) -> dict[str, str]:
    """While it is not finished: when to ask again."""
    if generation.ended:
        return {}
    return {"Retry-After": str(POLL_AFTER_SECONDS), "openai-poll-after-ms": str(POLL_AFTER_SECONDS * 1000)}
