"""Makes the chat completion of a generation."""

from typing import Any

from sora_proxy.api.http.answers import error_object
from sora_proxy.api.token_usage import token_usage_of
from sora_proxy.api.wording import finished_text, progress_text
from sora_proxy.event_log import Failed
from sora_proxy.generation import Generation, Status

REFUSED = "content_policy_violation"


def usage_of(generation: Generation) -> dict[str, Any]:
    """The usage of a completion."""
    usage = token_usage_of(generation)
    return usage.more | {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
    }


def completion(generation: Generation, origin: str, *, only_error: bool = False) -> dict[str, Any]:
    """The whole answer for a generation in any state. Links to stored images begin with `origin`.

    `finish_reason` is `stop`; for a client that polls, it can also be `processing`, `error` or `content_filter`. With
    `only_error`, a refusal is also reported as `error`, not as `content_filter`.
    """
    content, finish_reason, refusal = _state(generation, origin, only_error=only_error)
    return {
        "id": generation.id,
        "object": "chat.completion",
        "created": int(generation.created_at),
        "model": generation.spec.model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, "refusal": refusal},
                "logprobs": None,
                "finish_reason": finish_reason,
            }
        ],
        "usage": usage_of(generation),
        "metadata": generation.spec.metadata,
        **generation.made_by,
        "service_tier": "default",
        "system_fingerprint": None,
    }


def late_failure(generation: Generation, failed: Failed, origin: str) -> dict[str, Any]:
    """The report of a failure after 200 was sent: a valid completion that also contains the error object."""
    body = completion(generation, origin) | error_object(failed.message, code=failed.code)
    (choice,) = body["choices"]
    choice["message"] |= {"content": failed.message, "refusal": failed.message}
    choice["finish_reason"] = "content_filter" if failed.code == REFUSED else "stop"
    return body


def _state(generation: Generation, origin: str, *, only_error: bool) -> tuple[str, str, str | None]:
    """The content, the finish reason and the refusal."""
    if failed := generation.failure:
        refused = failed.code == REFUSED and not only_error
        return failed.message, "content_filter" if refused else "error", failed.message
    if generation.status is Status.completed:
        return finished_text(generation, origin), "stop", None
    return progress_text(generation.log.last), "processing", None
