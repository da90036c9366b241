"""Makes the chunks of a chat stream. The chunks depend only on the generation's log, the options and the origin of
links.

Every chunk has a `sequence_number`. The chunks of the log's event N are numbered from 10 * N, and the first chunk, with
the role, is number 0. So a stream that was cut after any chunk can be resumed later, even by another process, without
any data about the first connection.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from sora_proxy.api.chat.completions import usage_of
from sora_proxy.api.http.answers import error_object
from sora_proxy.api.wording import markdown, missing, progress_text
from sora_proxy.event_log import Completed, Event, Failed, Image, Progress, Queued, failure_of
from sora_proxy.generation import Generation

NUMBERS_PER_EVENT = 10  # the maximum number of chunks for an event


@dataclass(frozen=True, slots=True)
class ChunkOptions:
    """The options of a stream. `after` is the number of the last chunk that the client already has.

    With `finish_failed`, the stream of a failed order ends with the finish_reason `error` instead of an error object.
    """

    progress: Literal["reasoning", "think", "none"] = "reasoning"
    include_usage: bool = False
    after: int = -1
    finish_failed: bool = False


class ChatChunks:
    """Makes the chunks of one stream, as JSON, from all events of the log, except those that the client already has."""

    def __init__(self, generation: Generation, options: ChunkOptions, origin: str) -> None:
        self._generation = generation
        self._options = options
        self._origin = origin
        common = {
            "id": generation.id,
            "object": "chat.completion.chunk",
            "created": int(generation.created_at),
            "model": generation.spec.model,
        }
        # The fields that all chunks share are serialised once.
        self._head = orjson.dumps(common)[:-1] + b',"sequence_number":'
        self._usage = b',"usage":null' if options.include_usage else b""
        # All the mutable state: the numbers of the last event and of the last chunk; whether a <think> block is open.
        self._event = 0
        self.last_number = max(options.after, 0)
        self._thinking = False

    def role(self) -> list[bytes]:
        """The first chunk of the stream, which precedes all events."""
        return self._chunks(0, [self._delta(role="assistant", content="")])

    def of(self, event: Event) -> list[bytes]:
        """The chunks of the log's next event. If the event is a failure, the error object follows the chunks and has no
        number."""
        self._event += 1
        chunks = self._chunks(self._event * NUMBERS_PER_EVENT, self._bodies(event))
        failed = failure_of(event)
        return [*chunks, _error(failed)] if failed and not self._options.finish_failed else chunks

    def cut(self, code: str, message: str) -> list[bytes]:
        """The end of a stream whose generation continues. The log does not contain this end, so it is sent under the
        number of the last chunk."""
        text = [self._numbered(self.last_number, body) for body in self._text(message)]
        return [*text, _error(Failed(code, message))]

    def _chunks(self, first: int, bodies: Iterable[bytes]) -> list[bytes]:
        new = [(number, body) for number, body in enumerate(bodies, first) if number > self._options.after]
        if new:
            self.last_number = new[-1][0]
        return [self._numbered(number, body) for number, body in new]

    def _numbered(self, number: int, body: bytes) -> bytes:
        return b"%b%d,%b}" % (self._head, number, body)

    def _bodies(self, event: Event) -> Iterator[bytes]:
        match event:
            case Queued() | Progress():
                yield from self._progress(progress_text(event))
            case Image():
                yield from self._close_thinking()
                separator = "\n\n" if event.index else ""
                yield self._delta(content=separator + markdown(self._generation, [event], self._origin))
            case Completed():
                if lines := missing(self._generation):
                    yield self._delta(content="\n\n" + "\n\n".join(lines))
                yield self._delta(finish_reason="stop")
                if self._options.include_usage:  # clients that did not ask for this chunk fail on it
                    yield b'"choices":[],"usage":%b' % orjson.dumps(usage_of(self._generation))
            case _ if failed := failure_of(event):
                yield from self._text(f"The image could not be made. {failed.message}")
                if self._options.finish_failed:
                    yield self._delta(finish_reason="error")

    def _progress(self, text: str) -> Iterator[bytes]:
        match self._options.progress:
            case "reasoning":
                yield self._delta(reasoning_content=f"{text}\n")
            case "think":
                opening = "" if self._thinking else "<think>\n"
                self._thinking = True
                yield self._delta(content=f"{opening}{text}\n")

    def _text(self, text: str) -> Iterator[bytes]:
        """A failure as content, for clients that ignore the error object."""
        yield from self._close_thinking()
        yield self._delta(content=text)

    def _close_thinking(self) -> Iterator[bytes]:
        if self._thinking:
            self._thinking = False
            yield self._delta(content="</think>\n\n")

    def _delta(self, finish_reason: str | None = None, **delta: str) -> bytes:
        """The body of a chunk with one choice."""
        choice: dict[str, Any] = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return b'"choices":[%b]%b' % (orjson.dumps(choice), self._usage)


def _error(failed: Failed) -> bytes:
    return orjson.dumps(error_object(failed.message, code=failed.code))
