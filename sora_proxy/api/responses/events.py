"""Makes the events of a response's stream. Except for previews, these events depend only on the generation's log.

Every event has a `sequence_number`. The events for the log's event N are numbered from 100 * N, and those before the
log's first event from 0. So a stream that was cut after any event can be resumed later, even by another process.
Previews are not in the log, so they are not sent again. A preview's number is one of those reserved for the log's event
that precedes the preview.
"""

from collections.abc import Iterator
from typing import Any

from sora_proxy.api.http.pieces import Piece, event_pieces
from sora_proxy.api.responses.objects import Outcome, ResponseObjects
from sora_proxy.event_log import Completed, Event, Image, Preview, Progress, failure_of
from sora_proxy.generation import Phase

NUMBERS_PER_EVENT = 100  # the maximum number of stream events for one event of the log
FIRST_OF_PREVIEWS = 50  # the first of an event's numbers that are reserved for previews
CALL = "response.image_generation_call."


class ResponseEvents:
    """Makes the events of one stream from all events of the log, except those that the client already has."""

    def __init__(self, objects: ResponseObjects, after: int = -1) -> None:
        self._objects = objects
        self._numbers = range(objects.generation.spec.n)
        self._after = after
        # All the mutable state: the numbers of the log's last event, of the stream's next event, and of the stream's
        # last event; whether the `generating` events have been made.
        self._log_number = 0
        self._next = 0
        self.last_number = max(after, 0)
        self._generating = False

    def opening(self) -> Iterator[Piece]:
        """The first events of the stream, which precede those of the log."""
        for kind in ("response.created", "response.in_progress"):
            yield from self._event(kind, response=self._objects.response(Phase.in_progress))
        for number in self._numbers:
            yield from self._event("response.output_item.added", output_index=number, item=self._objects.call(number))
            yield from self._of_call("in_progress", number)

    def of(self, event: Event, outcome: Outcome | None) -> Iterator[Piece]:
        """The events for the log's next event. `outcome` is given if the event is `Completed`."""
        self._log_number += 1
        self._next = self._log_number * NUMBERS_PER_EVENT
        if isinstance(event, Progress | Image) and not self._generating:
            self._generating = True
            for number in self._numbers:
                yield from self._of_call("generating", number)
        if isinstance(event, Completed) and outcome:
            yield from self.ending(outcome)
        elif failed := failure_of(event):
            for number, item in enumerate(self._objects.failed_calls(failed)):
                yield from self._event("response.output_item.done", output_index=number, item=item)
            yield from self._event("response.failed", response=self._objects.now(None))

    def preview(self, preview: Preview) -> Iterator[Piece]:
        """The event for an unfinished image; none if the last event of the log has no number left for it."""
        first = self._log_number * NUMBERS_PER_EVENT
        number = max(self.last_number + 1, first + FIRST_OF_PREVIEWS)
        if number < first + NUMBERS_PER_EVENT:
            self._next = number
            shown = {"partial_image_index": preview.number, "partial_image_b64": memoryview(preview.content)}
            yield from self._of_call("partial_image", preview.index, **shown, output_format=preview.format)

    def ending(self, outcome: Outcome) -> Iterator[Piece]:
        """The events of a completed generation."""
        for number, item in enumerate(self._objects.calls(outcome)):
            if item["status"] == "completed":
                yield from self._of_call("completed", number)
            yield from self._event("response.output_item.done", output_index=number, item=item)
        yield from self._message(outcome.text)
        yield from self._event("response.completed", response=self._objects.completed(outcome))

    def cut(self, code: str, message: str) -> Iterator[Piece]:
        """The end of a stream whose generation continues. The log does not contain this end, so it is sent under the
        number of the last event."""
        fields = {"sequence_number": self.last_number, "code": code, "message": message, "param": None}
        return event_pieces("error", fields)

    def _message(self, text: str) -> Iterator[Piece]:
        objects, at = self._objects, {"output_index": len(self._numbers)}
        in_message = at | {"item_id": objects.message(text)["id"], "content_index": 0}
        yield from self._event("response.output_item.added", **at, item=objects.message(None))
        yield from self._event("response.content_part.added", **in_message, part=objects.part(""))
        yield from self._event("response.output_text.delta", **in_message, delta=text, logprobs=[])
        yield from self._event("response.output_text.done", **in_message, text=text, logprobs=[])
        yield from self._event("response.content_part.done", **in_message, part=objects.part(text))
        yield from self._event("response.output_item.done", **at, item=objects.message(text))

    def _of_call(self, kind: str, number: int, **fields: Any) -> Iterator[Piece]:
        return self._event(CALL + kind, item_id=self._objects.call(number)["id"], output_index=number, **fields)

    def _event(self, kind: str, **fields: Any) -> Iterator[Piece]:
        number = self._next
        self._next += 1
        if number > self._after:
            self.last_number = number
            yield from event_pieces(kind, {"sequence_number": number} | fields)
