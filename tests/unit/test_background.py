"""Background loops: a loop that dies is logged, restarted and reported, and stopping the loops waits for their end."""

import asyncio
import itertools

import pytest
import structlog

from sora_proxy import background
from sora_proxy.background import Background, start_task, uninterrupted
from tests.eventually import turns_until

SECONDS = 60  # the time limit of each test


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "FIRST_PAUSE_SECONDS", 0.02)


async def test_a_loop_that_raises_is_logged_with_its_exception_and_started_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    attempts, survived = itertools.count(1), asyncio.Event()

    async def loop() -> None:
        if next(attempts) < 3:
            raise ZeroDivisionError("of the test")
        survived.set()
        await asyncio.Event().wait()

    running = Background()
    async with asyncio.timeout(SECONDS), running.running(sweeper=loop):
        await survived.wait()
        await turns_until(lambda: not running.dead)  # the loop counts as dead until it has run for a while
    assert caplog.text.count("background loop crashed") == 2
    assert "sweeper" in caplog.text
    assert "ZeroDivisionError: of the test" in caplog.text


async def test_a_loop_that_keeps_dying_stays_reported_as_dead() -> None:
    restarts = itertools.count()
    reported: list[list[str]] = []
    enough = asyncio.Event()
    running = Background()

    async def loop() -> None:
        reported.append(running.dead)
        if next(restarts) == 4:
            enough.set()
            await asyncio.Event().wait()
        raise ZeroDivisionError

    async with asyncio.timeout(SECONDS), running.running(sweeper=loop):
        await enough.wait()
    assert reported == [[], *[["sweeper"]] * 4]


async def test_a_loop_is_reported_as_dead_until_its_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "FIRST_PAUSE_SECONDS", 3600.0)
    died = asyncio.Event()

    async def loop() -> None:
        died.set()
        raise ZeroDivisionError

    running = Background()
    async with asyncio.timeout(SECONDS), running.running(sweeper=loop, other=asyncio.Event().wait):
        await died.wait()
        await turns_until(lambda: running.dead == ["sweeper"])


async def test_a_loop_whose_task_was_cancelled_from_outside_is_started_again() -> None:
    starts: asyncio.Queue[asyncio.Task[None] | None] = asyncio.Queue()

    async def loop() -> None:
        starts.put_nowait(asyncio.current_task())
        await asyncio.Event().wait()

    async with asyncio.timeout(SECONDS), Background().running(sweeper=loop):
        first = await starts.get()
        assert first is not None
        first.cancel()
        assert await starts.get() is not first


async def test_a_loop_that_returns_is_not_started_again(caplog: pytest.LogCaptureFixture) -> None:
    starts = itertools.count(1)

    async def loop() -> None:
        next(starts)

    async with Background().running(once=loop):
        await turns_until(lambda: "keep once" not in [task.get_name() for task in asyncio.all_tasks()])
    assert next(starts) == 2
    assert caplog.text == ""


async def test_stopping_the_loops_waits_until_each_loop_has_cleaned_up() -> None:
    cleaned: list[str] = []

    async def loop() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append("done")

    async with Background().running(first=loop, second=loop):
        await asyncio.sleep(0.01)  # time for both loops to begin
    assert cleaned == ["done", "done"]


async def test_the_exception_of_a_task_that_is_never_awaited_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise ZeroDivisionError("of the test")

    task = start_task(fail(), name="lonely")
    await asyncio.wait([task])
    await asyncio.sleep(0)  # callbacks of the task run in the next turn
    assert "background task crashed" in caplog.text
    assert "lonely" in caplog.text


async def test_a_cancellation_takes_effect_only_after_uninterrupted_work_has_finished() -> None:
    steps: list[str] = []
    may_end = asyncio.Event()

    async def work() -> None:
        await may_end.wait()
        steps.append("done")

    caller = asyncio.ensure_future(uninterrupted(work()))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.sleep(0)
    assert not caller.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert steps == ["done"]


@pytest.mark.parametrize("shared", [True, False])
async def test_a_task_inherits_the_log_context_of_its_caller_unless_the_task_is_shared(*, shared: bool) -> None:
    async def context() -> dict[str, object]:
        return structlog.contextvars.get_contextvars()

    with structlog.contextvars.bound_contextvars(generation="the first"):
        task = start_task(context(), name="of the test", awaited=True, shared=shared)
    assert await task == ({} if shared else {"generation": "the first"})
