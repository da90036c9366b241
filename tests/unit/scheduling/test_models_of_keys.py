"""Keys that serve only some models get the right orders, and no order waits for a key that does not serve its model.

Time is virtual.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sora_proxy.errors import KeyRejected, NoUpstreamKey, RateLimited
from sora_proxy.scheduling.key_pool import KeyPool
from sora_proxy.scheduling.keys import Key
from sora_proxy.scheduling.lease import Lease
from sora_proxy.scheduling.line import Place
from sora_proxy.settings.kinds import UpstreamKey
from tests.unit.scheduling.acquiring import acquire
from tests.unit.scheduling.test_key_pool import Begin, begin, idle, keys_of, pool_of, quiet, turns
from tests.unit.scheduling.virtual_time import VirtualTimeLoop

__all__ = ["begin"]  # a fixture
MODELS = ("fox", "hare", "owl")


def place(model: str | None, client: str = "client") -> Place[Lease]:
    return Place(client, "order", model)


def only(*models: str, **fields: Any) -> dict[str, Any]:
    """The fields of a key that serves only these models, and only one order at a time."""
    return {"models": models, "max_concurrent": 1, **fields}


def change(pool: KeyPool, key: Key, **fields: Any) -> None:
    pool.put(key.id, key.config.model_copy(update=fields))


# --- Which order gets which key ---------------------------------------------------------------------------------------


async def test_an_order_that_no_free_key_serves_does_not_delay_the_orders_behind_it(begin: Begin) -> None:
    pool = pool_of(only("fox"), only("hare"))
    fox, hare = keys_of(pool)
    orders = [await begin(pool, at=place(model)) for model in ("fox", "fox", "hare")]
    assert [order.served() for order in orders] == [True, False, True]
    assert [orders[0].key, orders[2].key] == [fox, hare]
    await orders[0].end()
    await turns()
    assert orders[1].key is fox


async def test_a_key_for_all_models_takes_the_first_order_in_line_whatever_its_model(begin: Begin) -> None:
    pool = pool_of(only(), only("hare"))
    everything, hare = keys_of(pool)
    holders = [await begin(pool, at=place("fox")), await begin(pool, at=place("hare"))]
    waiting = [await begin(pool, at=place(model)) for model in ("fox", "hare", "hare")]
    assert [order.key for order in holders] == [everything, hare]
    await holders[0].end()
    await turns()
    assert [order.served() for order in waiting] == [True, False, False]
    await holders[1].end()
    await turns()
    assert [order.key for order in waiting[:2]] == [everything, hare]


async def test_an_order_for_a_model_that_no_key_serves_is_refused_at_once() -> None:
    pool = pool_of(only("fox"))
    pool.admit("client", model="fox")
    with pytest.raises(NoUpstreamKey):
        pool.admit("client", model="hare")
    with pytest.raises(NoUpstreamKey):
        await acquire(pool, place("hare"), quiet)
    assert pool.usable  # the key is still used for orders of the model that it serves


async def test_only_orders_that_no_remaining_key_serves_are_refused(begin: Begin) -> None:
    pool = pool_of(only("fox", "hare"), only("hare"))
    both, hare = keys_of(pool)
    holders = [await begin(pool, at=place("fox")), await begin(pool, at=place("hare"))]
    waiting = {model: await begin(pool, at=place(model)) for model in ("fox", "hare")}
    pool.report(both, KeyRejected("dead"))
    with pytest.raises(NoUpstreamKey):
        await waiting["fox"].task
    assert not waiting["hare"].task.done()
    await holders[1].end()
    await turns()
    assert waiting["hare"].key is hare


async def test_a_refused_order_is_not_granted_its_earlier_key_again(begin: Begin) -> None:
    pool = pool_of(only("fox"))
    order = await begin(pool, at=place("fox"))
    await order.end(KeyRejected("dead"))
    with pytest.raises(NoUpstreamKey):
        await acquire(pool, order.place, quiet)
    assert idle(pool)


async def test_a_key_serves_other_orders_as_soon_as_its_models_change(begin: Begin) -> None:
    pool = pool_of(only("fox"), only("hare"))
    fox, _ = keys_of(pool)
    await begin(pool, at=place("hare"))
    waiting = await begin(pool, at=place("hare"))
    assert not waiting.served()
    change(pool, fox, models=("hare", "owl"))
    await turns()
    assert waiting.key is fox
    with pytest.raises(NoUpstreamKey):
        pool.admit("client", model="fox")
    pool.admit("client", model="owl")


async def test_orders_keep_waiting_if_their_only_key_gets_other_models_in_addition_to_theirs(begin: Begin) -> None:
    pool = pool_of(only("fox"))
    (key,) = keys_of(pool)
    holder, waiting = await begin(pool, at=place("fox")), await begin(pool, at=place("fox"))
    for models in (("fox", "hare"), (), ("owl", "fox")):
        change(pool, key, models=models)
        await turns()
        assert not waiting.task.done()
    await holder.end()
    await turns()
    assert waiting.key is key


async def test_a_rate_limited_key_is_not_probed_for_orders_that_it_does_not_serve(begin: Begin) -> None:
    pool = pool_of(only("fox"), only("hare"))
    fox, hare = keys_of(pool)
    probed: list[Key] = []
    pool.on_unproven = probed.append
    pool.report(fox, RateLimited("too fast", retry_after=5))
    for _ in range(2):
        await begin(pool, at=place("hare"))
    await asyncio.sleep(100)
    assert probed == []
    waiting = await begin(pool, at=place("fox"))
    assert probed == [fox]
    pool.proven(fox)
    await turns()
    assert waiting.key is fox
    assert hare.tasks == 1


async def test_the_forecast_for_a_model_counts_only_keys_and_orders_of_that_model(begin: Begin) -> None:
    pool = pool_of(only("fox"), only("hare"), max_wait_seconds=100)
    for _ in range(5):
        await begin(pool, at=place("fox"))
    assert pool.queue.expected_wait("fox", 5) == pytest.approx(150)
    pool.admit("client", model="hare")  # this order is accepted, although many orders are waiting for the other key
    await begin(pool, at=place("hare"))
    waiting = await begin(pool, at=place("hare"))
    await asyncio.sleep(1)
    assert waiting.place.position == 1


# --- Shares -----------------------------------------------------------------------------------------------------------


async def serve_one_by_one(pool: KeyPool, models: list[str]) -> dict[tuple[str, str], int]:
    """Serve one order after the other; returns how many orders of each model each key served."""
    counts: Counter[tuple[str, str]] = Counter()
    for model in models:
        async with await acquire(pool, place(model), quiet) as lease:
            assert lease.key.models.serve(model)
            counts[lease.key.id, model] += 1
    assert idle(pool)
    return counts


async def test_keys_share_the_orders_of_a_model_in_proportion_to_their_weights() -> None:
    pool = pool_of(only("fox"), only(weight=2), only("fox", "hare", weight=3))
    counts = await serve_one_by_one(pool, ["fox"] * 600)
    assert [counts[str(number), "fox"] for number in range(3)] == pytest.approx([100, 200, 300], abs=3)


async def test_a_key_that_was_disabled_gets_no_extra_orders_of_its_models_later() -> None:
    pool = pool_of(only("fox"), only(), only("hare"))
    fox, *_ = keys_of(pool)
    change(pool, fox, enabled=False)
    await serve_one_by_one(pool, ["hare", "fox"] * 100)
    change(pool, fox, enabled=True)
    counts = await serve_one_by_one(pool, ["fox"] * 20)
    assert counts["0", "fox"] == pytest.approx(10, abs=2)


@pytest.mark.slow
async def test_keys_for_different_models_share_mixed_orders_in_proportion_to_their_weights() -> None:
    pool = pool_of(only("fox"), only("hare"), only("fox", "hare", weight=2))
    dice = Random(7)
    counts = await serve_one_by_one(pool, [dice.choice(["fox", "hare"]) for _ in range(4000)])
    by_key = Counter(dict.fromkeys("012", 0))
    for (key, _), count in counts.items():
        by_key[key] += count
    assert [by_key[key] / 4000 for key in "012"] == pytest.approx([0.25, 0.25, 0.5], abs=0.02)


# --- Fairness between clients -----------------------------------------------------------------------------------------


def add_orders(pool: KeyPool, *groups: tuple[str, str, int]) -> list[Place[Lease]]:
    """Put orders in line. Each group is a client, a model, and the number of its orders."""
    orders = [place(model, client) for client, model, count in groups for _ in range(count)]
    for each in orders:
        pool.enter(each)
    return orders


def served_first(orders: list[Place[Lease]], count: int) -> list[Place[Lease]]:
    """End `count` orders in the sequence in which they got a key; returns these orders in this sequence."""
    served: dict[Place[Lease], None] = {}
    for ended in range(count):
        served |= dict.fromkeys(each for each in orders if each.grant is not None)
        lease = list(served)[ended].grant
        assert lease is not None
        lease.end()
    return list(served)[:count]


async def test_a_flood_of_orders_for_one_model_does_not_starve_other_clients() -> None:
    pool = pool_of(only("fox"), only())
    orders = add_orders(pool, ("greedy", "fox", 400), ("modest", "fox", 1), ("other", "hare", 1))
    assert {"modest", "other"} <= {each.client for each in served_first(orders, 8)}


async def test_clients_share_the_keys_of_a_model_in_proportion_to_their_weights() -> None:
    pool = pool_of(only("fox"), *[only("hare")] * 5, weights={"two": 2})
    orders = add_orders(pool, ("other", "hare", 500), ("one", "fox", 100), ("two", "fox", 100))
    foxes = [each.client for each in served_first(orders, 500) if each.model == "fox"]
    assert len(foxes) > 60
    assert foxes.count("two") == pytest.approx(2 * len(foxes) / 3, abs=1)


async def test_a_client_gets_no_credit_for_time_without_a_key_for_its_model() -> None:
    pool = pool_of(only("fox"), only("hare"))
    fox, hare = keys_of(pool)
    pool.suspect(fox, KeyRejected("perhaps"))
    orders = add_orders(pool, ("a", "hare", 200), ("b", "fox", 200))
    served = served_first(orders, 100)
    assert {each.client for each in served} == {"a"}
    change(pool, hare, models=())
    later = served_first([each for each in orders if each not in served], 20)
    assert Counter(each.client for each in later)["b"] == pytest.approx(10, abs=1)


# --- Any sequence of steps --------------------------------------------------------------------------------------------


@dataclass
class World:
    """A pool, and all orders that are using its keys or waiting for a key."""

    pool: KeyPool
    dice: Random
    waiting: list[Place[Lease]] = field(default_factory=list)
    running: list[Lease] = field(default_factory=list)

    def step(self, what: str) -> None:
        match what:
            case "come":
                self.waiting.append(place(self.dice.choice([*MODELS, None]), self.dice.choice("ab")))
                self.pool.enter(self.waiting[-1])
            case "leave" if self.waiting:
                self.pool.leave(self.waiting.pop(self.dice.randrange(len(self.waiting))))
            case "accept" if self.running:
                self.dice.choice(self.running).accepted()
            case "end" if self.running:
                self.running.pop(self.dice.randrange(len(self.running))).end()
            case "change":
                key = self.dice.choice(keys_of(self.pool))
                change(self.pool, key, models=self.models(), enabled=self.dice.random() < 0.8)
            case "revive":
                self.pool.revive(self.dice.choice(keys_of(self.pool)))
            case "reject":
                self.pool.report(self.dice.choice(keys_of(self.pool)), KeyRejected("dead"))
        self.collect()

    def models(self) -> tuple[str, ...]:
        return tuple(self.dice.sample(MODELS, self.dice.randrange(len(MODELS))))

    def collect(self) -> None:
        """Take the grants and refusals, and check each of them."""
        for each in list(self.waiting):
            if each.grant is not None:
                self.running.append(each.grant)
                assert serves(each.grant.key, each)
            if not each.waiting:
                assert (each.grant is None) != (each.refusal is None)
                self.waiting.remove(each)

    def check(self) -> None:
        in_service = [key for key in keys_of(self.pool) if key.in_service]
        for each in self.waiting:
            able = [key for key in in_service if serves(key, each)]
            assert able, "an order is waiting, although no key serves its model"
            assert all(key.ready_at() > self.pool.now for key in able), (
                "a key is idle, although it could serve an order in line"
            )
        assert len(self.pool.queue) == len(self.waiting)
        assert self.pool.queue.waiting == dict(Counter(each.client for each in self.waiting))
        assert Counter(key for key in keys_of(self.pool) for _ in range(key.tasks)) == Counter(
            lease.key for lease in self.running
        )


def serves(key: Key, order: Place[Lease]) -> bool:
    return key.models.serve(order.model)


STEPS = ("come", "come", "come", "leave", "accept", "end", "end", "change", "revive", "reject")


@pytest.mark.slow
@settings(deadline=None)
@given(steps=st.lists(st.sampled_from(STEPS), max_size=150), keys=st.integers(1, 5), seed=st.integers(0, 2**16))
def test_no_key_stays_idle_and_no_order_is_lost_in_any_sequence_of_steps(
    steps: list[str], keys: int, seed: int
) -> None:
    async def story() -> None:
        world = World(pool_of(), Random(seed))
        for number in range(keys):
            config = UpstreamKey(key=f"token-{number}", models=world.models(), max_rpm=10_000, max_concurrent=2)
            world.pool.put(str(number), config)
        for step in steps:
            world.step(step)
            world.check()
        for key in keys_of(world.pool):
            change(world.pool, key, models=(), enabled=True)
            world.pool.revive(key)
        world.collect()
        while world.running:
            world.step("end")
            world.check()
        assert not world.waiting
        assert idle(world.pool)
        assert world.pool._timer is None

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(story())
