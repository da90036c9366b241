"""The chunks of a chat stream depend only on the event log, so an interrupted stream can be resumed."""

import itertools
from typing import Any, get_args, get_type_hints

import orjson
import pytest

from sora_proxy.api.chat.chunks import NUMBERS_PER_EVENT, ChatChunks, ChunkOptions
from sora_proxy.event_log import Cancelled, Completed, Event, Failed, Image, Progress, Queued
from sora_proxy.generation import Generation
from sora_proxy.spec import GenerationSpec

IMAGES = [Image(n, name=f"{n:032x}.png") for n in range(2)]
STORIES: dict[str, list[Event]] = {
    "completed": [Queued(2, 9), Progress(5), Progress(60), *IMAGES, Completed()],
    "completed at once": [IMAGES[0], Completed()],
    "failed": [Queued(1), Progress(30), Failed("generation_failed", "it broke")],
    "cancelled": [Queued(1), Cancelled()],
}
STYLES = get_args(get_type_hints(ChunkOptions)["progress"])
LIVING: list[Event] = [Queued(2, 9), Progress(5)]
ORIGIN = "https://images.example.com"


def generation(events: list[Event]) -> Generation:
    made = Generation("chatcmpl-1", "client", GenerationSpec("sora-1.0", "a red fox"), 1700000000.9)
    made.log.append(*events)
    return made


def streamed(events: list[Event], options: ChunkOptions) -> list[bytes]:
    """All chunks of a stream of these events."""
    chunks = ChatChunks(generation(events), options, ORIGIN)
    return [*chunks.role(), *(line for event in events for line in chunks.of(event))]


EACH_STORY = pytest.mark.parametrize(
    ("events", "options"),
    [
        pytest.param(events, ChunkOptions(style, include_usage=usage), id=f"{name}, {style}, usage: {usage}")
        for (name, events), style, usage in itertools.product(STORIES.items(), STYLES, (False, True))
    ],
)


@EACH_STORY
def test_a_stream_that_was_cut_after_any_chunk_resumes_with_exactly_the_remaining_chunks(
    events: list[Event], options: ChunkOptions
) -> None:
    uncut = streamed(events, options)
    numbers = [number for line in uncut if (number := orjson.loads(line).get("sequence_number")) is not None]
    assert numbers == sorted(set(numbers))
    assert numbers[0] == 0
    assert len(numbers) == len(uncut) - isinstance(events[-1], Failed | Cancelled)
    for position, number in enumerate(numbers, 1):
        resumed = ChunkOptions(options.progress, include_usage=options.include_usage, after=number)
        assert streamed(events, resumed) == uncut[position:]


@EACH_STORY
def test_the_number_of_an_event_can_be_derived_from_the_numbers_of_its_chunks(
    events: list[Event], options: ChunkOptions
) -> None:
    chunks = ChatChunks(generation(events), options, ORIGIN)
    for number, event in enumerate(events, 1):
        lines = [orjson.loads(line) for line in chunks.of(event)]
        assert all(line["sequence_number"] // NUMBERS_PER_EVENT == number for line in lines if "error" not in line)


@EACH_STORY
def test_all_chunks_have_the_same_metadata_and_only_the_usage_chunk_lacks_choices(
    events: list[Event], options: ChunkOptions
) -> None:
    lines = [orjson.loads(line) for line in streamed(events, options)]
    chunks = [line for line in lines if "error" not in line]
    assert len({(each["id"], each["created"], each["model"], each["object"]) for each in chunks}) == 1
    assert (chunks[0]["created"], chunks[0]["choices"][0]["delta"]) == (
        1700000000,
        {"role": "assistant", "content": ""},
    )
    assert ["usage" in each for each in chunks] == [options.include_usage] * len(chunks)
    without_choices = [each for each in chunks if not each["choices"]]
    assert without_choices == (chunks[-1:] if options.include_usage and events[-1] == Completed() else [])


@pytest.mark.parametrize("style", STYLES)
def test_the_last_chunks_of_an_interrupted_stream_reuse_the_last_sequence_number(style: Any) -> None:
    chunks = ChatChunks(generation(LIVING), ChunkOptions(style), ORIGIN)
    lines = [orjson.loads(line) for event in LIVING for line in chunks.of(event)]
    before = lines[-1]["sequence_number"] if lines else 0
    *words, error = [orjson.loads(line) for line in chunks.cut("server_stopping", "come back")]
    assert {line["sequence_number"] for line in words} == {chunks.last_number} == {before}
    assert "".join(line["choices"][0]["delta"]["content"] for line in words).endswith("come back")
    assert error["error"]["code"] == "server_stopping"


def test_a_think_block_is_opened_and_closed_once() -> None:
    for events in STORIES.values():
        lines = [orjson.loads(line) for line in streamed(events, ChunkOptions("think"))]
        text = "".join(line["choices"][0]["delta"].get("content", "") for line in lines if "error" not in line)
        thought = any(isinstance(event, Queued | Progress) for event in events)
        assert text.count("<think>\n") == text.count("</think>\n\n") == thought
