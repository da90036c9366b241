"""Servers and egresses that many keys share: after a cooldown, one order is tried before any other.

Time is virtual.
"""

import asyncio
import itertools
from collections.abc import Callable

import pytest

from sora_proxy.errors import (
    EgressFault,
    Fault,
    KeyRejected,
    RateLimited,
    RequestFault,
    ServerUnreachable,
    StorageUnavailable,
    TooManyTasks,
)
from sora_proxy.scheduling.circuits import MAX_SERVER_BACK_OFF_SECONDS, MAX_TRIAL_SECONDS
from sora_proxy.scheduling.cooldown import MAX_BACK_OFF_SECONDS
from sora_proxy.scheduling.key_pool import KeyPool
from sora_proxy.scheduling.keys import Key
from sora_proxy.scheduling.line import Place
from tests.unit.scheduling.test_key_pool import Begin, Order, begin, keys_of, now, pool_of, turns

__all__ = ["begin"]  # a fixture

FAULTS: dict[str, Callable[[], Fault]] = {
    "the server can't be reached": lambda: ServerUnreachable("no connection"),
    "the egress is challenged": lambda: EgressFault("challenge", egress=None),
}


@pytest.fixture(params=FAULTS.values(), ids=list(FAULTS))
def fault(request: pytest.FixtureRequest) -> Callable[[], Fault]:
    made: Callable[[], Fault] = request.param
    return made


async def after_a_cooldown(pool: KeyPool, fault: Fault, begin: Begin, *, orders: int = 3) -> list[Order]:
    """Let a call fail, and let orders wait until the cooldown is over. Returns the orders, first in line first."""
    pool.report(keys_of(pool)[0], fault)
    waiting = [await begin(pool) for _ in range(orders)]
    assert [order.served() for order in waiting] == [False] * orders
    await asyncio.sleep(1)
    await turns()
    assert [order.served() for order in waiting] == [True] + [False] * (orders - 1)
    return waiting


async def test_after_a_cooldown_one_order_is_sent_and_other_orders_wait_until_it_is_accepted(
    begin: Begin, fault: Callable[[], Fault]
) -> None:
    first, *others = await after_a_cooldown(pool_of({}, {}, {}), fault(), begin)
    await asyncio.sleep(5)
    assert not any(order.served() for order in others)
    first.accepted()
    await turns()
    assert all(order.served() for order in others)


async def test_after_a_failed_trial_all_orders_wait_until_another_single_order_is_tried(
    begin: Begin, fault: Callable[[], Fault]
) -> None:
    pool = pool_of({}, {}, {})
    begun = now()
    waiting = await after_a_cooldown(pool, fault(), begin)
    tried = []
    for _ in range(8):
        (order,) = (each for each in waiting if each.served())
        tried.append(now() - begun)
        await order.end(fault())
        waiting[waiting.index(order)] = await begin(pool, at=order.place)
        until = max(circuit.cooldown.until for circuit in keys_of(pool)[0].circuits)
        await asyncio.sleep(until - now())
        await turns()
    pauses = [later - earlier for earlier, later in itertools.pairwise(tried)]
    is_server = isinstance(fault(), ServerUnreachable)
    longest = MAX_SERVER_BACK_OFF_SECONDS if is_server else MAX_BACK_OFF_SECONDS
    assert pauses == pytest.approx([min(2**number, longest) for number in range(1, 8)])
    assert {key.cooldown.failures for key in keys_of(pool)} == {0}


@pytest.mark.parametrize(
    "answer",
    [RateLimited("slow", retry_after=900), KeyRejected("dead"), TooManyTasks("full", limit=1), RequestFault("policy")],
    ids=lambda answer: type(answer).__name__,
)
async def test_the_cooldown_ends_even_if_the_back_end_refuses_the_trial_order(
    begin: Begin, fault: Callable[[], Fault], answer: Fault
) -> None:
    first, *others = await after_a_cooldown(pool_of({}, {}, {}), fault(), begin)
    await first.end(answer)
    await turns()
    assert all(order.served() for order in others)


async def test_a_trial_that_ends_without_an_outcome_is_followed_by_another_trial(
    begin: Begin, fault: Callable[[], Fault]
) -> None:
    pool = pool_of({}, {}, {})
    first, second, third = await after_a_cooldown(pool, fault(), begin)
    await first.leave()
    await turns()
    assert [second.served(), third.served()] == [True, False]


async def test_a_trial_without_an_outcome_does_not_block_other_orders_for_ever(
    begin: Begin, fault: Callable[[], Fault]
) -> None:
    _first, second, third = await after_a_cooldown(pool_of({}, {}, {}), fault(), begin)
    await asyncio.sleep(MAX_TRIAL_SECONDS - 1)
    assert not second.served()
    await asyncio.sleep(2)
    assert [second.served(), third.served()] == [True, False]


async def test_a_successful_free_call_ends_the_cooldown_for_all_keys(begin: Begin, fault: Callable[[], Fault]) -> None:
    pool = pool_of({}, {}, {})
    _first, *others = await after_a_cooldown(pool, fault(), begin)
    other = keys_of(pool)[2]
    pool.succeeded(other, pool.account(other))
    await turns()
    assert all(order.served() for order in others)


async def test_other_rate_limited_keys_are_probed_only_after_the_probe_of_one_succeeds(
    begin: Begin, fault: Callable[[], Fault]
) -> None:
    pool = pool_of({}, {}, {})
    probed: list[Key] = []
    pool.on_unproven = probed.append
    for key in keys_of(pool):
        pool.report(key, RateLimited("slow", retry_after=5))
    await asyncio.sleep(4.5)
    pool.report(keys_of(pool)[0], fault())
    waiting = [await begin(pool) for _ in range(3)]
    await asyncio.sleep(1)
    (key,) = probed
    pool.succeeded(key, pool.account(key))
    pool.proven(key)
    await turns()
    assert set(probed) == set(keys_of(pool))
    # The probes of the other two keys have not ended.
    assert [order.served() for order in waiting] == [True, False, False]


async def test_while_one_order_tries_the_first_egress_other_keys_use_their_next_egress(begin: Begin) -> None:
    pool = pool_of({"proxy": "http://one.example:1,direct"}, {"proxy": "http://one.example:1,direct"})
    one, other = keys_of(pool)
    first = pool.account(one).egress
    pool.report(one, EgressFault("challenge", egress=first))
    await asyncio.sleep(1)
    orders = [await begin(pool), await begin(pool)]
    assert all(order.served() for order in orders)
    tried_by, beside = (order.key for order in orders)
    assert pool.account(tried_by).egress is first
    assert pool.account(beside).egress is None
    assert {tried_by, beside} == {one, other}


async def test_an_unreachable_server_cools_down_for_all_keys_whatever_their_egress(begin: Begin) -> None:
    pool = pool_of({"proxy": "http://one.example:1"}, {"proxy": "direct"})
    pool.report(keys_of(pool)[0], ServerUnreachable("no connection"))
    waiting = await begin(pool)
    assert not waiting.served()
    assert {key.ready_at() for key in keys_of(pool)} == {now() + 1}


# --- Several servers --------------------------------------------------------------------------------------------------

ONE, OTHER = "https://one.example", "https://other.example"
UNREACHABLE = ServerUnreachable("no connection")


async def test_an_unreachable_server_cools_down_only_for_keys_with_its_base_url(begin: Begin) -> None:
    pool = pool_of({"base_url": ONE}, {"base_url": ONE}, {"base_url": OTHER}, {})
    *ones, other, without = keys_of(pool)
    pool.report(ones[0], UNREACHABLE)
    assert {key.ready_at() for key in ones} == {now() + 1}
    assert {key.ready_at() <= now() for key in (other, without)} == {True}
    pool.report(without, UNREACHABLE)
    orders = [await begin(pool), await begin(pool)]
    assert orders[0].key is other
    assert not orders[1].served()
    pool.succeeded(ones[0], pool.account(ones[0]))
    await turns()
    assert orders[1].key in ones
    assert without.ready_at() == now() + 1


async def test_a_key_uses_another_server_as_soon_as_its_base_url_changes(begin: Begin) -> None:
    pool = pool_of({"base_url": ONE})
    (key,) = keys_of(pool)
    pool.report(key, UNREACHABLE)
    waiting = await begin(pool)
    assert not waiting.served()
    pool.put(key.id, key.config.model_copy(update={"base_url": OTHER}))
    await turns()
    assert waiting.key is key
    pool.put(key.id, key.config.model_copy(update={"base_url": ONE}))
    assert key.circuits[0].cooldown.failures == 1  # changing the server and changing it back did not reset the cooldown


async def test_when_a_key_changes_servers_during_a_trial_another_key_makes_the_trial(begin: Begin) -> None:
    pool = pool_of({"base_url": ONE}, {"base_url": ONE})
    first, second, *_ = await after_a_cooldown(pool, UNREACHABLE, begin)
    pool.put(first.key.id, first.key.config.model_copy(update={"base_url": OTHER}))
    await turns()
    assert second.served()
    assert second.key is not first.key


async def test_the_log_line_about_a_cooldown_contains_the_back_end_and_the_server(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pool = pool_of({"base_url": ONE})
    (key,) = keys_of(pool)
    pool.report(key, UNREACHABLE)
    pool.report(key, EgressFault("challenge", egress=None))
    lines = [record.getMessage() for record in caplog.records]
    assert [f"name='{ONE}'" in line for line in lines] == [True, False]
    assert all("backend='sora'" in line for line in lines)


# --- How long orders wait for a server --------------------------------------------------------------------------------


async def fail_every_second(pool: KeyPool, seconds: int) -> None:
    """Report a failed poll each second. No order is sent in the meantime."""
    for _ in range(seconds):
        pool.report(keys_of(pool)[0], ServerUnreachable("no connection"))
        await asyncio.sleep(1)


async def try_orders(pool: KeyPool, waiting: list[Order], seconds: float) -> None:
    """Fail each order that gets a key, as if the server could not be reached, and return it to its place."""
    end = now() + seconds
    while now() < end:
        for number, order in enumerate(waiting):
            if order.served() and not order.task.done():
                await order.end(ServerUnreachable("no connection"))
                waiting[number] = Order(pool, at=order.place)
        await asyncio.sleep(0.5)


async def test_all_orders_that_wait_for_an_unreachable_server_are_refused_after_the_maximum_wait() -> None:
    pool = pool_of({}, {}, max_wait_seconds=40)
    pool.report(keys_of(pool)[0], ServerUnreachable("no connection"))
    waiting = [Order(pool) for _ in range(5)]
    await try_orders(pool, waiting, 40)
    assert not any(order.task.done() for order in waiting)
    await try_orders(pool, waiting, MAX_BACK_OFF_SECONDS)
    for order in waiting[1:]:
        with pytest.raises(ServerUnreachable):
            await order.task


async def fail_for_a_minute(pool: KeyPool, *keys: Key) -> None:
    """Let all calls to the servers of these keys fail, for longer than orders wait."""
    for _ in range(70):
        for key in keys:
            if key.server.cooldown.until <= now():
                pool.report(key, UNREACHABLE)
        await asyncio.sleep(1)


async def test_orders_keep_waiting_as_long_as_the_server_of_any_key_can_be_reached(begin: Begin) -> None:
    pool = pool_of({"base_url": ONE, "max_concurrent": 1}, {"base_url": OTHER, "max_concurrent": 1})
    one, other = keys_of(pool)
    holders = [await begin(pool), await begin(pool)]
    waiting = await begin(pool)
    await fail_for_a_minute(pool, one)
    assert not waiting.task.done()
    pool.put(other.id, other.config.model_copy(update={"enabled": False}))  # the server of this key no longer counts
    await fail_for_a_minute(pool, one)
    await fail_for_a_minute(pool, one)
    assert waiting.task.done()
    assert isinstance(waiting.task.exception(), ServerUnreachable)
    assert all(order.served() for order in holders)


async def test_orders_are_refused_after_the_servers_of_all_keys_have_become_unreachable(begin: Begin) -> None:
    pool = pool_of(*({"base_url": url, "max_concurrent": 1} for url in (ONE, OTHER, None)))
    for _ in keys_of(pool):
        await begin(pool)
    waiting = await begin(pool)
    await fail_for_a_minute(pool, *keys_of(pool))
    assert waiting.task.done()
    assert isinstance(waiting.task.exception(), ServerUnreachable)


async def test_orders_keep_waiting_only_if_a_reachable_key_serves_their_model(begin: Begin) -> None:
    pool = pool_of(
        {"base_url": ONE, "models": ("fox",), "max_concurrent": 1},
        {"base_url": OTHER, "models": ("hare",), "max_concurrent": 1},
    )
    one, other = keys_of(pool)
    for model in ("fox", "hare"):
        await begin(pool, at=Place("client", "order", model))
    fox, hare = [await begin(pool, at=Place("client", "order", model)) for model in ("fox", "hare")]
    for _ in range(70):
        pool.report(other, UNREACHABLE)
        # A successful call to one server does not affect orders for the other server.
        pool.succeeded(other, pool.account(other))
        if one.server.cooldown.until <= now():
            pool.report(one, UNREACHABLE)
        await asyncio.sleep(1)
    assert not hare.task.done()
    assert fox.task.done()
    assert isinstance(fox.task.exception(), ServerUnreachable)
    pool.report(other, UNREACHABLE)
    await fail_for_a_minute(pool, other)
    assert hare.task.done()
    assert isinstance(hare.task.exception(), ServerUnreachable)


async def test_a_successful_call_restarts_the_maximum_wait_for_an_unreachable_server(begin: Begin) -> None:
    pool = pool_of({"max_concurrent": 1}, max_wait_seconds=40)
    holder, waiting = await begin(pool), await begin(pool)
    holder.accepted()
    for _ in range(5):
        await fail_every_second(pool, 30)
        pool.succeeded(holder.key, pool.account(holder.key))
        await asyncio.sleep(60)
    assert not waiting.task.done()
    await holder.end()
    await turns()
    assert waiting.served()


async def test_an_internal_error_is_not_counted_as_a_failure_of_the_server(begin: Begin) -> None:
    pool = pool_of({})
    order = await begin(pool)
    order._end.set_exception(StorageUnavailable("full"))
    with pytest.raises(StorageUnavailable):
        await order.task
    assert [circuit.cooldown.failures for circuit in keys_of(pool)[0].circuits] == [0, 0]


async def test_calls_that_fail_during_a_cooldown_do_not_prolong_it(begin: Begin, fault: Callable[[], Fault]) -> None:
    """Running tasks are still polled during a cooldown, and these polls may fail."""
    pool = pool_of({}, {})
    polled, waiting = keys_of(pool)[1], None
    for _ in range(5):
        pool.report(polled, fault())
        waiting = waiting or await begin(pool)
        await asyncio.sleep(0.3)
    await turns()
    assert waiting is not None
    assert waiting.served()
