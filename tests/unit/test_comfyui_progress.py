"""How far a job is, by the frames of a socket."""

import json
import struct
from typing import Any

import pytest

from sora_proxy.upstream.comfyui.progress import JobProgress, read_binary, read_text
from tests.simulated_comfyui import painted

JOB, OTHER = "b2a4bd5e-0000-5000-8000-000000000001", "b2a4bd5e-0000-5000-8000-000000000002"
JPEG = b"\xff\xd8 a preview"


def frame(kind: str, prompt_id: str = JOB, **data: Any) -> str:
    return json.dumps({"type": kind, "data": {"prompt_id": prompt_id, **data}})


def state(prompt_id: str = JOB, **nodes: tuple[float, float, str]) -> str:
    told = {name[1:]: {"value": value, "max": most, "state": word} for name, (value, most, word) in nodes.items()}
    return frame("progress_state", prompt_id, nodes=told)


def preview(prompt_id: str | None = JOB, kind: str = "image/jpeg", content: bytes = JPEG, event: int = 4) -> bytes:
    about = json.dumps({"prompt_id": prompt_id, "image_type": kind}).encode()
    return struct.pack(">II", event, len(about)) + about + content


@pytest.fixture
def jobs() -> dict[str, JobProgress]:
    return {JOB: JobProgress(painted())}


DONE = (1.0, 1.0, "finished")


def test_the_steps_of_a_sampler_count_most_and_a_job_never_goes_back(jobs: dict[str, JobProgress]) -> None:
    job, seen = jobs[JOB], []
    for told in (
        state(n4=(0.0, 1.0, "running")),
        state(n4=DONE),
        state(n4=DONE, n5=DONE, n6=DONE, n7=DONE),
        state(n4=DONE, n5=DONE, n6=DONE, n7=DONE, n3=(1.0, 2.0, "running")),
        state(n4=DONE),  # less than before, as after a socket was opened again
        state(n4=DONE, n5=DONE, n6=DONE, n7=DONE, n3=(2.0, 2.0, "finished")),
        state(n4=DONE, n5=DONE, n6=DONE, n7=DONE, n3=DONE, n8=DONE, n9=DONE),
    ):
        assert read_text(told, jobs)
        seen.append(job.fraction or 0.0)
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (0.0, 1.0)
    assert seen[2] < 0.2
    assert seen[3] - seen[2] > 0.3
    assert seen[5] - seen[3] > 0.3


def test_the_end_of_a_job_is_noticed_once_the_history_has_it(jobs: dict[str, JobProgress]) -> None:
    for told in (frame("executing", node="3"), frame("executing"), frame("execution_success")):
        read_text(told, jobs)
        assert not jobs[JOB].ended.is_set()
    read_text(frame("executing", OTHER, node=None), jobs)
    assert not jobs[JOB].ended.is_set()
    read_text(frame("executing", node=None), jobs)
    assert jobs[JOB].ended.is_set()


def test_nodes_from_the_cache_are_done(jobs: dict[str, JobProgress]) -> None:
    assert read_text(frame("execution_cached", nodes=["4", "5", "6", "7", "3"]), jobs)
    assert jobs[JOB].fraction is None
    read_text(state(n8=(0.0, 1.0, "running")), jobs)
    assert (jobs[JOB].fraction or 0.0) > 0.9


@pytest.mark.parametrize(
    "told",
    [
        state(OTHER, n4=DONE),
        json.dumps({"type": "progress_state", "data": {"nodes": {"4": {"state": "finished"}}}}),
        json.dumps({"type": "executing", "data": {"node": "4"}}),
        json.dumps({"type": "status", "data": None}),
        json.dumps([]),
        "no JSON",
        "[" * 5000,
        state(n4=DONE) + " " * 2**20,
    ],
)
def test_frames_about_nothing_of_ours_change_nothing(jobs: dict[str, JobProgress], told: str) -> None:
    assert not read_text(told, jobs)
    assert jobs[JOB].fraction is None


@pytest.mark.parametrize(
    "nodes",
    [None, [], {"4": None}, {"4": {"state": "running", "value": "1", "max": "x"}}, {"4": {"value": 1, "max": 0}}],
)
def test_states_that_can_not_be_read_count_as_nothing_done(jobs: dict[str, JobProgress], nodes: Any) -> None:
    read_text(frame("progress_state", nodes=nodes), jobs)
    assert not jobs[JOB].fraction


def test_a_preview_of_our_job_is_kept_with_its_number(jobs: dict[str, JobProgress]) -> None:
    for number, kind in enumerate(("jpeg", "png")):
        assert read_binary(preview(kind=f"image/{kind}"), jobs)
        shown = jobs[JOB].preview
        assert shown is not None
        assert (shown.content, shown.format, shown.number) == (JPEG, kind, number)


@pytest.mark.parametrize(
    "told",
    [
        preview(OTHER),
        preview(None),
        preview(kind="text/html"),
        preview(content=b""),
        preview(event=1),
        preview()[:7],
        struct.pack(">II", 4, 2**31) + b"{}",
        struct.pack(">II", 4, 2) + b"[]" + JPEG,
    ],
)
def test_previews_that_are_not_surely_ours_are_dropped(jobs: dict[str, JobProgress], told: bytes) -> None:
    assert not read_binary(told, jobs)
    assert jobs[JOB].preview is None
