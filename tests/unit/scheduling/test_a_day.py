"""Rules that must hold over whole days of simulated time."""

import asyncio
import contextlib
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sora_proxy.errors import EgressFault, Fault, QueueFull, RateLimited, TooManyTasks, UpstreamUnavailable
from sora_proxy.scheduling.key_pool import KeyPool
from sora_proxy.scheduling.lease import Lease
from sora_proxy.scheduling.line import Place
from sora_proxy.scheduling.order_queue import QueueBounds
from sora_proxy.scheduling.rate_window import MINUTE
from sora_proxy.scheduling.task_limit import GROWTH_SECONDS
from sora_proxy.settings.kinds import UpstreamKey
from tests.unit.scheduling.acquiring import acquire
from tests.unit.scheduling.virtual_time import VirtualTimeLoop

DAY, SECONDS = 86_400.0, 1200.0


def now() -> float:
    return asyncio.get_running_loop().time()


async def quiet(_position: int, _seconds: int | None) -> None:
    """Ignore the place in line."""


@dataclass
class Account:
    """A back end that accepts orders within its limits and refuses all other orders, as the real back end does."""

    rpm: int
    at_once: int
    registered: list[float] = field(default_factory=list)
    tasks: int = 0
    refusals: Counter[str] = field(default_factory=Counter)

    def register(self) -> None:
        if self.tasks >= self.at_once:
            self.refusals["at once"] += 1
            raise TooManyTasks("full", limit=self.at_once)
        if len(self.registered) >= self.rpm and now() - self.registered[-self.rpm] < MINUTE - 1e-6:
            self.refusals["rate"] += 1
            raise RateLimited("too fast")
        self.registered.append(now())
        self.tasks += 1


@dataclass
class Market:
    """A pool in front of accounts, and the outcomes of its orders."""

    pool: KeyPool
    accounts: dict[str, Account]
    dice: Random
    served: Counter[str] = field(default_factory=Counter)  # by key
    waits: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))  # by client
    turned_away: int = 0

    async def order(self, client: str, seconds: float) -> None:
        came, place = now(), Place[Lease](client, "order")
        try:
            self.pool.admit(client)
        except QueueFull:
            self.turned_away += 1
            return
        while True:
            try:
                async with await acquire(self.pool, place, quiet) as lease:
                    self.waits[client].append(now() - came)
                    await self._work(lease, seconds)
                    return
            except Fault:
                continue

    async def _work(self, lease: Lease, seconds: float) -> None:
        account = self.accounts[lease.key.id]
        lease.sending()
        await asyncio.sleep(self.dice.uniform(0.01, 0.2))
        if self.dice.random() < 0.01:
            raise self.dice.choice([EgressFault("challenge", egress=None), UpstreamUnavailable("away")])
        account.register()
        try:
            await asyncio.sleep(self.dice.uniform(0.01, 0.2))
            lease.accepted()
            self.served[lease.key.id] += 1
            await asyncio.sleep(seconds)
        finally:
            account.tasks -= 1


def market_of(accounts: list[Account], weights: list[float], seed: int) -> Market:
    pool = KeyPool("sora", QueueBounds(), {"heavy": 3.0})
    pool.on_unproven = pool.proven
    for number, (account, weight) in enumerate(zip(accounts, weights, strict=True)):
        pool.put(str(number), UpstreamKey(key=f"token-{number}", weight=weight, max_rpm=account.rpm))
    return Market(pool, {str(number): account for number, account in enumerate(accounts)}, Random(seed))


async def place_orders_for(market: Market, seconds: float, *, every: float, task_seconds: float) -> None:
    """Place orders for `seconds`, one per `every` seconds on average, and cancel a few of them."""
    orders, end = [], now() + seconds
    while now() < end:
        client = market.dice.choice(["heavy", "light", "light"])
        task = market.dice.uniform(0.5, 1.5) * task_seconds
        orders.append(asyncio.create_task(market.order(client, task)))
        if market.dice.random() < 0.05:
            market.dice.choice(orders).cancel()
        await asyncio.sleep(market.dice.expovariate(1 / every))
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(*orders, return_exceptions=True)


@pytest.mark.slow
@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(
    limits=st.lists(st.tuples(st.integers(1, 30), st.integers(1, 6)), min_size=1, max_size=4),
    every=st.floats(0.5, 20),
    seed=st.integers(0, 2**16),
)
def test_rate_limits_are_never_exceeded_and_task_limits_only_while_they_are_being_learned(
    limits: list[tuple[int, int]], every: float, seed: int
) -> None:
    accounts = [Account(rpm, at_once) for rpm, at_once in limits]

    async def hour() -> Market:
        market = market_of(accounts, [1.0] * len(accounts), seed)
        await place_orders_for(market, SECONDS, every=every, task_seconds=10)
        return market

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        market = runner.run(hour())
    for account in accounts:
        assert account.refusals["rate"] == 0
        # The account refuses orders while its limit is being learned, and each time the learned limit has grown.
        assert account.refusals["at once"] <= account.at_once + 1 + SECONDS / GROWTH_SECONDS
        assert account.tasks == 0
    assert all(key.tasks == key.intents == 0 for key in market.pool.keys)
    assert not market.pool.queue


@pytest.mark.slow
@pytest.mark.parametrize("weights", [[1.0, 2.0, 3.0], [1.0, 9.0], [0.5, 0.5, 1.0, 2.0]])
async def test_keys_get_orders_in_proportion_to_their_weights_within_one_percent_over_a_day(
    weights: list[float],
) -> None:
    market = market_of([Account(10_000, 10_000) for _ in weights], weights, seed=1)
    # Orders are so far apart that every key is free when an order arrives.
    await place_orders_for(market, DAY, every=20, task_seconds=5)
    total = sum(market.served.values())
    for number, weight in enumerate(weights):
        assert market.served[str(number)] / total == pytest.approx(weight / sum(weights), abs=0.01)


async def test_a_client_that_floods_the_queue_does_not_starve_another_client() -> None:
    market = market_of([Account(30, 3), Account(30, 3)], [1.0, 1.0], seed=2)

    async def flood() -> None:
        await asyncio.gather(*(market.order("flood", 5.0) for _ in range(400)))

    flooding = asyncio.create_task(flood())
    for _ in range(20):
        await asyncio.sleep(5)
        await market.order("light", 5.0)
    await flooding
    assert max(market.waits["light"]) < 15
    assert market.turned_away > 0
    assert max(market.waits["flood"]) > 60
