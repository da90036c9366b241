"""Recognizes scripts that use openai-python 0.x or sora-api's route. Every failure is reported to such scripts as the
finish_reason `error`.

The scripts order with `ChatCompletion.create` and poll with `ChatCompletion.retrieve`, in a loop that ends only with
`stop` or `error`. They treat every other finish_reason as progress, and repeat the call after exceptions; so
`content_filter` or a 404 would keep them in the loop for ever. Only this module decides which requests come from such
scripts.
"""

import re
from typing import Any

from aiohttp import web

# Headers of openai 0.28.1 (api_requestor.py). If a script replaces the User-Agent, the other header remains.
LEGACY_HEADERS = {
    "user-agent": re.compile(r"OpenAI/v1 PythonBindings/0\."),
    "x-openai-client-user-agent": re.compile(r'"bindings_version": ?"0\.'),
}
SORA_API_PATH = "/v1/generation/"


def by_legacy_sdk(request: web.Request) -> bool:
    """Whether openai-python 0.x sent the request.

    An order of this SDK always gets a completion or a finished stream, even if the order fails. Only a refused request
    gets an error.
    """
    return any(pattern.search(request.headers.get(header, "")) for header, pattern in LEGACY_HEADERS.items())


def knows_only_error(request: web.Request) -> bool:
    """Whether a refusal, too, must be reported as the finish_reason `error`."""
    return SORA_API_PATH in request.path or by_legacy_sdk(request)


def unknown_completion(generation_id: str, why: str) -> dict[str, Any]:
    """The completion for an id that does not exist, or no longer exists: it ends the loop of a polling script."""
    message = {"role": "assistant", "content": why, "refusal": why}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "error"}
    return {"id": generation_id, "object": "chat.completion", "choices": [choice]}
