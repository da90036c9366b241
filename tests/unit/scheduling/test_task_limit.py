"""A learned task limit grows again as long as the number of tasks keeps reaching it. Time is virtual."""

import asyncio

from sora_proxy.errors import TooManyTasks
from sora_proxy.scheduling.key_pool import KeyPool
from sora_proxy.scheduling.task_limit import GROWTH_SECONDS
from tests.unit.scheduling.test_key_pool import Begin, begin, keys_of, pool_of

__all__ = ["begin"]  # a fixture


async def learn(pool: KeyPool, begin: Begin, limit: int) -> None:
    """Let the back end accept `limit` tasks and refuse the next one."""
    orders = []
    for _ in range(limit):
        orders.append(await begin(pool))
        orders[-1].accepted()
    await (await begin(pool)).end(TooManyTasks("full", limit=limit))
    for order in orders:
        await order.end()


async def use(pool: KeyPool, begin: Begin, tasks: int) -> None:
    """Let `tasks` orders be accepted at the same time, and then end."""
    orders = []
    for _ in range(tasks):
        orders.append(await begin(pool))
        orders[-1].accepted()
    for order in orders:
        await order.end()


async def test_a_learned_limit_that_is_reached_grows_by_one_after_a_time_without_refusals(begin: Begin) -> None:
    pool, noted = pool_of({}), []
    (key,) = keys_of(pool)
    await learn(pool, begin, 2)
    pool.on_change = lambda key: noted.append(key.memory(pool.moment).learned_limit)
    await asyncio.sleep(GROWTH_SECONDS - 1)
    await use(pool, begin, 2)
    assert key.limit == 2
    await asyncio.sleep(1)
    for limit in (3, 4, 5):
        await use(pool, begin, limit - 1)
        assert key.limit == limit
        await use(pool, begin, limit)
        assert key.limit == limit  # the limit grows again only after another GROWTH_SECONDS
        await asyncio.sleep(GROWTH_SECONDS)
    assert noted == [3, 4, 5]  # each new limit is stored, so it survives a restart


async def test_a_refusal_restarts_the_time_until_a_learned_limit_grows(begin: Begin) -> None:
    pool = pool_of({})
    (key,) = keys_of(pool)
    await learn(pool, begin, 2)
    await asyncio.sleep(GROWTH_SECONDS)
    await use(pool, begin, 2)
    assert key.limit == 3
    await asyncio.sleep(GROWTH_SECONDS - 1)
    await learn(pool, begin, 2)
    await asyncio.sleep(GROWTH_SECONDS - 1)
    await use(pool, begin, 2)
    assert key.limit == 2


async def test_a_learned_limit_that_is_not_reached_does_not_grow(begin: Begin) -> None:
    pool = pool_of({})
    (key,) = keys_of(pool)
    await learn(pool, begin, 2)
    for _ in range(5):
        await asyncio.sleep(GROWTH_SECONDS)
        await use(pool, begin, 1)
    assert key.limit == 2


async def test_a_learned_limit_never_grows_above_the_configured_limit(begin: Begin) -> None:
    pool = pool_of({})
    (key,) = keys_of(pool)
    await learn(pool, begin, 2)
    pool.put(key.id, key.config.model_copy(update={"max_concurrent": 3}))
    for _ in range(5):
        await asyncio.sleep(GROWTH_SECONDS)
        await use(pool, begin, key.limit or 0)
    assert key.limit == 3
