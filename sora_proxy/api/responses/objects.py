"""Makes OpenAI's objects for a response, with a file path wherever the answer will contain base64.

The ids of a response and of its items are the generation's id with other prefixes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sora_proxy.api.http.answers import error_object
from sora_proxy.api.image_results import FORMATS, SIZES, UNKNOWN, ImageResult, image_results, ordered_size
from sora_proxy.api.token_usage import token_usage_of
from sora_proxy.api.wording import finished_text
from sora_proxy.event_log import Failed
from sora_proxy.generation import Generation, Phase, Status
from sora_proxy.media.image_files import Media

GENERATION, RESPONSE = "chatcmpl-", "resp_"
# Strict clients accept only OpenAI's codes. This server's own code is in the tool call.
CODES = {"content_policy_violation": "invalid_prompt"}


def response_id_of(generation_id: str) -> str:
    """The id of a generation in the Responses API."""
    return RESPONSE + generation_id.removeprefix(GENERATION)


def generation_id_of(response_id: str) -> str:
    """The inverse of `response_id_of`; an empty string for any other id."""
    return GENERATION + response_id.removeprefix(RESPONSE) if response_id.startswith(RESPONSE) else ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The images of a completed generation, and its text."""

    images: Sequence[ImageResult]
    text: str


async def outcome_of(generation: Generation, media: Media, origin: str) -> Outcome | None:
    """The outcome of a generation; None until it is completed. Links to stored images begin with `origin`."""
    if generation.status is not Status.completed:
        return None
    return Outcome(await image_results(generation, media, origin), finished_text(generation, origin))


@dataclass(frozen=True, slots=True)
class ResponseObjects:
    """Makes the objects that describe one generation."""

    generation: Generation

    def now(self, outcome: Outcome | None) -> dict[str, Any]:
        """The response for a generation in any state."""
        if outcome:
            return self.completed(outcome)
        failed = self.generation.failure
        body = self.response(self.generation.phase, self.failed_calls(failed) if failed else [], failed)
        return body | self._made_by()

    def completed(self, outcome: Outcome) -> dict[str, Any]:
        output = [*self.calls(outcome), self.message(outcome.text)]
        return self.response(Phase.completed, output) | {"usage": self._usage()} | self._made_by()

    def response(
        self, status: Phase, output: Sequence[dict[str, Any]] = (), failed: Failed | None = None
    ) -> dict[str, Any]:
        spec = self.generation.spec
        error = {"code": CODES.get(failed.code, "server_error"), "message": failed.message} if failed else None
        return {
            "id": response_id_of(self.generation.id),
            "object": "response",
            "created_at": int(self.generation.created_at),
            "status": status,
            "model": spec.model,
            "output": list(output),
            "error": error,
            "incomplete_details": None,
            "instructions": None,
            "metadata": spec.metadata,
            "parallel_tool_calls": False,
            "temperature": None,
            "tool_choice": "auto",
            "tools": [self._tool()],
            "top_p": None,
            "usage": None,
        }

    def calls(self, outcome: Outcome) -> list[dict[str, Any]]:
        """The finished tool calls, one per requested image."""
        calls = {image.index: self._made(image) for image in outcome.images}
        calls |= {number: self._failed(number, failed) for number, failed in self.generation.missing.items()}
        return [calls[number] for number in sorted(calls)]

    def failed_calls(self, failed: Failed) -> list[dict[str, Any]]:
        return [self._failed(number, failed) for number in range(self.generation.spec.n)]

    def call(self, number: int, status: str = "in_progress") -> dict[str, Any]:
        """A call of the tool that makes images."""
        return {
            "id": f"ig_{self._name}_{number}",
            "type": "image_generation_call",
            "status": status,
            "result": None,
        }

    def message(self, text: str | None) -> dict[str, Any]:
        """The message with the images as markdown, for clients that show only text; unfinished if `text` is None."""
        return {
            "id": f"msg_{self._name}",
            "type": "message",
            "role": "assistant",
            "status": "in_progress" if text is None else "completed",
            "content": [] if text is None else [self.part(text)],
        }

    @staticmethod
    def part(text: str) -> dict[str, Any]:
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}

    def input_item(self) -> dict[str, Any]:
        """The prompt, as a message."""
        content = [{"type": "input_text", "text": self.generation.spec.prompt}]
        return {
            "id": f"msg_{self._name}_input",
            "type": "message",
            "role": "user",
            "status": "completed",
            "content": content,
        }

    @property
    def _name(self) -> str:
        return self.generation.id.removeprefix(GENERATION)

    def _tool(self) -> dict[str, Any]:
        """The tool as requested, without a size that strict clients reject. The tool call contains the actual size."""
        spec = self.generation.spec
        size = f"{spec.width}x{spec.height}"
        tool = {"type": "image_generation", "size": size if size in SIZES else UNKNOWN}
        return tool | ({"output_format": spec.format} if spec.format else {})

    def _made(self, image: ImageResult) -> dict[str, Any]:
        about: dict[str, Any] = {"result": image.file, "size": ordered_size(self.generation) or UNKNOWN}
        if image.file and (output_format := FORMATS.get(image.file.suffix)):
            about["output_format"] = output_format
        return self.call(image.index, "completed") | about

    def _failed(self, number: int, failed: Failed) -> dict[str, Any]:
        return self.call(number, "failed") | error_object(failed.message, code=failed.code)

    def _made_by(self) -> dict[str, Any]:
        """The fields about the back end. The first events of a stream do not contain these fields, because those events
        must be the same when they are sent again. A cancelled response never contains a task id, because the id may
        become known only after the cancellation.
        """
        return self.generation.made_by | ({"backend_id": None} if self.generation.cancelled else {})

    def _usage(self) -> dict[str, Any]:
        usage = token_usage_of(self.generation)
        return usage.more | {
            "input_tokens": usage.input_tokens,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": usage.output_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": usage.total_tokens,
        }
