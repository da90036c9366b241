"""KeyPool: which order gets which key, and the effects of faults. Time is virtual."""

import asyncio
import contextlib
import random
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
from sora_proxy.scheduling.circuits import Egress
from sora_proxy.scheduling.cooldown import MAX_COOLDOWN_SECONDS
from sora_proxy.scheduling.key_pool import KeyPool
from sora_proxy.scheduling.keys import Key
from sora_proxy.scheduling.lease import Lease
from sora_proxy.scheduling.line import Place
from sora_proxy.scheduling.order_queue import QueueBounds
from sora_proxy.scheduling.rate_window import MINUTE
from sora_proxy.settings.accounts import Account
from sora_proxy.settings.kinds import UpstreamKey
from tests.eventually import turns_until
from tests.unit.scheduling.acquiring import acquire

Begin = Callable[..., Awaitable["Order"]]


async def quiet(_position: int, _seconds: int | None) -> None:
    """Ignore the place in line."""


def place(client: str = "client") -> Place[Lease]:
    return Place(client, "order")


def pool_of(*keys: dict[str, Any], weights: dict[str, float] | None = None, **bounds: Any) -> KeyPool:
    pool = KeyPool("sora", QueueBounds(**bounds), weights)
    pool.on_unproven = pool.proven
    for number, key in enumerate(keys):
        pool.put(str(number), UpstreamKey(**({"key": f"token-{number}", "max_rpm": 10_000} | key)))
    return pool


def keys_of(pool: KeyPool) -> list[Key]:
    return list(pool.keys)


def direct(pool: KeyPool) -> Egress:
    return keys_of(pool)[0].egresses[0]


def idle(pool: KeyPool) -> bool:
    """Whether no order has a key and no order is waiting for one."""
    return not pool.queue and all(key.tasks == key.intents == 0 for key in keys_of(pool))


async def turns(count: int = 5) -> None:
    """Give the event loop a few turns, so that every task runs until it has to wait."""
    for _ in range(count):
        await asyncio.sleep(0)


def now() -> float:
    return asyncio.get_running_loop().time()


class Order:
    """An order that waits for a key, uses the key, and ends on demand."""

    def __init__(self, pool: KeyPool, client: str = "client", at: Place[Lease] | None = None) -> None:
        self.place = at or place(client)
        self.lease: Lease | None = None
        self.got_key = asyncio.Event()
        self._end = asyncio.get_running_loop().create_future()
        self.task = asyncio.create_task(self._run(pool))

    async def _run(self, pool: KeyPool) -> None:
        async with await acquire(pool, self.place, quiet) as self.lease:
            self.got_key.set()
            self.lease.sending()
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
    """A function that starts orders. Orders that are unfinished at the end of the test are cancelled."""
    orders: list[Order] = []

    async def start(pool: KeyPool, client: str = "client", at: Place[Lease] | None = None) -> Order:
        orders.append(Order(pool, client, at))
        await turns()
        return orders[-1]

    yield start
    for order in orders:
        await order.leave()


# --- Granting keys ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [(1, 2, 3), (1, 1), (0.5, 0.25, 0.25), (1, 9), (5,)])
async def test_keys_are_granted_in_proportion_to_their_weights(weights: tuple[float, ...]) -> None:
    pool = pool_of(*({"weight": weight} for weight in weights))
    grants: Counter[str] = Counter()
    for _ in range(600):
        async with await acquire(pool, place(), quiet) as lease:
            grants[lease.key.id] += 1
    for key in keys_of(pool):
        assert abs(grants[key.id] - 600 * key.config.weight / sum(weights)) <= 3
    assert idle(pool)


async def test_a_key_that_was_unavailable_gets_no_extra_orders_later() -> None:
    pool = pool_of({}, {})
    one, other = keys_of(pool)
    pool.report(other, KeyRejected("dead"))
    for _ in range(100):
        async with await acquire(pool, place(), quiet) as lease:
            assert lease.key is one
    pool.revive(other)
    grants: Counter[str] = Counter()
    for _ in range(20):
        async with await acquire(pool, place(), quiet) as lease:
            grants[lease.key.id] += 1
    assert abs(grants[one.id] - grants[other.id]) <= 2


async def test_orders_get_keys_in_the_sequence_in_which_they_stand_in_line(begin: Begin) -> None:
    pool = pool_of({"max_concurrent": 1})
    holder = await begin(pool)
    waiting = [await begin(pool) for _ in range(5)]
    await holder.end(UpstreamUnavailable("away"))
    again = await begin(pool, at=holder.place)  # the order returns to its old place in line
    pool.revive(keys_of(pool)[0])
    await turns()
    for order in [again, *waiting]:
        assert order.served()
        await order.end()
        await turns()
    assert idle(pool)


async def test_a_freed_key_goes_to_an_order_in_line_and_not_to_a_new_order(begin: Begin) -> None:
    pool = pool_of({"max_concurrent": 1})
    holder, waiting = await begin(pool), await begin(pool)
    ending = asyncio.create_task(holder.end())
    latecomer = Order(pool)  # this order arrives in the same turn of the event loop in which the key becomes free
    await ending
    await turns()
    assert waiting.served()
    assert not latecomer.served()
    await latecomer.leave()


async def test_a_key_has_only_one_open_intent_at_a_time(begin: Begin) -> None:
    pool = pool_of({})
    first, second, third = [await begin(pool) for _ in range(3)]
    assert (second.lease, third.lease) == (None, None)
    first.accepted()
    first.accepted()  # the second call does not end the intent of another order
    await turns()
    assert second.served()
    assert not third.served()
    await second.end()  # the end of a lease also ends its intent
    await turns()
    assert third.served()
    assert third.key.tasks == 2


async def test_max_concurrent_limits_the_accepted_tasks_of_a_key(begin: Begin) -> None:
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


async def test_the_rate_of_submits_is_limited_no_matter_how_long_orders_take(begin: Begin) -> None:
    pool, start = pool_of({"max_rpm": 3}), now()
    for _ in range(3):
        order = await begin(pool)
        await asyncio.sleep(5)
        await order.end()
    waiting = await begin(pool)
    await waiting.got_key.wait()
    # The back end may have received the first order only at the end of the call, which took five seconds.
    assert now() == start + 5 + MINUTE


async def test_a_lease_that_sends_nothing_does_not_count_against_the_rate_limit(begin: Begin) -> None:
    pool = pool_of({"max_rpm": 1})
    for _ in range(3):
        async with await acquire(pool, place(), quiet):
            pass  # nothing is sent
    assert now() == 1000.0


async def test_a_call_may_last_more_than_a_minute_while_another_order_uses_its_key(begin: Begin) -> None:
    pool = KeyPool("openai", QueueBounds(), one_intent=False)
    key = pool.put("0", UpstreamKey(key="token", max_rpm=5, max_concurrent=4))
    async with await acquire(pool, place(), quiet) as lease:
        assert lease.widen(3) == 3
        lease.sending()
        await asyncio.sleep(MINUTE + 1)
        other = await begin(pool)
        assert other.served()
        lease.accepted()
    await other.end()
    assert key.room(now()) == 5 - 3 - 1
    assert idle(pool)


async def test_the_next_order_in_line_gets_the_key_when_the_cooldown_ends() -> None:
    pool = pool_of({})
    (key,) = keys_of(pool)
    pool.report(key, RateLimited("slow down", retry_after=77))
    async with await acquire(pool, place(), quiet):
        assert now() == key.cooldown.until == 1077
    assert pool._timer is None


# --- Cancelled orders -------------------------------------------------------------------------------------------------


async def test_an_order_that_is_cancelled_while_it_is_waiting_is_removed_from_the_line(begin: Begin) -> None:
    pool = pool_of({"max_concurrent": 1})
    holder = await begin(pool)
    waiting = [await begin(pool) for _ in range(3)]
    await waiting[1].leave()
    assert len(pool.queue) == 2
    await holder.end()
    await turns()
    assert waiting[0].served()
    await waiting[0].end()
    await turns()
    assert waiting[2].served()
    await waiting[2].end()
    assert idle(pool)


async def test_a_key_that_was_granted_to_a_cancelled_order_goes_to_the_next_order(begin: Begin) -> None:
    pool = pool_of({"max_concurrent": 1})
    holder, granted, behind = [await begin(pool) for _ in range(3)]
    ending = asyncio.create_task(holder.end())
    await turns_until(lambda: len(pool.queue) < 2)
    assert not granted.served()  # the key is granted, but the order has not resumed yet
    await granted.leave()
    await ending
    await turns()
    assert not granted.served()
    assert behind.served()
    assert behind.key.tasks == 1


async def test_an_order_whose_listener_raises_an_error_is_removed_from_the_line(begin: Begin) -> None:
    pool = pool_of({"max_concurrent": 1})
    holder = await begin(pool)

    async def fail(position: int, seconds: int | None) -> None:
        raise LookupError(position, seconds)

    with pytest.raises(LookupError, match="1, "):
        await acquire(pool, place(), fail)
    await holder.end()
    assert idle(pool)


async def test_a_key_is_returned_if_its_order_is_cancelled_during_a_notification(begin: Begin) -> None:
    pool = pool_of({"max_concurrent": 1})
    holder = await begin(pool)

    async def granted_meanwhile(_position: int, _seconds: int | None) -> None:
        await holder.end()
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await acquire(pool, place(), granted_meanwhile)
    assert idle(pool)


@pytest.mark.parametrize("seed", range(10))
async def test_all_keys_are_free_after_a_random_sequence_of_orders_cancellations_and_faults(seed: int) -> None:
    dice = random.Random(seed)
    pool = pool_of({"max_concurrent": 2}, {"max_concurrent": 1}, {})
    served = 0

    async def live() -> None:
        nonlocal served
        with contextlib.suppress(Fault, NoUpstreamKey):
            async with await acquire(pool, place(dice.choice("abc")), quiet) as lease:
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


async def test_a_rejected_key_gets_no_more_orders_and_other_keys_take_its_place(begin: Begin) -> None:
    pool = pool_of({}, {})
    order = await begin(pool)
    dead = order.key
    await order.end(KeyRejected("dead"))
    assert dead.rejected is not None
    assert (dead.rejected.reason, dead.rejected.by) == ("dead", "order")
    for _ in range(10):
        async with await acquire(pool, place(), quiet) as lease:
            assert lease.key is not dead
    assert pool.usable


async def test_all_orders_in_line_are_refused_when_the_last_key_is_rejected(begin: Begin) -> None:
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
        pool.admit("client")
    with pytest.raises(NoUpstreamKey):
        await acquire(pool, place(), quiet)
    pool.revive(keys_of(pool)[0])
    pool.admit("client")
    async with await acquire(pool, place(), quiet):
        assert pool.usable


async def test_orders_are_refused_at_once_if_there_is_no_key() -> None:
    pool = pool_of()
    assert not pool.usable
    with pytest.raises(NoUpstreamKey):
        pool.admit("client")
    with pytest.raises(NoUpstreamKey):
        await acquire(pool, place(), quiet)
    with pytest.raises(NoUpstreamKey):
        pool.resume("no such key", "order", intent_open=False)


@pytest.mark.parametrize(
    ("reported", "configured", "learned"),
    [(2, None, 2), (1, None, 1), (2, 5, 2), (9, 3, 3), (0, None, 1), (-4, None, 1), (None, None, 2), (None, 1, 1)],
)
async def test_a_learned_limit_is_at_least_one_and_at_most_the_configured_limit(
    begin: Begin, reported: int | None, configured: int | None, learned: int
) -> None:
    pool = pool_of({})
    orders = []
    for _ in range(3):
        orders.append(await begin(pool))
        orders[-1].accepted()
    (key,) = keys_of(pool)
    pool.put(key.id, key.config.model_copy(update={"max_concurrent": configured}))
    await orders[0].end(TooManyTasks("full", limit=reported))
    assert key.limit == learned
    assert key.rejected is None


async def test_a_key_whose_limit_is_reached_by_our_tasks_is_used_again_when_one_ends(begin: Begin) -> None:
    pool = pool_of({})
    first, refused = await begin(pool), None
    first.accepted()
    refused = await begin(pool)
    await refused.end(TooManyTasks("full", limit=1))
    waiting = await begin(pool)
    assert not waiting.served()
    assert pool._timer is None  # a cooldown would not help, because only the end of a task frees a slot
    await first.end()
    await turns()
    assert waiting.served()


async def test_a_refused_poll_sets_no_task_limit_unless_the_refusal_states_the_limit(begin: Begin) -> None:
    pool = pool_of({})
    for _ in range(5):
        (await begin(pool)).accepted()
    (key,) = keys_of(pool)
    pool.report(key, TooManyTasks("concurrent calls"))  # a poll, too, may be refused in this way
    assert (key.limit, key.cooldown.until) == (None, now() + 1)
    pool.report(key, TooManyTasks("full", limit=5))
    assert key.limit == 5


async def test_a_key_whose_limit_is_reached_by_foreign_tasks_is_tried_again_later(begin: Begin) -> None:
    pool = pool_of({})
    refused = await begin(pool)
    await refused.end(TooManyTasks("full", limit=3))
    waiting = await begin(pool)
    assert not waiting.served()
    assert pool._timer is not None


@pytest.mark.parametrize(
    ("fault", "key_cooldown", "egress_cooldown"),
    [
        (RateLimited("slow down", retry_after=37), 37, 0),
        (RateLimited("slow down", retry_after=1e7), MAX_COOLDOWN_SECONDS, 0),
        (RateLimited("slow down", retry_after=-5), 1, 0),
        (RateLimited("slow down"), 1, 0),
        (UpstreamUnavailable("down"), 1, 0),
        (SubmissionUnknown("perhaps"), 1, 0),
        (EgressFault("challenge", egress=None), 0, 1),
        (RequestFault("policy"), 0, 0),
        (TaskFailed("failed"), 0, 0),
    ],
    ids=repr,
)
async def test_each_fault_causes_a_cooldown_of_its_key_or_of_its_egress_or_no_cooldown(
    begin: Begin, fault: Fault, key_cooldown: float, egress_cooldown: float
) -> None:
    pool = pool_of({}, {})
    order = await begin(pool)
    order.accepted()
    key = order.key
    await order.end(fault)
    assert max(key.cooldown.until - now(), 0) == pytest.approx(key_cooldown)
    assert max(direct(pool).cooldown.until - now(), 0) == pytest.approx(egress_cooldown)
    assert pool.usable
    for other in keys_of(pool):
        cooldown = egress_cooldown or (key_cooldown if other is key else 0)
        assert max(other.ready_at() - now(), 0) == pytest.approx(cooldown)


async def test_an_accepted_order_resets_the_number_of_failures(begin: Begin) -> None:
    pool = pool_of({})
    (key,) = keys_of(pool)
    for _ in range(9):
        pool.report(key, UpstreamUnavailable("down"))
        pool.report(key, EgressFault("challenge", egress=None))
        await asyncio.sleep(100)
    order = await begin(pool)
    assert (key.cooldown.failures, direct(pool).cooldown.failures) == (9, 9)
    order.accepted()
    assert (key.cooldown.failures, direct(pool).cooldown.failures) == (0, 0)


async def test_an_unexpected_error_inside_a_lease_returns_the_key() -> None:
    pool = pool_of({})
    with pytest.raises(ZeroDivisionError):
        async with await acquire(pool, place(), quiet):
            raise ZeroDivisionError
    assert idle(pool)
    assert keys_of(pool)[0].ready_at() <= now()


# --- After a restart --------------------------------------------------------------------------------------------------


async def test_resumed_tasks_count_towards_the_limit_even_if_they_exceed_the_limit(begin: Begin) -> None:
    pool = pool_of({"max_concurrent": 1})
    (key,) = keys_of(pool)
    async with pool.resume(key.id, "a", intent_open=False), pool.resume(key.id, "b", intent_open=False):
        assert key.tasks == 2
        waiting = await begin(pool)
        assert not waiting.served()
    await turns()
    assert waiting.served()


async def test_a_key_may_have_two_open_intents_if_one_of_them_was_resumed(begin: Begin) -> None:
    pool = pool_of({})
    (key,) = keys_of(pool)
    early = await begin(pool)  # this order got the key before the resumed order
    async with pool.resume(key.id, "a", intent_open=True) as lease:
        early.accepted()
        waiting = await begin(pool)
        assert not waiting.served()  # one intent is still open
        lease.accepted()
        await turns()
        assert waiting.served()
    assert key.tasks == 2


# --- The line and its bounds ------------------------------------------------------------------------------------------


async def test_an_order_that_arrives_when_the_queue_is_full_is_refused_with_retry_after(begin: Begin) -> None:
    pool = pool_of({"max_concurrent": 1}, max_orders=3, max_wait_seconds=1e9)
    await begin(pool)
    for _ in range(3):
        pool.admit("client")
        await begin(pool)
    with pytest.raises(QueueFull) as caught:
        pool.admit("client")
    assert caught.value.retry_after == 30  # the expected length of a task, because only the end of a task frees a slot
    with pytest.raises(QueueFull):
        pool_of({}, max_orders=3).admit("client", arriving=["client"] * 3)


@pytest.mark.parametrize("cooldown", [0.0, 1.0, 61.5, 200.0, MAX_COOLDOWN_SECONDS])
@pytest.mark.parametrize("waiting", [0, 1, 50, 100_000])
async def test_retry_after_is_a_whole_number_of_seconds_up_to_a_minute(cooldown: float, waiting: int) -> None:
    pool = pool_of({"max_rpm": 1, "max_concurrent": 1}, max_orders=40, max_wait_seconds=0.5)
    if cooldown:
        pool.report(keys_of(pool)[0], RateLimited("slow down", retry_after=cooldown))
    if cooldown == waiting == 0:
        pool.admit("client", ["client"] * waiting)
        return
    with pytest.raises(QueueFull) as caught:
        pool.admit("client", ["client"] * waiting)
    assert isinstance(caught.value.retry_after, int)
    assert 1 <= caught.value.retry_after <= 60


async def test_an_order_that_would_wait_too_long_is_refused_before_it_waits() -> None:
    pool = pool_of({"max_rpm": 60}, max_wait_seconds=30)
    pool.admit("client", arriving=["client"] * 29)
    with pytest.raises(QueueFull):
        pool.admit("client", arriving=["client"] * 31)


async def test_an_order_that_can_be_served_at_once_is_never_refused() -> None:
    pool = pool_of({"max_rpm": 1, "max_concurrent": 1}, max_orders=1, max_wait_seconds=0.001)
    pool.admit("client")


async def test_simultaneous_orders_are_accepted_if_enough_keys_are_free() -> None:
    pool = pool_of(*[{"max_rpm": 1}] * 3, max_wait_seconds=10)
    pool.admit("client", arriving=["client"] * 2)
    with pytest.raises(QueueFull):
        pool.admit("client", arriving=["client"] * 3)


async def test_the_forecast_of_waiting_times_ignores_keys_with_a_long_cooldown() -> None:
    pool = pool_of(*[{"max_rpm": 6}] * 10)
    assert pool.queue.expected_wait(None, 20) == pytest.approx(10)
    await asyncio.sleep(2)  # by now, the forecast is old enough to be replaced
    for key in keys_of(pool)[1:]:
        pool.report(key, RateLimited("too fast", retry_after=800))
    assert pool.queue.expected_wait(None, 1) == 0
    assert pool.queue.expected_wait(None, 21) == pytest.approx(200)
    # After 800 seconds, the other keys also take orders.
    assert pool.queue.expected_wait(None, 200) == pytest.approx(910)


async def test_orders_in_line_are_notified_when_their_place_changes_noticeably(begin: Begin) -> None:
    pool = pool_of({"max_concurrent": 1, "max_rpm": 600}, max_wait_seconds=1e9)
    heard: list[tuple[float, int]] = []

    async def listen(position: int, seconds: int | None) -> None:
        assert seconds is not None
        assert seconds > 0
        heard.append((now(), position))

    holders = [await begin(pool) for _ in range(100)]
    waiting = asyncio.create_task(acquire(pool, place(), listen))
    await asyncio.sleep(5)
    assert heard == [(1000.2, 100)]  # the order is notified soon, and not again while nothing changes
    for holder in holders[:-1]:
        await holder.end()
        await asyncio.sleep(1)
    await holders[-1].end()
    await (await waiting).__aexit__(None, None, None)
    positions = [position for _, position in heard]
    assert positions == sorted(positions, reverse=True)
    assert 1 in positions
    assert 10 < len(positions) < 40  # the order is not notified of each of the 100 places


async def test_a_successful_call_ends_every_cooldown_of_its_key_except_a_fixed_cooldown() -> None:
    pool = pool_of({})
    (key,) = keys_of(pool)
    pool.report(key, UpstreamUnavailable("away"))
    pool.report(key, EgressFault("challenged", egress=None))
    assert key.ready_at() > now()
    pool.succeeded(key, pool.account(key))
    assert key.ready_at() <= now()
    pool.report(key, RateLimited("too fast", retry_after=30))
    pool.succeeded(key, pool.account(key))
    assert key.ready_at() > now() + 25


async def test_while_a_key_is_suspect_it_gets_no_orders_and_orders_in_line_keep_waiting(begin: Begin) -> None:
    pool = pool_of({"max_concurrent": 1})
    (key,) = keys_of(pool)
    pool.suspect(key, KeyRejected("perhaps dead"))
    assert pool.usable
    waiting = await begin(pool)
    assert not waiting.task.done()
    assert key.tasks == 0
    pool.succeeded(key, pool.account(key))
    await turns()
    assert key.tasks == 1


# --- Fairness between clients -----------------------------------------------------------------------------------------


async def test_one_client_with_hundreds_of_orders_does_not_delay_another_client(begin: Begin) -> None:
    pool = pool_of({"max_concurrent": 1}, max_orders_of_client=300)
    holder = await begin(pool, "greedy")
    for _ in range(200):
        await begin(pool, "greedy")
    pool.admit("modest")  # accepted, although another order of the other client would have to wait too long
    modest = await begin(pool, "modest")
    await holder.end()
    await turns()
    assert modest.served()


async def test_clients_get_keys_in_proportion_to_their_weights(begin: Begin) -> None:
    pool = pool_of({"max_concurrent": 1}, weights={"two": 2})
    orders = [await begin(pool, client) for client in ("one", "two") for _ in range(30)]
    counts: Counter[str] = Counter()
    for _ in range(30):
        (holder,) = (order for order in orders if order.served() and not order.task.done())
        counts[holder.place.client] += 1
        await holder.end()
        await turns()
    assert abs(counts["two"] - 20) <= 1


async def test_the_number_of_waiting_orders_of_each_client_is_limited(begin: Begin) -> None:
    pool = pool_of({"max_concurrent": 1}, max_orders=10, max_orders_of_client=3, max_wait_seconds=1e9)
    for _ in range(4):
        pool.admit("greedy")
        await begin(pool, "greedy")
    with pytest.raises(QueueFull):
        pool.admit("greedy")
    pool.admit("modest")


# --- Probes of rate-limited keys, and remembered health ---------------------------------------------------------------


async def test_a_rate_limited_key_gets_no_order_before_a_probe_succeeds(begin: Begin) -> None:
    pool = pool_of({})
    probed: list[tuple[float, Key]] = []
    pool.on_unproven = lambda key: probed.append((now(), key))
    (key,) = keys_of(pool)
    await (await begin(pool)).end(RateLimited("too fast", retry_after=37))
    waiting = await begin(pool)
    await asyncio.sleep(100)
    assert probed == [(1037.0, key)]
    assert not waiting.served()
    pool.report(key, RateLimited("still too fast", retry_after=100))
    await asyncio.sleep(99)
    assert len(probed) == 1
    await asyncio.sleep(2)
    assert len(probed) == 2
    pool.proven(key)
    await turns()
    assert waiting.served()


async def test_a_rate_limited_key_is_not_probed_while_no_order_is_waiting(begin: Begin) -> None:
    pool = pool_of({})
    probed: list[Key] = []
    pool.on_unproven = probed.append
    await (await begin(pool)).end(RateLimited("too fast", retry_after=37))
    await asyncio.sleep(1000)
    assert probed == []


async def test_the_health_of_a_key_survives_a_restart(begin: Begin) -> None:
    pool, noted = pool_of({}, {}), []
    pool.on_change = lambda key: noted.append((key.id, key.memory(pool.moment)))
    one, other = keys_of(pool)
    for _ in range(3):
        (await begin(pool)).accepted()
    pool.report(one, TooManyTasks("full", limit=2), "order")
    pool.report(one, RateLimited("too fast", retry_after=600), "order")
    pool.report(other, KeyRejected("dead"), "order")
    remembered = dict(noted)

    later = pool_of()
    for key in (one, other):
        later.put(key.id, key.config, remembered[key.id])
    assert [key.memory(later.moment).rejected for key in keys_of(later)] == [None, other.rejected]
    again = keys_of(later)[0]
    assert (again.limit, again.unproven, again.cooldown.why) == (2, True, one.cooldown.why)
    assert again.cooldown.until == pytest.approx(now() + 600, abs=1)


# --- Operators --------------------------------------------------------------------------------------------------------


async def test_an_added_key_serves_waiting_orders_at_once(begin: Begin) -> None:
    pool = pool_of({"max_concurrent": 1})
    await begin(pool)
    waiting = await begin(pool)
    pool.put("new", UpstreamKey(key="new"))
    await turns()
    assert waiting.key.id == "new"


async def test_a_change_of_a_key_takes_effect_at_once_and_does_not_end_its_tasks(begin: Begin) -> None:
    pool = pool_of({"max_concurrent": 1})
    (key,) = keys_of(pool)
    first, second, third = [await begin(pool) for _ in range(3)]
    first.accepted()
    pool.put(key.id, key.config.model_copy(update={"max_concurrent": 2}))
    await turns()
    assert second.served()
    pool.put(key.id, key.config.model_copy(update={"enabled": False, "max_concurrent": 9}))
    for order in (third, await begin(pool)):
        with pytest.raises(NoUpstreamKey):
            await order.task
    assert key.tasks == 2


async def test_a_reduced_rate_limit_counts_orders_that_were_sent_before_the_change(begin: Begin) -> None:
    pool = pool_of({"max_rpm": 5})
    (key,) = keys_of(pool)
    for _ in range(4):
        await (await begin(pool)).end()
    pool.put(key.id, key.config.model_copy(update={"max_rpm": 2}))
    waiting = await begin(pool)
    assert not waiting.served()
    await waiting.got_key.wait()
    assert now() == 1000 + MINUTE


async def test_a_rate_limit_that_was_briefly_reduced_still_counts_all_sent_orders(begin: Begin) -> None:
    pool = pool_of({"max_rpm": 3})
    for _ in range(3):
        await (await begin(pool)).end()
    for rate in (1, 3):
        pool.put("0", UpstreamKey(key="token-0", max_rpm=rate))
    waiting = await begin(pool)
    await asyncio.sleep(MINUTE - 1)
    assert not waiting.served()
    await asyncio.sleep(2)
    assert waiting.served()


async def test_a_rejected_key_is_used_again_after_it_gets_a_new_token(begin: Begin) -> None:
    pool = pool_of({})
    (key,) = keys_of(pool)
    pool.report(key, KeyRejected("dead"))
    pool.put(key.id, key.config.model_copy(update={"notes": "called support"}))
    with pytest.raises(NoUpstreamKey):
        pool.admit("client")
    pool.put(key.id, UpstreamKey(key="another"))
    assert (await begin(pool)).key.token == "another"


async def test_a_removed_key_gets_no_orders_and_disappears_after_its_last_task(begin: Begin) -> None:
    pool = pool_of({}, {})
    order = await begin(pool)
    removed = order.key
    pool.remove(removed.id)
    assert pool.get(removed.id) is removed
    for _ in range(5):
        async with await acquire(pool, place(), quiet) as lease:
            assert lease.key is not removed
    await order.end()
    assert pool.get(removed.id) is None


# --- Egresses ---------------------------------------------------------------------------------------------------------


async def test_a_key_uses_its_next_egress_during_a_cooldown_of_its_first_egress() -> None:
    proxy = "http://127.0.0.1:1"
    pool = pool_of({"proxy": f"{proxy},direct"}, {"proxy": proxy})
    both, only = keys_of(pool)
    assert both.egresses[0] is only.egresses[0]  # keys with the same proxy share its health
    names = [both.egress(now()).name]
    pool.report(both, EgressFault("challenge", egress=pool.account(both).egress))
    names.append(both.egress(now()).name)
    assert (both.ready_at() <= now(), only.ready_at()) == (True, now() + 1)
    await asyncio.sleep(1)
    names.append(both.egress(now()).name)
    assert names == [proxy, "direct", proxy]


async def test_a_successful_call_through_one_egress_does_not_end_the_cooldown_of_another_egress() -> None:
    pool = pool_of({"proxy": "http://one.example:1,direct"})
    (key,) = keys_of(pool)
    first, second = key.egresses
    for _ in range(3):
        pool.report(key, EgressFault("challenge", egress=first.proxy))
        used = pool.account(key)
        assert used.egress is second.proxy
        await asyncio.sleep(first.cooldown.until - now())
        pool.succeeded(key, used)  # this call was sent through the second egress, during the cooldown of the first
    assert first.cooldown.failures == 3
    pool.succeeded(key, Account(key.id, key.token, first.proxy))
    assert first.cooldown.failures == 0


async def test_all_keys_of_an_egress_are_used_again_once_the_egress_works(begin: Begin) -> None:
    pool = pool_of({"max_concurrent": 1}, {"max_concurrent": 1})
    one, other = keys_of(pool)
    for _ in range(5):
        pool.report(one, EgressFault("challenge", egress=None))
        await asyncio.sleep(10)
    pool.report(one, EgressFault("challenge", egress=None))
    waiting = [await begin(pool), await begin(pool)]
    assert [order.served() for order in waiting] == [False, False]
    pool.succeeded(other, pool.account(other))
    await turns()
    assert {order.key for order in waiting} == {one, other}
