"""openai-python 0.x and sora-api's own route: for their scripts a bad end is the finish_reason `error`, and no other.

Scripts of that age order with `ChatCompletion.create` and poll with `ChatCompletion.retrieve`, in a loop that knows two
ends, `stop` and `error`. It takes every other finish_reason for progress, and catches exceptions to ask again; so
`content_filter` or a 404 would keep it running for ever. This module alone decides which requests are answered for it.
"""

import re
from typing import Any

from aiohttp import web

# What openai 0.28.1 sends (api_requestor.py). A script may set a User-Agent of its own; the other header then remains.
NAMES = {
    "user-agent": re.compile(r"OpenAI/v1 PythonBindings/0\."),
    "x-openai-client-user-agent": re.compile(r'"bindings_version": ?"0\.'),
}
POLLED = "/v1/generation/"


def by_legacy_sdk(request: web.Request) -> bool:
    """Whether openai-python 0.x sent the request.

    An order that it placed always ends in a completion or a finished stream; a request that placed none gets an error.
    """
    return any(pattern.search(request.headers.get(header, "")) for header, pattern in NAMES.items())


def knows_only_error(request: web.Request) -> bool:
    """Whether a refusal, too, must be answered with the finish_reason `error`."""
    return POLLED in request.path or by_legacy_sdk(request)


def unknown_completion(generation_id: str, why: str) -> dict[str, Any]:
    """The completion that ends the loop of a script which polls an id that does not exist, or does not any more."""
    message = {"role": "assistant", "content": why, "refusal": why}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "error"}
    return {"id": generation_id, "object": "chat.completion", "choices": [choice]}
