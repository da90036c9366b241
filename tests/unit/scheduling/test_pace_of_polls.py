"""How often a key's tasks are polled. Time is virtual."""

import asyncio
import itertools
from contextlib import aclosing
from dataclasses import replace
from typing import cast

import pytest

from sora_proxy.errors import Fault, RateLimited, ServerUnreachable, UpstreamUnavailable
from sora_proxy.orders.watcher import MAX_INTERVAL_SECONDS, MAX_OUTAGE_INTERVAL_SECONDS, TaskWatcher
from sora_proxy.scheduling.key_pool import KeyPool
from sora_proxy.scheduling.keys import Key
from sora_proxy.upstream import Snapshot, TaskState, Upstream
from tests.unit.scheduling.test_key_pool import keys_of, now, pool_of

INTERVAL, PATIENCE = 1.0, 1800.0


class NeverDone:
    """A back end whose tasks never end. `polls` contains the time and the tasks of each poll."""

    def __init__(self) -> None:
        self.polls: list[tuple[float, list[str]]] = []

    async def poll(self, task_ids: list[str], *_: object, **__: object) -> dict[str, Snapshot]:
        self.polls.append((now(), task_ids))
        return {task_id: Snapshot(task_id, TaskState.running) for task_id in task_ids}

    def between(self, start: float, end: float) -> int:
        return sum(start <= time < end for time, _ in self.polls)


async def follow(watcher: TaskWatcher, key: Key, task_id: str) -> None:
    async with aclosing(watcher.follow(key, task_id)) as snapshots:
        async for _ in snapshots:
            pass


def watching() -> tuple[NeverDone, KeyPool, TaskWatcher]:
    back_end, pool = NeverDone(), pool_of({})
    return back_end, pool, TaskWatcher(cast("Upstream", back_end), pool, interval=INTERVAL, patience=PATIENCE)


async def test_an_overdue_task_is_polled_at_a_slow_pace() -> None:
    back_end, pool, watcher = watching()
    begun = now()
    following = asyncio.create_task(follow(watcher, keys_of(pool)[0], "old"))
    await asyncio.sleep(PATIENCE + 3600)
    assert back_end.between(begun, begun + PATIENCE) >= PATIENCE / INTERVAL - 2
    times = [time for time, _ in back_end.polls if time > begun + PATIENCE + INTERVAL]
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert min(pauses) >= MAX_INTERVAL_SECONDS
    assert max(pauses) <= MAX_INTERVAL_SECONDS + 2 * INTERVAL
    following.cancel()
    await watcher.close()


async def test_a_new_task_is_polled_at_the_usual_pace_even_if_another_task_is_overdue() -> None:
    back_end, pool, watcher = watching()
    (key,) = keys_of(pool)
    following = [asyncio.create_task(follow(watcher, key, "old"))]
    await asyncio.sleep(PATIENCE + 500.5)
    begun = now()
    following.append(asyncio.create_task(follow(watcher, key, "new")))
    await asyncio.sleep(60)
    first = min(time for time, tasks in back_end.polls if "new" in tasks)
    assert first - begun <= 2 * INTERVAL
    assert back_end.between(begun, begun + 60) >= 60 / INTERVAL - 2
    for each in following:
        each.cancel()
    await watcher.close()


class Reports(NeverDone):
    """A back end that reports the end of a task without being polled."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = asyncio.Event()

    async def poll(self, task_ids: list[str], *_: object, **__: object) -> dict[str, Snapshot]:
        found = await super().poll(task_ids)
        return {task_id: replace(each, ended=self.ended) for task_id, each in found.items()}


async def test_a_task_is_polled_at_once_when_the_back_end_reports_its_end() -> None:
    back_end, pool = Reports(), pool_of({})
    watcher = TaskWatcher(cast("Upstream", back_end), pool, interval=INTERVAL, patience=PATIENCE)
    begun = now()
    following = asyncio.create_task(follow(watcher, keys_of(pool)[0], "quick"))
    await asyncio.sleep(2.25)
    back_end.ended.set()
    await asyncio.sleep(1.5)
    assert [time - begun for time, _ in back_end.polls] == pytest.approx([1, 2, 2.25, 3.25])
    following.cancel()
    await watcher.close()


class Failing(NeverDone):
    """A back end whose polls all fail."""

    def __init__(self, fault: Fault) -> None:
        super().__init__()
        self.fault = fault

    async def poll(self, task_ids: list[str], *_: object, **__: object) -> dict[str, Snapshot]:
        await super().poll(task_ids)
        raise self.fault


@pytest.mark.parametrize(
    ("fault", "longest"),
    [
        (ServerUnreachable("no connection"), MAX_OUTAGE_INTERVAL_SECONDS),
        (UpstreamUnavailable("no answer in time"), MAX_OUTAGE_INTERVAL_SECONDS),
        (RateLimited("too many calls", retry_after=None), MAX_INTERVAL_SECONDS),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Fault) else "",
)
async def test_the_interval_between_failed_polls_grows_up_to_a_limit(fault: Fault, longest: float) -> None:
    back_end, pool = Failing(fault), pool_of({})
    watcher = TaskWatcher(cast("Upstream", back_end), pool, interval=INTERVAL, patience=PATIENCE)
    following = asyncio.create_task(follow(watcher, keys_of(pool)[0], "lost"))
    await asyncio.sleep(300)
    times = [time for time, _ in back_end.polls]
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == pytest.approx((2 * INTERVAL, longest))
    following.cancel()
    await watcher.close()
