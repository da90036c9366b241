"""The table of transitions, the events and their records."""

import itertools
from dataclasses import FrozenInstanceError

import orjson
import pytest

from sora_proxy.event_log import (
    EVENTS,
    MAX_PREVIEW_BYTES,
    Cancelled,
    Completed,
    Event,
    Failed,
    Image,
    Missing,
    Preview,
    Progress,
    Queued,
    event_from_record,
    event_to_record,
)
from sora_proxy.generation import (
    BEYOND_RECALL,
    FINAL,
    TRANSITIONS,
    Asset,
    Generation,
    State,
    Status,
    new_generation_id,
)
from sora_proxy.spec import GenerationSpec

# A second copy of the table, so that no transition is changed by mistake.
ALLOWED = {
    "queued": "submitting saving failed cancelled",
    "submitting": "running saving unknown queued failed cancelled",
    "unknown": "running saving queued failed cancelled",
    "running": "saving queued failed cancelled",
    "saving": "completed failed cancelled",
    "completed": "",
    "failed": "",
    "cancelled": "",
}
SOME_EVENTS: list[Event] = [
    Queued(3, 12),
    Queued(1),
    Progress(42, 7, 30),
    Progress(),
    Image(0, name="0" * 32 + ".png"),
    Image(3, url="https://media.example/x?sig=%20"),
    Missing(1, "outcome_unknown", "it is not known"),
    Completed(),
    Failed("generation_failed", 'with "quotes", 中文 and\nlines'),
    Cancelled(),
]


@pytest.mark.parametrize(("start", "end"), list(itertools.product(Status, Status)))
def test_only_the_transitions_in_the_table_are_possible(start: Status, end: Status) -> None:
    state = State(start, key_id="k", attempts=2)
    if end.value in ALLOWED[start].split():
        assert state.to(end, task_id="t") == State(end, key_id="k", attempts=2, task_id="t")
    else:
        with pytest.raises(ValueError, match=f"from {start} to {end}"):
            state.to(end)
    assert state.status is start


def test_only_final_statuses_have_no_transitions_and_all_others_can_change_to_failed() -> None:
    assert {status for status in Status if not TRANSITIONS[status]} == FINAL
    assert all(Status.failed in TRANSITIONS[status] for status in Status if status not in FINAL)


def test_an_order_whose_results_are_being_saved_is_never_queued_again() -> None:
    """Of the states after the intent, only submitting, unknown and running lead back to the queue."""
    assert {status for status in BEYOND_RECALL if Status.queued in TRANSITIONS[status]} == {
        Status.submitting,
        Status.unknown,
        Status.running,
    }
    reached, wave = {Status.saving}, {Status.saving}
    while wave:
        wave = {after for status in wave for after in TRANSITIONS[status]} - reached
        reached |= wave
    assert reached.isdisjoint({Status.queued, Status.submitting, Status.unknown})


def test_a_state_is_immutable() -> None:
    state = State()
    with pytest.raises(FrozenInstanceError):
        state.status = Status.completed  # type: ignore[misc]


def test_a_generation_shows_whether_it_ended_how_it_failed_and_its_events_by_kind() -> None:
    generation = Generation("id", "client", GenerationSpec("m", "p"))
    assert (generation.ended, generation.failure) == (False, None)
    generation.log.append(*SOME_EVENTS)
    generation.state = State(Status.failed, assets=(Asset("https://x"),))
    assert (generation.ended, generation.failure) == (True, SOME_EVENTS[8])
    assert generation.events_of(Image) == SOME_EVENTS[4:6]


@pytest.mark.parametrize("event", SOME_EVENTS, ids=repr)
def test_an_event_is_unchanged_after_conversion_to_json_and_back(event: Event) -> None:
    kind, fields = event_to_record(event)
    assert event_from_record(kind, orjson.loads(orjson.dumps(fields))) == event


def test_the_conversion_to_records_is_tested_with_every_kind_of_event() -> None:
    assert {type(event) for event in SOME_EVENTS} == set(EVENTS.values())


def test_ids_are_url_safe_and_contain_128_random_bits() -> None:
    ids = {new_generation_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(bytes.fromhex(name.removeprefix("chatcmpl-"))) == 16 for name in ids)


def test_the_fields_that_distinguish_stored_orders_never_change() -> None:
    assert GenerationSpec("sora-image", "a fox").ordered() == {"model": "sora-image", "prompt": "a fox"}
    everything = GenerationSpec(
        "m", "p", 2, 64, 65, ("x.png",), True, {"a": "b"}, True, "webp", 50, "https://x", "https://y"
    )
    assert everything.ordered() == {
        "model": "m",
        "prompt": "p",
        "n": 2,
        "width": 64,
        "height": 65,
        "format": "webp",
        "compression": 50,
    }


def previewed(preview: Preview, *, wanted: int = 1, ended: bool = False) -> Preview | None:
    """Give this preview to a generation of two images; returns the preview that the generation stores, or None."""
    generation = Generation("chatcmpl-1", "client", GenerationSpec("m", "p", n=2, previews=wanted))
    if ended:
        generation.log.append(Cancelled())
    generation.show_preview(preview)
    return next(iter(generation.previews.values()), None)


def test_a_preview_is_stored_only_if_it_is_valid_and_its_client_wants_it() -> None:
    good = Preview(bytes(MAX_PREVIEW_BYTES), "png", index=1)
    assert previewed(good) is good
    assert previewed(good, wanted=0) is None
    assert previewed(good, ended=True) is None
    for index in (-1, 2):
        assert previewed(Preview(b"", "png", index=index)) is None
    assert previewed(Preview(bytes(MAX_PREVIEW_BYTES + 1), "png")) is None
