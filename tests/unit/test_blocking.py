"""BlockingPool: results of calls, bounds on threads, and calls whose caller is cancelled."""

import asyncio
import contextvars
import threading

import pytest

from sora_proxy.blocking import THREADS, BlockingPool, Work
from tests.eventually import PATIENCE, turns_until

marker: contextvars.ContextVar[str] = contextvars.ContextVar("marker", default="none")


class Call:
    """Work that occupies a thread until the test ends it."""

    def __init__(self) -> None:
        self.begun, self.go, self.ended = threading.Event(), threading.Event(), threading.Event()

    def __call__(self, result: str = "done", *, error: Exception | None = None) -> str:
        self.begun.set()
        assert self.go.wait(PATIENCE)
        self.ended.set()
        if error:
            raise error
        return result


async def begun(call: Call) -> None:
    assert await asyncio.to_thread(call.begun.wait, PATIENCE)


async def test_a_call_runs_on_a_thread_for_its_kind_of_work_and_returns_its_result(pool: BlockingPool) -> None:
    name = await pool.run(Work.poll, lambda: threading.current_thread().name)
    assert name.startswith("sora-poll")


async def test_an_exception_of_a_call_reaches_its_caller(pool: BlockingPool) -> None:
    with pytest.raises(ZeroDivisionError):
        await pool.run(Work.media, lambda: 1 / 0)
    assert not pool.busy


async def test_a_thread_gets_a_copy_of_the_context_variables_of_its_caller(pool: BlockingPool) -> None:
    def call() -> str:
        before = marker.get()
        marker.set("of the thread")
        return before

    marker.set("of the caller")
    assert await pool.run(Work.media, call) == "of the caller"
    assert marker.get() == "of the caller"


@pytest.mark.parametrize("error", [None, ValueError("nobody wants it")], ids=["returns", "raises"])
async def test_a_cancelled_caller_waits_until_its_thread_has_finished(
    pool: BlockingPool, error: Exception | None
) -> None:
    call = Call()
    caller = asyncio.create_task(pool.run(Work.submit, call, error=error))
    await begun(call)
    for _ in range(3):  # repeated cancellations have no effect either
        caller.cancel()
        done, _ = await asyncio.wait([caller], timeout=0.01)
        assert not done
    assert pool.busy
    call.go.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert call.ended.is_set()
    assert not pool.busy


async def test_a_call_that_has_not_begun_is_dropped_if_its_caller_is_cancelled(pool: BlockingPool) -> None:
    assert THREADS[Work.store_write] == 1
    first, second = Call(), Call()
    busy = asyncio.create_task(pool.run(Work.store_write, first))
    await begun(first)
    waiting = asyncio.create_task(pool.run(Work.store_write, second))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    first.go.set()
    assert await busy == "done"
    assert await pool.run(Work.store_write, lambda: "the thread is free") == "the thread is free"
    assert not second.begun.is_set()


async def test_the_pool_is_idle_after_a_caller_was_cancelled_just_after_its_call_finished(pool: BlockingPool) -> None:
    call = Call()
    caller = asyncio.create_task(pool.run(Work.media, call))
    await begun(call)
    call.go.set()
    await turns_until(lambda: not pool.busy)  # the thread has finished, but the caller has not resumed yet
    caller.cancel()
    done, _ = await asyncio.wait([caller], timeout=PATIENCE)
    assert done
    assert not pool.busy


async def test_one_kind_of_work_does_not_delay_another(pool: BlockingPool) -> None:
    calls = [Call() for _ in range(THREADS[Work.media])]
    running = [asyncio.create_task(pool.run(Work.media, call)) for call in calls]
    for call in calls:
        await begun(call)
    assert await pool.run(Work.submit, lambda: "at once") == "at once"
    assert pool.busy
    for call in calls:
        call.go.set()
    assert await asyncio.gather(*running) == ["done"] * len(calls)
    assert not pool.busy


async def test_the_number_of_threads_for_a_kind_of_work_is_limited(pool: BlockingPool) -> None:
    calls = [Call() for _ in range(THREADS[Work.media] + 3)]
    running = [asyncio.create_task(pool.run(Work.media, call)) for call in calls]
    for call in calls[: THREADS[Work.media]]:
        await begun(call)
    assert sum(call.begun.is_set() for call in calls) == THREADS[Work.media]
    for call in calls:
        call.go.set()
    await asyncio.gather(*running)


async def test_closing_the_pool_drops_waiting_calls_and_lets_running_calls_finish(pool: BlockingPool) -> None:
    first, second = Call(), Call()
    busy = asyncio.create_task(pool.run(Work.store_write, first))
    await begun(first)
    waiting = asyncio.create_task(pool.run(Work.store_write, second))
    await asyncio.sleep(0)
    pool.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    first.go.set()
    assert await busy == "done"
    assert not second.begun.is_set()


async def test_a_branch_of_the_pool_has_its_own_threads_and_closes_with_the_pool(pool: BlockingPool) -> None:
    branch, held = pool.branch(), [Call() for _ in range(THREADS[Work.download])]
    running = [asyncio.create_task(branch.run(Work.download, call)) for call in held]
    for call in held:
        await begun(call)
    assert await pool.run(Work.download, str, "not held up") == "not held up"
    assert pool.busy
    for call in held:
        call.go.set()
    await asyncio.gather(*running)
    pool.close()
    with pytest.raises(RuntimeError):
        await branch.run(Work.download, str)
