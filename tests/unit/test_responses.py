"""How a generation is shown as a response of the Responses API."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from sora_proxy.api.http.pieces import Piece
from sora_proxy.api.image_results import ImageResult
from sora_proxy.api.responses.events import ResponseEvents
from sora_proxy.api.responses.objects import Outcome, ResponseObjects, generation_id_of, response_id_of
from sora_proxy.event_log import Cancelled, Completed, Failed, Image, Preview, Progress, Queued
from sora_proxy.generation import Generation, State, Status, new_generation_id
from sora_proxy.spec import GenerationSpec

FILE = Path("image.webp")
NUMBER = re.compile(rb'"sequence_number":(\d+)')


def completed(*made: int, of: int) -> tuple[Generation, Outcome]:
    """A completed generation and its outcome. `of`: how many images were ordered; `made`: the numbers of the images
    that exist."""
    generation = Generation("chatcmpl-1", "client", GenerationSpec("sora-1.0", "a fox", n=of))
    generation.state = State(Status.completed)
    images = [Image(number, name=f"{number}.webp") for number in made]
    generation.log.append(Queued(1), Progress(50), *images, Completed())
    return generation, Outcome([ImageResult(number, "http://x/", FILE) for number in made], "text")


def numbers_of(pieces: Iterable[Piece]) -> list[int]:
    texts = [piece for piece in pieces if isinstance(piece, bytes)]
    return [int(found[1]) for text in texts if (found := NUMBER.search(text))]


def test_the_ids_of_both_apis_can_be_converted_to_each_other() -> None:
    generation_id = new_generation_id()
    assert response_id_of(generation_id).startswith("resp_")
    assert generation_id_of(response_id_of(generation_id)) == generation_id


@pytest.mark.parametrize("name", ["", "1", "chatcmpl-1", "RESP_1", "ig_1"])
def test_an_id_that_does_not_have_the_form_of_response_ids_belongs_to_no_generation(name: str) -> None:
    assert generation_id_of(name) == ""


def test_a_missing_image_is_a_failed_call_in_the_response() -> None:
    generation, outcome = completed(0, 2, of=3)
    *calls, message = ResponseObjects(generation).now(outcome)["output"]
    assert [call["id"] for call in calls] == ["ig_1_0", "ig_1_1", "ig_1_2"]
    assert [call["status"] for call in calls] == ["completed", "failed", "completed"]
    assert [call["result"] for call in calls] == [FILE, None, FILE]
    assert calls[1]["error"]["code"] == "result_unavailable"
    assert message["content"][0]["text"] == "text"


def test_a_task_id_that_arrives_late_does_not_change_a_cancelled_response() -> None:
    generation = Generation("chatcmpl-1", "client", GenerationSpec("sora-1.0", "a fox"))
    generation.state = State(Status.submitting, backend="sora", model="sora-image")
    generation.log.append(Queued(1), Cancelled())
    end = ResponseObjects(generation).now(None)
    generation.state = generation.state.to(Status.running, task_id="task")
    assert ResponseObjects(generation).now(None) == end


def test_previews_use_only_sequence_numbers_that_the_previous_event_left_unused() -> None:
    generation = Generation("chatcmpl-1", "client", GenerationSpec("sora-1.0", "a fox", n=2, previews=3))
    events = ResponseEvents(ResponseObjects(generation), after=153)
    told = [*events.opening(), *events.of(Progress(50), None)]
    preview = Preview(b"content", "png", index=1)
    shown = [numbers_of(events.preview(preview)) for _ in range(60)]
    assert numbers_of(told) == []
    assert [number for numbers in shown for number in numbers] == [*range(154, 200)]
    assert numbers_of(events.of(Failed("code", "message"), None)) == [200, 201, 202]


def test_the_sequence_numbers_of_a_stream_depend_only_on_the_event_log() -> None:
    generation, outcome = completed(0, 1, 3, of=4)
    events = ResponseEvents(ResponseObjects(generation))
    told = [events.opening(), *(events.of(event, outcome) for event in generation.log)]
    assert [numbers_of(pieces) for pieces in told] == [
        [*range(10)],
        [],  # the order is waiting
        [200, 201, 202, 203],  # the first progress: one number for each of the four images
        [],
        [],
        [],
        # Seven numbers, and in addition two for each of the three images and one for the image that failed.
        [*range(600, 614)],
    ]
