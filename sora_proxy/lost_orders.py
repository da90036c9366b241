"""LostOrders: was an order registered upstream, whose answer never reached us?

The protocol has no idempotency key, so the account's list of tasks has to tell. A key has at most one open intent, and
a task that belongs to another generation is on disk as such, so what is left and looks like the order is the order.
"""

import asyncio
import time

import structlog

from sora_proxy.errors import Fault, StorageUnavailable
from sora_proxy.generation import Generation
from sora_proxy.key_pool import Lease
from sora_proxy.store import Store
from sora_proxy.upstream import Snapshot, Upstream

log = structlog.get_logger(__name__)

GOOD_LOOKS = 3  # lists without the order before it counts as never registered
CLOCK_SKEW = 600.0  # the upstream's clock is not trusted beyond this


class LostOrders:
    """Looks for orders of unknown outcome, for at least `settle_time` seconds each."""

    def __init__(self, upstream: Upstream, store: Store, settle_time: float) -> None:
        self._upstream = upstream
        self._store = store
        self._settle_time = settle_time

    async def find(self, generation: Generation, lease: Lease) -> str | None:
        """The upstream task that is this order; None after enough good looks, over enough time, without it."""
        since, looks = time.monotonic(), 0
        while True:
            try:
                rows = await self._upstream.recent(lease.key)
                known = await self._store.known_tasks(lease.key.id, [row.task_id for row in rows])
            except (Fault, StorageUnavailable) as error:
                log.warning("look failed", key=lease.key.alias, reason=str(error))
            else:
                for row in rows:
                    if row.task_id not in known and _matches(row, generation):
                        return row.task_id
                # An empty list that should hold our other tasks is no look at all.
                looks += bool(rows) or lease.key.tasks == 1
            if looks >= GOOD_LOOKS and time.monotonic() - since >= self._settle_time:
                return None
            await asyncio.sleep(max(self._settle_time / (GOOD_LOOKS + 1), 0.05))


def _matches(row: Snapshot, generation: Generation) -> bool:
    """Whether an upstream task can be this order. A list that does not tell prompts is matched by time alone."""
    if row.prompt is not None and row.prompt.strip() != generation.spec.prompt.strip():
        return False
    if row.n is not None and row.n != generation.spec.n:
        return False
    return row.created_at is None or row.created_at >= (generation.state.intent_at or 0) - CLOCK_SKEW
