"""How a generation looks as a chat completion."""

from typing import Any

from aiohttp import web

from sora_proxy.api.chat.legacy_sdk import knows_only_error
from sora_proxy.api.http.answers import error_object
from sora_proxy.api.http.links import picture_link
from sora_proxy.generation import Failed, Generation, Picture, Progress, Queued, Status

REFUSED = "content_policy_violation"


def markdown(request: web.Request, generation: Generation, pictures: list[Picture]) -> str:
    """One image per picture, a blank line between them."""
    title = _title(generation.spec.prompt)
    return "\n\n".join(f"![{title}]({picture_link(request, picture)})" for picture in pictures)


def missing(generation: Generation) -> list[str]:
    """A line for each picture that was ordered and did not come, although others did."""
    made = {picture.index for picture in generation.events_of(Picture)}
    return [f"Picture {n + 1} could not be made." for n in range(generation.spec.n) if n not in made]


def finished_text(request: web.Request, generation: Generation) -> str:
    """What a completed generation has to say: its pictures, and which of them are missing."""
    pictures = markdown(request, generation, generation.events_of(Picture))
    return "\n\n".join([pictures, *missing(generation)])


def progress_text(event: Queued | Progress) -> str:
    """What the client is told while it waits, in words."""
    if isinstance(event, Progress) and event.percent is not None:
        return f"{event.percent} %"
    words = "queued" if isinstance(event, Queued) else "queued at the back end"
    if event.position:
        words += f", position {event.position}"
    if event.seconds:
        words += f", about {event.seconds} s"
    return words


def usage(generation: Generation) -> dict[str, int]:
    """Words in, pictures out. Never 0: some clients wait for more then."""
    words = max(len(generation.spec.prompt.split()), 1)
    pictures = max(len(generation.events_of(Picture)), 1)
    return {"prompt_tokens": words, "completion_tokens": pictures, "total_tokens": words + pictures}


def completion(request: web.Request, generation: Generation) -> dict[str, Any]:
    """The whole answer, wherever the generation stands.

    `finish_reason` is `stop`, and `processing` or `error` for those who asked to poll. A refusal is `content_filter`,
    unless the client knows only `error`.
    """
    content, finish_reason, refusal = _state(request, generation)
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
        "usage": usage(generation),
        "metadata": generation.spec.metadata,
        "backend": generation.state.backend,
        "service_tier": "default",
        "system_fingerprint": None,
    }


def late_failure(request: web.Request, generation: Generation, failed: Failed) -> dict[str, Any]:
    """What tells of a failure once 200 was sent: a valid completion, with the error object beside it."""
    body = completion(request, generation) | error_object(failed.message, code=failed.code)
    (choice,) = body["choices"]
    choice["message"] |= {"content": failed.message, "refusal": failed.message}
    choice["finish_reason"] = "content_filter" if failed.code == REFUSED else "stop"
    return body


def _state(request: web.Request, generation: Generation) -> tuple[str, str, str | None]:
    """Content, finish reason and refusal."""
    if failed := generation.failure:
        refused = failed.code == REFUSED and not knows_only_error(request)
        return failed.message, "content_filter" if refused else "error", failed.message
    if generation.status is Status.completed:
        return finished_text(request, generation), "stop", None
    last = generation.log.last
    told = progress_text(last) if isinstance(last, Queued | Progress) else "the picture is being made"
    return told, "processing", None


def _title(prompt: str) -> str:
    """The prompt as the image's alternative text: one line, without what ends it early in markdown."""
    line = " ".join(prompt.split())
    short = line if len(line) <= 80 else f"{line[:79]}…"
    return "".join("\\" + character if character in "\\[]" else character for character in short)
