"""A generation as the events of a response's stream: a pure function of its log.

Every event has a `sequence_number`. Those that the log's event N leads to are numbered from 100 * N on, and those
before all of them from 0 on. So a stream that was cut after any event can be taken up later, by another process too.
"""

from collections.abc import Iterator
from typing import Any

from sora_proxy.api.http.pieces import Piece, event_pieces
from sora_proxy.api.responses.objects import Outcome, ResponseObjects
from sora_proxy.generation import Completed, Event, Phase, Picture, Progress, failure_of

STRIDE = 100  # an event of the log leads to fewer than this
CALL = "response.image_generation_call."


class ResponseEvents:
    """Makes the events of one stream. It wants every event of the log, and leaves out what the client has."""

    def __init__(self, objects: ResponseObjects, after: int = -1) -> None:
        self._objects = objects
        self._numbers = range(objects.generation.spec.n)
        self._after = after
        # All the mutable state: the number of the log's last event, that of the next event told, that of the last one
        # told, whether it was told that the pictures are being made.
        self._event = 0
        self._next = 0
        self.told = max(after, 0)
        self._generating = False

    def opening(self) -> Iterator[Piece]:
        """The events before those of the log."""
        for kind in ("response.created", "response.in_progress"):
            yield from self._tell(kind, response=self._objects.response(Phase.in_progress))
        for number in self._numbers:
            yield from self._tell("response.output_item.added", output_index=number, item=self._objects.call(number))
            yield from self._of_call("in_progress", number)

    def of(self, event: Event, outcome: Outcome | None) -> Iterator[Piece]:
        """The events that the log's next one leads to. `outcome` is there when it tells that all is done."""
        self._event += 1
        self._next = self._event * STRIDE
        if isinstance(event, Progress | Picture) and not self._generating:
            self._generating = True
            for number in self._numbers:
                yield from self._of_call("generating", number)
        if isinstance(event, Completed) and outcome:
            yield from self.ending(outcome)
        elif failed := failure_of(event):
            for number, item in enumerate(self._objects.failed_calls(failed)):
                yield from self._tell("response.output_item.done", output_index=number, item=item)
            yield from self._tell("response.failed", response=self._objects.now(None))

    def ending(self, outcome: Outcome) -> Iterator[Piece]:
        """What a good end is told by."""
        for number, item in enumerate(self._objects.calls(outcome)):
            if item["status"] == "completed":
                yield from self._of_call("completed", number)
            yield from self._tell("response.output_item.done", output_index=number, item=item)
        yield from self._message(outcome.text)
        yield from self._tell("response.completed", response=self._objects.completed(outcome))

    def cut(self, code: str, message: str) -> Iterator[Piece]:
        """The end of a stream whose generation goes on. The log does not know it, so it takes no number of its own."""
        fields = {"sequence_number": self.told, "code": code, "message": message, "param": None}
        return event_pieces("error", fields)

    def _message(self, text: str) -> Iterator[Piece]:
        objects, at = self._objects, {"output_index": len(self._numbers)}
        in_it = at | {"item_id": objects.message(text)["id"], "content_index": 0}
        yield from self._tell("response.output_item.added", **at, item=objects.message(None))
        yield from self._tell("response.content_part.added", **in_it, part=objects.part(""))
        yield from self._tell("response.output_text.delta", **in_it, delta=text, logprobs=[])
        yield from self._tell("response.output_text.done", **in_it, text=text, logprobs=[])
        yield from self._tell("response.content_part.done", **in_it, part=objects.part(text))
        yield from self._tell("response.output_item.done", **at, item=objects.message(text))

    def _of_call(self, kind: str, number: int) -> Iterator[Piece]:
        return self._tell(CALL + kind, item_id=self._objects.call(number)["id"], output_index=number)

    def _tell(self, kind: str, **fields: Any) -> Iterator[Piece]:
        number = self._next
        self._next += 1
        if number > self._after:
            self.told = number
            yield from event_pieces(kind, {"sequence_number": number} | fields)
