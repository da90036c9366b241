"""Waiting for a key of one pool."""

from sora_proxy.scheduling.key_pool import KeyPool
from sora_proxy.scheduling.lease import Lease
from sora_proxy.scheduling.line import Place
from sora_proxy.scheduling.waiting import OnWait, first_lease


async def acquire(pool: KeyPool, place: Place[Lease], on_wait: OnWait) -> Lease:
    _, lease = await first_lease([(pool, place)], on_wait)
    return lease
