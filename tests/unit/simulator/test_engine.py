"""The simulated service, with a clock that the tests advance."""

import math
from dataclasses import dataclass

import pytest

from sora_proxy.simulator import engine as engine_module
from sora_proxy.simulator.engine import Clocks, Engine
from sora_proxy.simulator.lifecycle import Failure, Fate, Order, State, Task
from sora_proxy.simulator.options import SimulatorOptions
from sora_proxy.simulator.refusals import Refusal


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds


ORDER = Order("a boat", 1, 720, 480)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def service(clock: Clock, **options: float | str | bool) -> Engine:
    roll = lambda: 1.0  # noqa: E731
    return Engine(SimulatorOptions(**options), Clocks(clock, lambda: 1.7e9, roll))  # type: ignore[arg-type]


def states(engine: Engine, task: Task, clock: Clock, ages: list[float]) -> list[State]:
    seen = []
    for age in ages:
        clock.now = task.registered_at + age
        seen.append(engine.state(task))
    return seen


def test_a_task_is_preprocessed_queued_and_run_before_it_succeeds(clock: Clock) -> None:
    engine = service(clock, queue_seconds=10, seconds=20)
    seen = states(engine, engine.register("k", ORDER), clock, [0, 1.9, 2, 9.9, 10, 29.9, 30, 1000])
    assert [state.status for state in seen] == [
        "preprocessing", "preprocessing", "queued", "queued", "running", "running", "succeeded", "succeeded",
    ]  # fmt: skip


def test_the_place_in_the_queue_counts_down_to_one(clock: Clock) -> None:
    engine = service(clock, queue_seconds=10)
    seen = states(engine, engine.register("k", ORDER), clock, [2, 5, 9.9])
    assert [state.queue_position for state in seen] == [5, 4, 1]
    assert [state.queue_wait for state in seen] == [8, 5, 0.1]


def test_progress_is_null_at_first_and_then_grows_to_one(clock: Clock) -> None:
    engine = service(clock, queue_seconds=0, seconds=100)
    seen = states(engine, engine.register("k", ORDER), clock, [0, 9, 10, 50, 99.9, 100])
    assert [state.progress for state in seen] == [None, None, 0.1, 0.5, 0.99, 1.0]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("steps", [0.0, 0.25, 0.5, 0.75, 1.0]),
        ("stuck", [0.6667, 0.99, 0.99, 0.99, 1.0]),
        ("none", [None, None, None, None, 1.0]),
    ],
)
def test_progress_is_reported_in_the_configured_way(clock: Clock, shape: str, expected: list[float | None]) -> None:
    engine = service(clock, queue_seconds=0, seconds=100, progress=shape)
    seen = states(engine, engine.register("k", ORDER), clock, [20, 30, 60, 90, 100])
    assert [state.progress for state in seen] == expected


def test_progress_can_be_given_in_percent(clock: Clock) -> None:
    engine = service(clock, queue_seconds=0, seconds=100, progress_scale="percent")
    seen = states(engine, engine.register("k", ORDER), clock, [50, 100])
    assert [state.progress for state in seen] == [50, 100]


def test_the_option_jitter_can_extend_a_run_by_the_configured_fraction(clock: Clock) -> None:
    engine = service(clock, queue_seconds=0, seconds=10, jitter=0.2)
    assert engine.register("k", ORDER).run_seconds == pytest.approx(12)


def test_a_new_task_appears_in_the_list_only_after_the_configured_lag(clock: Clock) -> None:
    engine = service(clock, list_lag=5)
    task = engine.register("k", ORDER)
    clock.forward(4.9)
    assert engine.page("k", 10).tasks == []
    assert engine.task(task.id, "k") is None
    clock.forward(0.1)
    assert engine.page("k", 10).tasks == [task]
    assert engine.task(task.id, "k") is task


def test_the_list_is_newest_first_and_can_be_paged_through(clock: Clock) -> None:
    engine = service(clock)
    tasks = [engine.register("k", ORDER) for _ in range(5)]
    engine.register("other", ORDER)
    first = engine.page("k", 2)
    second = engine.page("k", 2, before=first.tasks[-1].id)
    third = engine.page("k", 2, before=second.tasks[-1].id)
    assert [*first.tasks, *second.tasks, *third.tasks] == tasks[::-1]
    assert [first.has_more, second.has_more, third.has_more] == [True, True, False]


def test_a_task_of_another_account_is_refused_as_the_cursor_of_a_page(clock: Clock) -> None:
    engine = service(clock)
    foreign = engine.register("other", ORDER)
    with pytest.raises(Refusal) as refused:
        engine.page("k", 2, before=foreign.id)
    assert (refused.value.status, refused.value.code) == (400, "invalid_cursor")


def test_a_task_of_another_account_is_not_shown(clock: Clock) -> None:
    engine = service(clock)
    assert engine.task(engine.register("other", ORDER).id, "k") is None


def test_the_number_of_unfinished_tasks_of_a_token_is_limited(clock: Clock) -> None:
    engine = service(clock, max_concurrent=2, queue_seconds=0, seconds=10)
    engine.register("k", ORDER)
    clock.forward(5)
    engine.register("k", ORDER)
    with pytest.raises(Refusal) as refused:
        engine.register("k", ORDER)
    assert (refused.value.status, refused.value.code) == (429, "too_many_concurrent_tasks")
    assert refused.value.details == {"num_tasks": 2}
    engine.register("another", ORDER)
    clock.forward(5)
    engine.register("k", ORDER)
    assert engine.peaks.by_token == {"k": 2, "another": 1}
    assert engine.peaks.overall == 3


def test_the_rate_limit_applies_to_every_sliding_minute(clock: Clock) -> None:
    engine = service(clock, rpm=2)
    clock.forward(59)
    engine.register("k", ORDER)
    clock.forward(0.5)
    engine.register("k", ORDER)
    clock.forward(1)  # the next calendar minute, but within the same sixty seconds
    with pytest.raises(Refusal) as refused:
        engine.register("k", ORDER)
    assert refused.value.code == "rate_limit_exhausted"
    assert refused.value.headers == {"Retry-After": "59"}
    clock.forward(58.5)
    engine.register("k", ORDER)
    with pytest.raises(Refusal):
        engine.register("k", ORDER)


def test_an_upload_of_another_account_is_refused(clock: Clock) -> None:
    engine = service(clock)
    upload = engine.add_upload("k", b"image")
    order = Order("a boat", 1, 480, 480, "remix", upload.id)
    assert engine.register("k", order).order.upload_id == upload.id
    with pytest.raises(Refusal) as refused:
        engine.register("other", order)
    assert (refused.value.status, refused.value.code) == (400, "media_not_found")


def test_a_task_can_vanish_temporarily_or_permanently(clock: Clock) -> None:
    engine = service(clock)
    for_a_while = engine.register("k", ORDER, Fate(hidden_after=10, hidden_seconds=60))
    for_good = engine.register("k", ORDER, Fate(hidden_after=10, hidden_seconds=math.inf, hidden_alone_too=False))
    seen = []
    for seconds in (5, 5, 59, 1):
        clock.forward(seconds)
        seen.append(engine.page("k", 10).tasks)
    assert seen == [[for_good, for_a_while], [], [], [for_a_while]]
    assert engine.task(for_good.id, "k") is for_good


def test_the_progress_of_a_task_that_never_finishes_stays_below_one(clock: Clock) -> None:
    engine = service(clock, max_concurrent=1)
    task = engine.register("k", ORDER, Fate(finishes=False))
    clock.forward(1e6)
    assert engine.state(task) == State("running", 0.99)
    with pytest.raises(Refusal):
        engine.register("k", ORDER)


def test_a_task_with_a_requested_failure_fails_at_the_end_of_its_run(clock: Clock) -> None:
    engine = service(clock, queue_seconds=0, seconds=10)
    task = engine.register("k", ORDER, Fate(failure=Failure("rejected", "why")))
    seen = states(engine, task, clock, [5, 10])
    assert [state.status for state in seen] == ["running", "rejected"]


def test_the_status_running_can_be_replaced_by_an_unknown_word(clock: Clock) -> None:
    engine = service(clock, queue_seconds=0, seconds=10)
    task = engine.register("k", ORDER, Fate(running_word="calibrating"))
    assert [state.status for state in states(engine, task, clock, [5, 10])] == ["calibrating", "succeeded"]


def test_finished_tasks_and_uploads_beyond_the_limits_are_removed(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "FINISHED_TASKS_KEPT", 3)
    monkeypatch.setattr(engine_module, "UPLOADED_BYTES_KEPT", 10)
    engine = service(clock, queue_seconds=0, seconds=1)
    endless = engine.register("k", ORDER, Fate(finishes=False))
    tasks = []
    for _ in range(6):
        tasks.append(engine.register("k", ORDER))
        clock.forward(1)
    assert engine.page("k", 10).tasks == [*tasks[:2:-1], endless]
    assert engine.task(tasks[0].id, "k") is None
    uploads = [engine.add_upload("k", b"four") for _ in range(3)]
    assert [engine.upload(upload.id, "k") for upload in uploads] == [None, *uploads[1:]]


def test_an_account_can_place_orders_after_all_of_its_tasks_were_removed(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "FINISHED_TASKS_KEPT", 0)
    engine = service(clock, queue_seconds=0, seconds=1, max_concurrent=1)
    engine.register("k", ORDER)
    clock.forward(1)
    again = engine.register("k", ORDER)
    assert engine.page("k", 10).tasks == [again]
    assert engine.unfinished() == 1


@pytest.mark.parametrize(
    "wrong",
    [{"seconds": -1}, {"jitter": 1.5}, {"progress": "sudden"}, {"page_limit": 0}, {"media_ttl": math.inf}],
)
def test_the_error_about_an_invalid_option_contains_its_name(wrong: dict[str, float | str]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SimulatorOptions(**wrong)  # type: ignore[arg-type]
