"""KeyPool: who gets which key, and what a fault does to it.

Where a test tells the time, `Clock` stands in for the monotonic clock that the module sees: nothing of ours is.
"""

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from sora_proxy.errors import (
    EgressFault,
    Fault,
    KeyRejected,
    NoUpstreamKey,
    QueueFull,
    RateLimited,
    RequestFault,
    SubmissionUnknown,
    TaskFailed,
    TooManyTasks,
    UpstreamUnavailable,
)
from sora_proxy.key_pool import KeyPool, Lease
from sora_proxy.keys import MINUTE, Key, TokenBucket, fingerprint
from sora_proxy.rest import LONGEST_BACK_OFF, LONGEST_REST, Rest
from sora_proxy.setting_types import UpstreamKey

Begin = Callable[..., Awaitable["Order"]]


async def quiet(_position: int, _seconds: int | None) -> None:
    """Nobody wants to hear of the place in line."""


def pool_of(*keys: dict[str, Any], max_queue: int = 1000, max_queue_wait: float = 120.0) -> KeyPool:
    configs = (UpstreamKey(**({"key": f"token-{number}", "max_rpm": 10_000} | key)) for number, key in enumerate(keys))
    return KeyPool(configs, max_queue=max_queue, max_queue_wait=max_queue_wait)


def keys_of(pool: KeyPool) -> list[Key]:
    return list(pool._keys.values())


def idle(pool: KeyPool) -> bool:
    """Whether nobody holds, or waits for, anything."""
    return not pool._line and all(key.tasks == key.intents == 0 for key in keys_of(pool))


async def turns(count: int = 5) -> None:
    """Let everyone who can go on do so."""
    for _ in range(count):
        await asyncio.sleep(0)


class Order:
    """One that waits for a key, holds it, and lets go when told."""

    def __init__(self, pool: KeyPool, *, first: bool = False) -> None:
        self.lease: Lease | None = None
        self._end = asyncio.get_running_loop().create_future()
        self.task = asyncio.create_task(self._run(pool, first=first))

    async def _run(self, pool: KeyPool, *, first: bool) -> None:
        async with pool.lease(quiet, first=first) as self.lease:
            await self._end

    @property
    def key(self) -> Key:
        assert self.lease is not None
        return self.lease.key

    def served(self) -> bool:
        return self.lease is not None

    def accepted(self) -> None:
        assert self.lease is not None
        self.lease.accepted()

    async def end(self, fault: Fault | None = None) -> None:
        if fault is not None:
            self._end.set_exception(fault)
            with pytest.raises(type(fault)):
                await self.task
        else:
            self._end.set_result(None)
            await self.task

    async def leave(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


@pytest.fixture
async def begin() -> AsyncIterator[Begin]:
    """Let an order come; those that are left at the end go away."""
    orders: list[Order] = []

    async def start(pool: KeyPool, *, first: bool = False) -> Order:
        orders.append(Order(pool, first=first))
        await turns()
        return orders[-1]

    yield start
    for order in orders:
        await order.leave()


# --- TokenBucket and Rest ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 7, 60])
@pytest.mark.parametrize("seed", range(5))
def test_a_bucket_gives_never_more_than_its_size_in_any_minute(size: int, seed: int) -> None:
    dice, bucket, now = random.Random(seed), TokenBucket(size), 1000.0
    taken: list[float] = []
    for _ in range(size * 20):
        now += dice.choice([0.0, 0.0, 0.01, dice.expovariate(size / MINUTE)])
        now = max(now, bucket.ready_at())
        bucket.take(now)
        taken.append(now)
    for first, beyond in zip(taken, taken[size:], strict=False):
        assert beyond - first >= MINUTE - 1e-9
    # And no less: someone who always takes as soon as possible gets the whole rate.
    greedy = TokenBucket(size)
    moments = []
    for _ in range(size * 3):
        moments.append(max(0.0, greedy.ready_at()))
        greedy.take(moments[-1])
    assert moments == [0.0] * size + [MINUTE] * size + [2 * MINUTE] * size


def test_a_burst_around_the_turn_of_a_minute_is_no_two_minutes_worth() -> None:
    bucket = TokenBucket(60)
    for _ in range(60):
        bucket.take(59.0)
    assert bucket.ready_at() == 119.0


def test_resting_gets_longer_with_every_failure_up_to_a_bound_and_never_breaks() -> None:
    rest, ends = Rest(), []
    for _ in range(3000):
        rest.until = 0.0
        rest.back_off(0.0)
        ends.append(rest.until)
    assert ends[:8] == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, LONGEST_BACK_OFF, LONGEST_BACK_OFF]
    assert ends[-1] == LONGEST_BACK_OFF


def test_a_rest_is_as_long_as_it_was_told_within_reason_and_never_cut_short_by_another() -> None:
    rest = Rest()
    rest.back_off(0.0, at_least=37.0)
    assert rest.until == 37.0
    rest.back_off(1.0)
    assert rest.until == 37.0
    rest.back_off(2.0, at_least=1e9)
    assert rest.until == 2.0 + LONGEST_REST


def test_a_fingerprint_is_stable_and_tells_nothing() -> None:
    assert fingerprint("secret") == fingerprint("secret") == "2bb80d537b1da3e3"
    assert fingerprint("secret") != fingerprint("secret ")


# --- Who gets which key -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [(1, 2, 3), (1, 1), (0.5, 0.25, 0.25), (1, 9), (5,)])
async def test_shares_follow_the_weights(weights: tuple[float, ...]) -> None:
    pool = pool_of(*({"weight": weight} for weight in weights))
    grants: Counter[str] = Counter()
    for _ in range(600):
        async with pool.lease(quiet) as lease:
            grants[lease.key.id] += 1
    for key in keys_of(pool):
        assert abs(grants[key.id] - 600 * key.weight / sum(weights)) <= 3
    assert idle(pool)


async def test_a_key_that_was_away_does_not_catch_up() -> None:
    pool = pool_of({}, {})
    one, other = keys_of(pool)
    pool.report(other, KeyRejected("dead"))
    for _ in range(100):
        async with pool.lease(quiet) as lease:
            assert lease.key is one
    other.rejected = None
    pool.changed()
    grants: Counter[str] = Counter()
    for _ in range(20):
        async with pool.lease(quiet) as lease:
            grants[lease.key.id] += 1
    assert abs(grants[one.id] - grants[other.id]) <= 2


async def test_keys_are_granted_in_the_order_of_the_line(begin: Begin) -> None:
    pool = pool_of({"max_concurrent": 1})
    holder = await begin(pool)
    waiting = [await begin(pool) for _ in range(5)]
    ahead = await begin(pool, first=True)
    for order in [ahead, *waiting]:
        assert not order.served()
        await holder.end()
        await turns()
        assert order.served()
        holder = order
    await holder.end()
    assert idle(pool)


async def test_nobody_overtakes_those_who_wait_when_a_key_gets_free(begin: Begin) -> None:
    pool = pool_of({"max_concurrent": 1})
    holder, waiting = await begin(pool), await begin(pool)
    ending = asyncio.create_task(holder.end())
    latecomer = Order(pool)  # in the very turn in which the key gets free
    await ending
    await turns()
    assert waiting.served()
    assert not latecomer.served()
    await latecomer.leave()


async def test_a_key_has_one_open_intent_until_it_is_accepted(begin: Begin) -> None:
    pool = pool_of({})
    first, second, third = [await begin(pool) for _ in range(3)]
    assert (second.lease, third.lease) == (None, None)
    first.accepted()
    first.accepted()  # telling it twice frees no second place
    await turns()
    assert second.served()
    assert not third.served()
    await second.end()  # an intent ends with its lease
    await turns()
    assert third.served()
    assert third.key.tasks == 2


async def test_max_concurrent_counts_tasks_that_were_accepted(begin: Begin) -> None:
    pool = pool_of({"max_concurrent": 2}, {"max_concurrent": 1})
    orders = [await begin(pool) for _ in range(6)]
    for _ in range(3):
        for order in orders:
            if order.lease:
                order.accepted()
        await turns()
    assert sorted(key.tasks for key in keys_of(pool)) == [1, 2]
    assert [bool(order.lease) for order in orders] == [True] * 3 + [False] * 3
    await orders[1].end()
    await turns()
    assert orders[3].served()


async def test_submits_are_bounded_by_the_minute_whoever_ends(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    pool = pool_of({"max_rpm": 3})
    for _ in range(3):
        async with pool.lease(quiet):
            clock.now += 5
    waiting = await begin(pool)
    assert not waiting.served()
    assert pool._timer is not None
    assert pool._timer.when() == keys_of(pool)[0].ready_at() == clock.start + MINUTE
    clock.now = clock.start + MINUTE
    pool.changed()
    await turns()
    assert waiting.served()


class Clock:
    """The time that `sora_proxy.keys` sees. The event loop's own goes on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.start = self.now = time.monotonic()
        monkeypatch.setattr("sora_proxy.key_pool.time", self)

    def monotonic(self) -> float:
        return self.now


async def test_the_next_in_line_is_woken_at_the_moment_a_key_gets_ready() -> None:
    pool = pool_of({})
    (key,) = keys_of(pool)
    key.rest.until = time.monotonic() + 0.05
    async with asyncio.timeout(10):
        async with pool.lease(quiet):
            assert time.monotonic() >= key.rest.until
    assert pool._timer is None


# --- Waiters that go away ---------------------------------------------------------------------------------------------


async def test_a_waiter_that_leaves_the_line_leaves_no_trace(begin: Begin) -> None:
    pool = pool_of({"max_concurrent": 1})
    holder = await begin(pool)
    waiting = [await begin(pool) for _ in range(3)]
    await waiting[1].leave()
    assert len(pool._line) == 2
    await holder.end()
    await turns()
    assert waiting[0].served()
    await waiting[0].end()
    await turns()
    assert waiting[2].served()
    await waiting[2].end()
    assert idle(pool)


async def test_a_waiter_cancelled_in_the_turn_of_its_grant_hands_the_key_on(begin: Begin) -> None:
    pool = pool_of({"max_concurrent": 1})
    holder, granted, behind = [await begin(pool) for _ in range(3)]
    ending = asyncio.create_task(holder.end())
    while len(pool._line) == 2:  # noqa: ASYNC110
        await asyncio.sleep(0)
    assert not granted.served()  # it has the key, but has not heard of it
    await granted.leave()
    await ending
    await turns()
    assert not granted.served()
    assert behind.served()
    assert behind.key.tasks == 1


async def test_a_listener_that_fails_leaves_no_trace(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sora_proxy.key_pool.POSITION_INTERVAL", 0.001)
    pool = pool_of({"max_concurrent": 1})
    holder = await begin(pool)

    async def fail(position: int, seconds: int | None) -> None:
        raise LookupError(position, seconds)

    with pytest.raises(LookupError, match="1, "):
        async with pool.lease(fail):
            pytest.fail("there is no key")
    await holder.end()
    assert idle(pool)


async def test_a_key_granted_while_its_waiter_listens_to_its_place_is_not_lost(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sora_proxy.key_pool.POSITION_INTERVAL", 0.001)
    pool = pool_of({"max_concurrent": 1})
    holder = await begin(pool)

    async def granted_meanwhile(_position: int, _seconds: int | None) -> None:
        await holder.end()
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        async with pool.lease(granted_meanwhile):
            pytest.fail("it was cancelled")
    assert idle(pool)


@pytest.mark.parametrize("seed", range(10))
async def test_no_grant_is_lost_however_waiters_holders_and_faults_come_and_go(seed: int) -> None:
    dice = random.Random(seed)
    pool = pool_of({"max_concurrent": 2}, {"max_concurrent": 1}, {})
    served = 0

    async def live() -> None:
        nonlocal served
        with contextlib.suppress(Fault, NoUpstreamKey):
            async with pool.lease(quiet, first=dice.random() < 0.2) as lease:
                assert lease.key.intents == 1
                assert lease.key.limit is None or lease.key.tasks <= lease.key.limit
                await turns(dice.randrange(4))
                if dice.random() < 0.7:
                    lease.accepted()
                    await turns(dice.randrange(6))
                served += 1
                if dice.random() < 0.2:
                    raise dice.choice([RequestFault("x"), TaskFailed("x")])

    lives = [asyncio.create_task(live()) for _ in range(200)]
    while not all(life.done() for life in lives):
        if dice.random() < 0.5:
            dice.choice(lives).cancel()
        await asyncio.sleep(0)
    assert served > 20
    assert idle(pool)
    assert pool._timer is None
    assert [life for life in lives if not life.cancelled() and life.exception()] == []


# --- Faults -----------------------------------------------------------------------------------------------------------


async def test_a_rejected_key_is_used_no_more_and_the_others_serve(begin: Begin) -> None:
    pool = pool_of({}, {})
    order = await begin(pool)
    dead = order.key
    await order.end(KeyRejected("dead"))
    assert dead.rejected == "dead"
    for _ in range(10):
        async with pool.lease(quiet) as lease:
            assert lease.key is not dead
    assert pool.usable


async def test_when_the_last_key_is_rejected_all_who_wait_are_told(begin: Begin) -> None:
    pool = pool_of({"max_concurrent": 1})
    holder = await begin(pool)
    waiting = [await begin(pool) for _ in range(3)]
    await holder.end(KeyRejected("dead"))
    for order in waiting:
        with pytest.raises(NoUpstreamKey):
            await order.task
    assert not pool.usable
    assert idle(pool)
    with pytest.raises(NoUpstreamKey):
        pool.admit()
    with pytest.raises(NoUpstreamKey):
        async with pool.lease(quiet):
            pytest.fail("there is no key")
    keys_of(pool)[0].rejected = None
    pool.changed()
    pool.admit()
    async with pool.lease(quiet):
        assert pool.usable


async def test_without_any_key_nobody_waits() -> None:
    pool = pool_of()
    assert not pool.usable
    with pytest.raises(NoUpstreamKey):
        pool.admit()
    with pytest.raises(NoUpstreamKey):
        async with pool.lease(quiet):
            pytest.fail("there is no key")
    with pytest.raises(NoUpstreamKey):
        async with pool.resume("no such key", intent_open=False):
            pytest.fail("there is no key")


@pytest.mark.parametrize(
    ("told", "configured", "learned"),
    [(2, None, 2), (1, None, 1), (2, 5, 2), (9, 3, 3), (0, None, 1), (-4, None, 1), (None, None, 2), (None, 1, 1)],
)
async def test_a_limit_is_learned_but_never_above_the_configured_one_or_below_one(
    begin: Begin, told: int | None, configured: int | None, learned: int
) -> None:
    pool = pool_of({})
    orders = []
    for _ in range(3):
        orders.append(await begin(pool))
        orders[-1].accepted()
    (key,) = keys_of(pool)
    key.limit = key.max_concurrent = configured
    await orders[0].end(TooManyTasks("full", limit=told))
    assert key.limit == learned
    assert key.rejected is None


async def test_a_key_full_of_our_own_tasks_serves_as_soon_as_one_ends(begin: Begin) -> None:
    pool = pool_of({})
    first, refused = await begin(pool), None
    first.accepted()
    refused = await begin(pool)
    await refused.end(TooManyTasks("full", limit=1))
    waiting = await begin(pool)
    assert not waiting.served()
    assert pool._timer is None  # no cooldown: only the end of a task helps
    await first.end()
    await turns()
    assert waiting.served()


async def test_a_key_full_of_foreign_tasks_is_tried_again_after_a_while(begin: Begin) -> None:
    pool = pool_of({})
    refused = await begin(pool)
    await refused.end(TooManyTasks("full", limit=3))
    waiting = await begin(pool)
    assert not waiting.served()
    assert pool._timer is not None


@pytest.mark.parametrize(
    ("fault", "key_rests", "all_rest"),
    [
        (RateLimited("slow down", retry_after=37), 37, 0),
        (RateLimited("slow down", retry_after=1e7), LONGEST_REST, 0),
        (RateLimited("slow down", retry_after=-5), 1, 0),
        (RateLimited("slow down"), 1, 0),
        (UpstreamUnavailable("down"), 1, 0),
        (SubmissionUnknown("perhaps"), 1, 0),
        (EgressFault("challenge"), 0, 1),
        (RequestFault("policy"), 0, 0),
        (TaskFailed("failed"), 0, 0),
    ],
    ids=repr,
)
async def test_what_a_fault_does_to_its_key_and_to_the_way_out(
    begin: Begin, monkeypatch: pytest.MonkeyPatch, fault: Fault, key_rests: float, all_rest: float
) -> None:
    clock = Clock(monkeypatch)
    pool = pool_of({}, {})
    order = await begin(pool)
    order.accepted()
    key = order.key
    await order.end(fault)
    assert max(key.rest.until - clock.now, 0) == pytest.approx(key_rests)
    assert max(pool.egress.rest.until - clock.now, 0) == pytest.approx(all_rest)
    assert pool.usable
    for other in keys_of(pool):
        rests = all_rest or (key_rests if other is key else 0)
        assert max(other.ready_at() - clock.now, 0) == pytest.approx(rests)


async def test_an_accepted_order_ends_the_growth_of_rests(begin: Begin) -> None:
    pool = pool_of({})
    (key,) = keys_of(pool)
    key.rest.failures = pool.egress.rest.failures = 9
    order = await begin(pool)
    assert key.rest.failures == 9
    order.accepted()
    assert (key.rest.failures, pool.egress.rest.failures) == (0, 0)


async def test_any_other_error_that_leaves_a_lease_gives_the_key_back() -> None:
    pool = pool_of({})
    with pytest.raises(ZeroDivisionError):
        async with pool.lease(quiet):
            raise ZeroDivisionError
    assert idle(pool)
    assert keys_of(pool)[0].ready_at() <= time.monotonic()


# --- After a restart --------------------------------------------------------------------------------------------------


async def test_resumed_tasks_count_whatever_the_limit_says_and_hold_new_ones_back(begin: Begin) -> None:
    pool = pool_of({"max_concurrent": 1})
    (key,) = keys_of(pool)
    async with pool.resume(key.id, intent_open=False), pool.resume(key.id, intent_open=False):
        assert key.tasks == 2
        waiting = await begin(pool)
        assert not waiting.served()
    await turns()
    assert waiting.served()


async def test_a_resumed_open_intent_is_kept_apart_from_any_other(begin: Begin) -> None:
    pool = pool_of({})
    (key,) = keys_of(pool)
    early = await begin(pool)  # it got the key before the resumed one came
    async with pool.resume(key.id, intent_open=True) as lease:
        early.accepted()
        waiting = await begin(pool)
        assert not waiting.served()  # one intent is still open
        lease.accepted()
        await turns()
        assert waiting.served()
    assert key.tasks == 2


# --- The line and its bounds ------------------------------------------------------------------------------------------


async def test_a_full_queue_is_refused_with_a_time_to_come_back(begin: Begin) -> None:
    pool = pool_of({"max_concurrent": 1}, max_queue=3, max_queue_wait=1e9)
    await begin(pool)
    for _ in range(3):
        pool.admit()
        await begin(pool)
    with pytest.raises(QueueFull) as caught:
        pool.admit()
    assert caught.value.retry_after == 1
    with pytest.raises(QueueFull):
        pool_of({}, max_queue=3).admit(arriving=3)


@pytest.mark.parametrize("rest", [0.0, 1.0, 61.5, 200.0, 1e6])
@pytest.mark.parametrize("waiting", [0, 1, 50, 100_000])
async def test_a_time_to_come_back_is_whole_seconds_up_to_a_minute(rest: float, waiting: int) -> None:
    pool = pool_of({"max_rpm": 1, "max_concurrent": 1}, max_queue=40, max_queue_wait=0.5)
    (key,) = keys_of(pool)
    key.rest.until = time.monotonic() + rest
    if rest == waiting == 0:
        pool.admit(waiting)
        return
    with pytest.raises(QueueFull) as caught:
        pool.admit(waiting)
    assert isinstance(caught.value.retry_after, int)
    assert 1 <= caught.value.retry_after <= 60


async def test_an_order_that_would_wait_too_long_is_refused_before_it_waits() -> None:
    pool = pool_of({"max_rpm": 60}, max_queue_wait=30)
    pool.admit(arriving=29)
    with pytest.raises(QueueFull):
        pool.admit(arriving=31)


async def test_an_order_that_can_be_served_at_once_is_never_refused() -> None:
    pool = pool_of({"max_rpm": 1, "max_concurrent": 1}, max_queue=1, max_queue_wait=0.001)
    pool.admit()
    assert pool.expected_wait(1) == 0.0


async def test_those_in_line_hear_of_their_place_and_the_seconds(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sora_proxy.key_pool.POSITION_INTERVAL", 0.01)
    pool = pool_of({"max_concurrent": 1})
    await begin(pool)
    await begin(pool)
    heard: asyncio.Queue[tuple[int, int | None]] = asyncio.Queue()

    async def listen(position: int, seconds: int | None) -> None:
        heard.put_nowait((position, seconds))

    async def wait() -> None:
        async with pool.lease(listen):
            pytest.fail("the key is taken")

    waiting = asyncio.create_task(wait())
    position, seconds = await asyncio.wait_for(heard.get(), 10)
    assert position == 2
    assert seconds is not None
    assert seconds > 0
    waiting.cancel()
    await asyncio.wait([waiting])


async def test_a_key_seen_at_work_ends_a_rest_that_waited_for_that_and_no_other() -> None:
    pool = pool_of({})
    (key,) = keys_of(pool)
    pool.report(key, UpstreamUnavailable("away"))
    pool.report(key, EgressFault("challenged"))
    assert key.ready_at() > time.monotonic()
    pool.works(key)
    assert key.ready_at() <= time.monotonic()
    pool.report(key, RateLimited("tired", retry_after=30))
    pool.works(key)
    assert key.ready_at() > time.monotonic() + 25


async def test_a_doubted_key_gets_nothing_new_and_nobody_is_sent_away(begin: Begin) -> None:
    pool = pool_of({"max_concurrent": 1})
    (key,) = keys_of(pool)
    pool.doubt(key)
    assert pool.usable
    waiting = await begin(pool)
    assert not waiting.task.done()
    assert key.tasks == 0
    pool.works(key)
    await turns()
    assert key.tasks == 1
