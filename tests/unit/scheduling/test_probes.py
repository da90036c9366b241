"""Probes: free calls that test whether a key works. Time is virtual."""

import asyncio

from sora_proxy.scheduling.key_health import KeyMemory
from sora_proxy.scheduling.key_pool import KeyPool
from sora_proxy.scheduling.keys import Key
from sora_proxy.scheduling.order_queue import QueueBounds
from sora_proxy.scheduling.probes import Probes
from sora_proxy.settings.accounts import Account
from sora_proxy.settings.kinds import UpstreamKey
from tests.unit.scheduling.test_key_pool import Order, turns


class BackEnd:
    """A back end that answers probes once `answers` is set. If `error` is set, each probe raises it."""

    def __init__(self) -> None:
        self.answers = asyncio.Event()
        self.error: Exception | None = None

    async def probe(self, _account: Account) -> None:
        await self.answers.wait()
        if self.error is not None:
            raise self.error


def pool_with_a_rate_limited_key(back_end: BackEnd) -> KeyPool:
    pool = KeyPool("sora", QueueBounds())
    pool.on_unproven = Probes(back_end.probe, pool).start
    pool.put("0", UpstreamKey(key="token"), KeyMemory(unproven=True))
    return pool


async def test_a_probe_that_raises_an_error_does_not_block_its_key_for_ever() -> None:
    back_end = BackEnd()
    pool = pool_with_a_rate_limited_key(back_end)
    back_end.error = RuntimeError("a mistake in reading the answer")
    back_end.answers.set()
    waiting = Order(pool)
    await turns()
    back_end.error = None
    await asyncio.sleep(2)
    assert waiting.served()
    await waiting.leave()


async def test_a_probe_of_a_removed_key_does_not_change_its_replacement() -> None:
    back_end = BackEnd()
    pool = pool_with_a_rate_limited_key(back_end)
    pool.put("1", UpstreamKey(key="another"))
    noted: list[Key] = []
    pool.on_change = noted.append
    holder, waiting = Order(pool), Order(pool)
    await turns()  # the probe of the rate-limited key begins
    pool.remove("0")
    key = pool.put("0", UpstreamKey(key="token"))
    back_end.answers.set()
    await turns()
    assert pool.get("0") is key
    assert noted == []
    for order in (holder, waiting):
        await order.leave()
