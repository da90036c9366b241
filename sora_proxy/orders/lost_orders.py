"""LostOrders: was an order whose answer never reached us registered upstream?

A named back end is asked for the id that we gave the order. A listed one has no such id, so the account's list of tasks
has to show it. A key has at most one open intent there, and the tasks of other generations are on disk, so the
remaining task with the order's prompt is the order. A list without prompts shows less: there the order is the one task
that was not listed before its intent. No clock is used, neither ours nor the back end's: a wrong one could make us send
an order twice.
"""

import asyncio
import contextlib
import time

import structlog

from sora_proxy.errors import EgressFault, Fault, ServerUnreachable, StorageUnavailable, SubmissionUnknown
from sora_proxy.generation import Generation
from sora_proxy.orders.store import Store
from sora_proxy.scheduling.key_pool import KeyPool
from sora_proxy.scheduling.keys import Key
from sora_proxy.scheduling.lease import Lease
from sora_proxy.upstream import Identity, Snapshot, Upstream

log = structlog.get_logger(__name__)

MIN_GOOD_POLLS = 3  # without the order before it counts as never registered


class LostOrders:
    """Searches for orders of unknown outcome, for at least `settle_time` seconds each."""

    def __init__(self, upstream: Upstream, keys: KeyPool, store: Store, settle_time: float) -> None:
        self.upstream = upstream
        self._keys = keys
        self._store = store
        self._settle_time = settle_time

    async def listed_before(self, key: Key) -> tuple[str, ...] | None:
        """The tasks of a key before an order is sent; None where lists have prompts, by which an order is found.

        This takes one more call, unless it is known that lists have prompts. Raises Fault; nothing was sent then.
        """
        if self.upstream.identity is not Identity.listed:
            return None
        named = self.upstream.names_tasks
        if named is None:  # no list was read since the start: assume that they are as before
            with contextlib.suppress(StorageUnavailable):
                named = await self._store.last_order_was_nameless() is False
        if named:
            return None
        rows = await self.upstream.recent(self._keys.account(key))
        return None if self.upstream.names_tasks else tuple(row.task_id for row in rows)

    async def find(self, generation: Generation, lease: Lease) -> str | None:
        """The upstream task that is this order; None after enough good polls, over enough time, without it.

        Raises SubmissionUnknown if tasks are listed that may be the order or that of another program.
        """
        since, good_polls = time.monotonic(), 0
        while True:
            try:
                task_id, conclusive = await self._look(generation, lease)
            except SubmissionUnknown:  # the list itself leaves it open
                raise
            except (Fault, StorageUnavailable) as error:
                log.warning("searching for an order failed", key=lease.key.alias, reason=str(error))
                if isinstance(error, EgressFault | ServerUnreachable):  # the next poll may use another egress
                    self._keys.report(lease.key, error)
            else:
                if task_id:
                    return task_id
                good_polls += conclusive
            if good_polls >= MIN_GOOD_POLLS and time.monotonic() - since >= self._settle_time:
                return None
            await asyncio.sleep(max(self._settle_time / (MIN_GOOD_POLLS + 1), 0.05))

    async def _look(self, generation: Generation, lease: Lease) -> tuple[str | None, bool]:
        """The task if it is there now, and whether its absence means anything. Raises Fault or StorageUnavailable."""
        account = self._keys.account(lease.key)
        if self.upstream.identity is Identity.named:
            task_id = generation.attempt_id
            return (task_id if await self.upstream.poll([task_id], account, deep=True) else None), True
        rows = await self.upstream.recent(account)
        self._keys.succeeded(lease.key, account)
        ours = await self._store.known_tasks(lease.key.id, [row.task_id for row in rows])
        # An empty list means nothing if the key has other tasks.
        return _only([row for row in rows if row.task_id not in ours], generation), bool(rows) or lease.key.tasks == 1


def _only(strangers: list[Snapshot], generation: Generation) -> str | None:
    """The task that is this order, among those that belong to no generation."""
    spec, listed = generation.spec, generation.state.listed
    found = [
        row.task_id
        for row in strangers
        if row.task_id not in (listed or ())
        and (row.prompt is None or row.prompt.strip() == spec.prompt.strip())
        and (row.n is None or row.n == spec.n)
    ]
    nameless = any(row.prompt is None for row in strangers)
    if found and nameless and (listed is None or len(found) > 1):
        raise SubmissionUnknown("The back end's list does not show which task belongs to this order.")
    return found[0] if found else None
