"""The scheduler: the cost of one grant with many keys and many waiting orders, and three accounts at their limits.

The first part runs in this process, with nothing but the pool. The second part runs whole programs: it places many
orders in front of an upstream that refuses every order above a limit.
"""

import time

import orjson

from sora_proxy.scheduling.key_pool import KeyPool
from sora_proxy.scheduling.lease import Lease
from sora_proxy.scheduling.line import Place
from sora_proxy.scheduling.order_queue import QueueBounds
from sora_proxy.settings.kinds import UpstreamKey
from tests.benchmarks.load import all_finished, clients, ordered, stats
from tests.benchmarks.programs import Folder, simulator, sora_proxy
from tests.benchmarks.table import Row, bounded, exactly

KEYS, WAITERS, CLIENTS, GRANTS = 10_000, 10_000, 50, 60_000
GOAL_US = 20.0

CROWD, RATE, AT_ONCE, ENGINE_SECONDS = 200, 60, 3, 1.0
WEIGHTS = (1, 2, 3)


async def measure(folder: Folder) -> list[Row]:
    """Measure both parts."""
    crowd = await _crowd(folder)
    few, many = await _grant_us(keys=100), await _grant_us(keys=KEYS)
    return [
        bounded(f"scheduler: grant, {KEYS} keys, {WAITERS} waiting", many, GOAL_US, "µs"),
        Row(f"scheduler: grant, 100 keys, {WAITERS} waiting", f"{few:.3g} µs"),
        *crowd,
    ]


async def _grant_us(keys: int) -> float:
    """The time of one grant, in microseconds: an order lines up, gets a key, is accepted and is released, while many
    other orders are waiting.

    The turns of the event loop that wake a coroutine are not counted, because they are not the scheduler's work.
    """
    pool = KeyPool("sora", QueueBounds(max_orders=WAITERS * 2))
    for number in range(keys):
        weight = 1 + number % 3
        pool.put(str(number), UpstreamKey(key=f"token-{number}", max_rpm=10_000, max_concurrent=1, weight=weight))
    places = [Place[Lease](f"client-{number % CLIENTS}", "order") for number in range(WAITERS + keys)]
    for place in places:
        pool.queue.add(place)
    pool._assign()
    begun = time.process_time()
    granted = 0
    while granted < GRANTS:
        for place in places:
            if lease := place.grant:
                granted += 1
                lease.accepted()
                pool.queue.add(place)
                lease.end()
    return (time.process_time() - begun) / granted * 1e6


async def _crowd(folder: Folder) -> list[Row]:
    """Place 200 orders at once on three accounts. The upstream enforces the limits of the accounts too."""
    keys = [
        {"key": f"token-{weight}", "weight": weight, "max_rpm": RATE, "max_concurrent": AT_ONCE} for weight in WEIGHTS
    ]
    async with (
        simulator(
            folder, seconds=ENGINE_SECONDS, more=["--max-concurrent", str(AT_ONCE), "--rpm", str(RATE)]
        ) as upstream,
        sora_proxy(
            folder,
            upstream.url,
            keys=0,
            API_KEYS=orjson.dumps(keys).decode(),
            MAX_QUEUE_WAIT="3600",
            IMAGE_LOCALIZATION="False",
        ) as proxy,
        clients() as session,
    ):
        begun = time.perf_counter()
        await ordered(session, proxy, CROWD)
        await all_finished(session, upstream, CROWD)
        seconds = time.perf_counter() - begun
        seen = await stats(session, upstream)
    told = " ".join(str(seen["requests"]["submit"][f"token-{weight}"]) for weight in WEIGHTS)
    what = f"{CROWD} orders on 3 keys"
    return [
        exactly(f"{what}: registered upstream", seen["registered"], CROWD),
        exactly(f"{what}: refused upstream", sum(seen["refusals"].values()), 0),
        # The last 20 orders are sent when the first minute is over.
        bounded(f"{what}: all done", seconds, 60 + 15, "s"),
        Row(f"{what}: by key (weights 1, 2, 3; each key at its rate limit)", told),
    ]
