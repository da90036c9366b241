"""How ComfyUI's answers are read. No answer causes an unexpected exception."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sora_proxy.upstream import TaskState
from sora_proxy.upstream.comfyui.answers import STOPPED, ended_job, queued_jobs, version_in
from sora_proxy.upstream.comfyui.calls import refusal_in

JOB = "b2a4bd5e-0000-5000-8000-000000000001"
EXTRA = {"client_id": "gw", "sora_proxy": {"output": "9"}}
GOOD = {"filename": "a_00001_.png", "subfolder": "gw", "type": "output"}
WORDS = st.sampled_from(
    ["prompt", "outputs", "status", "status_str", "messages", "success", "error", "filename", "images", "9", "errors"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | WORDS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(WORDS | st.just(JOB), inner, max_size=5),
    max_leaves=25,
)


def is_class(name: str) -> bool:
    return name == "KSampler"


def entry(*items: Any, status: Any = None, others: dict[str, Any] | None = None) -> dict[str, Any]:
    """The history with the entry of our job."""
    shown = {"9": {"images": list(items)}, **(others or {})}
    success = {"status_str": "success", "completed": True, "messages": []}
    return {
        JOB: {"prompt": [0, JOB, {}, EXTRA, ["9"]], "outputs": shown, "status": success if status is None else status}
    }


def failed(event: str, **data: Any) -> dict[str, Any]:
    return entry(
        status={"status_str": "error", "completed": False, "messages": [["execution_start", {}], [event, data]]}
    )


def names(history: dict[str, Any]) -> list[str]:
    snapshot = ended_job(JOB, history, is_class)
    assert snapshot is not None
    return [parse_qs(urlsplit(asset.url).query)["filename"][0] for asset in snapshot.assets]


def test_the_queue_is_sorted_by_number_and_a_running_job_has_no_place() -> None:
    def item(number: float, name: str) -> list[Any]:
        return [number, name, {"1": {}}, {"client_id": f"client of {name}"}, []]

    jobs = queued_jobs({"queue_running": [item(3, "a")], "queue_pending": [item(9, "d"), item(-1, "b"), item(5, "c")]})
    assert {name: job.position for name, job in jobs.items()} == {"a": None, "b": 1, "c": 2, "d": 3}
    assert jobs["c"].client_id == "client of c"
    assert jobs["c"].graph == {"1": {}}


def test_results_are_the_saved_images_of_the_output_node_in_their_original_order() -> None:
    second = GOOD | {"filename": "a_00002_.webp", "subfolder": ""}
    other = {"2": {"images": [GOOD | {"filename": "other.png"}]}}
    history = entry(second, GOOD, GOOD | {"type": "temp"}, GOOD | {"filename": "film.mp4"}, others=other)
    assert names(history) == ["a_00002_.webp", "a_00001_.png"]


@pytest.mark.parametrize(
    "item",
    [
        {**GOOD, "filename": "../../etc/passwd.png"},
        {**GOOD, "filename": "a\n.png"},
        {**GOOD, "filename": None},
        {**GOOD, "filename": "a" * 300 + ".png"},
        {**GOOD, "subfolder": None},
        {**GOOD, "type": "input"},
        "a.png",
        None,
    ],
)
def test_an_entry_that_is_not_a_valid_result_is_ignored(item: Any) -> None:
    assert names(entry(item, GOOD)) == ["a_00001_.png"]


def test_special_characters_in_a_file_name_do_not_change_the_request_for_the_image() -> None:
    assert names(entry(GOOD | {"filename": "a&type=input#.png"})) == ["a&type=input#.png"]


@pytest.mark.parametrize(
    ("history", "reason"),
    [
        (failed("execution_interrupted"), STOPPED),
        (failed("execution_error", node_type="KSampler", exception_type="RuntimeError"), "KSampler"),
        (failed("execution_error", node_type="KSampler", exception_type="torch.OutOfMemoryError"), "memory"),
        (failed("execution_error", node_type="a secret wish", exception_type="a wish"), "failed to make the image"),
        (failed("execution_error", node_type=["KSampler"], exception_type=None), "failed to make the image"),
        (entry(status={}), "failed to make the image"),
        (entry(status=[]), "failed to make the image"),
    ],
)
def test_the_failure_reason_of_a_job_never_quotes_unknown_text_of_the_server(
    history: dict[str, Any], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    snapshot = ended_job(JOB, history, is_class)
    assert snapshot is not None
    assert snapshot.state is TaskState.failed
    assert reason in (snapshot.reason or "")
    assert "wish" not in (snapshot.reason or "") + caplog.text


def test_a_job_without_a_status_has_succeeded_if_it_has_images() -> None:
    snapshot = ended_job(JOB, entry(GOOD, status=[]), is_class)
    assert snapshot is not None
    assert (snapshot.state, len(snapshot.assets)) == (TaskState.succeeded, 1)


def test_an_unknown_job_has_not_ended() -> None:
    assert ended_job(JOB, {}, is_class) is None


@pytest.mark.parametrize(
    ("told", "version"),
    [("0.33.0", (0, 33, 0)), ("v0.3.64", (0, 3, 64)), ("0.3.64-5-gabc", (0, 3, 64)), ("unknown", None), (None, None)],
)
def test_only_the_numbers_of_a_version_are_read(told: Any, version: tuple[int, ...] | None) -> None:
    assert version_in({"system": {"comfyui_version": told}}) == version


@pytest.mark.slow
@given(JSON, JSON)
def test_reading_an_answer_never_raises_an_exception(one: Any, other: Any) -> None:
    queued_jobs({"queue_running": one, "queue_pending": other})
    queued_jobs(
        {"queue_running": [[one, JOB, other, one]], "queue_pending": [[other, JOB, one, other], [one, JOB, 1, 2]]}
    )
    for history in ({JOB: one}, {JOB: {"prompt": [0, JOB, {}, one], "outputs": {"9": {"images": other}}}}):
        snapshot = ended_job(JOB, history, is_class)
        assets = snapshot.assets if snapshot else ()
        assert all(asset.url.startswith("/view?") and asset.ours_only for asset in assets)
    refusal_in({"error": one, "node_errors": {"9": {"errors": other, "class_type": one}}})
    refusal_in({"error": one, "node_errors": other})
    version_in({"system": one})
