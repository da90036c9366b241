"""LostOrders: searches the back end for orders whose answer never arrived, to learn whether it registered them.

A back end whose tasks are named by this server is asked for the id that this server gave the order. A back end that
only lists its tasks does not know this id, so the search reads the account's list of tasks. At a back end of this kind,
a key has at most one open intent, and the task ids of all other generations are on disk. So a listed task that has the
order's prompt and belongs to no other generation is the order's task. If the back end's list does not show prompts, it
is compared with the list from before the intent was written: the order's task is the only new one. The search uses no
clock, because a wrong clock could cause an order to be sent twice.
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

MIN_GOOD_POLLS = 3  # an order that is missing from this many good polls counts as never registered


class LostOrders:
    """Searches for orders whose outcome is unknown, and never gives one up before `settle_time` seconds have passed."""

    def __init__(self, upstream: Upstream, keys: KeyPool, store: Store, settle_time: float) -> None:
        self.upstream = upstream
        self._keys = keys
        self._store = store
        self._settle_time = settle_time

    async def listed_before(self, key: Key) -> tuple[str, ...] | None:
        """The ids of the tasks that a key has before an order is sent; None if a search for the order would not need
        them.

        This makes an additional call, unless it is known that the back end's lists contain prompts. If it raises Fault,
        the order has not been sent.
        """
        if self.upstream.identity is not Identity.listed:
            return None
        has_prompts = self.upstream.names_tasks
        if has_prompts is None:  # no list has been read since startup: rely on what an earlier process learned
            with contextlib.suppress(StorageUnavailable):
                has_prompts = await self._store.lists_lacked_prompts() is False
        if has_prompts:
            return None
        rows = await self.upstream.recent(self._keys.account(key))
        return None if self.upstream.names_tasks else tuple(row.task_id for row in rows)

    async def find(self, generation: Generation, lease: Lease) -> str | None:
        """The id of the order's upstream task; None if it did not appear in enough good polls over a long enough time.

        Raises SubmissionUnknown if the list does not show which task belongs to the order.
        """
        since, good_polls = time.monotonic(), 0
        while True:
            try:
                task_id, conclusive = await self._poll_once(generation, lease)
            except SubmissionUnknown:  # the list was read, and is ambiguous
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

    async def _poll_once(self, generation: Generation, lease: Lease) -> tuple[str | None, bool]:
        """First, the id of the order's task, or None if the poll did not show it; second, whether the poll is
        conclusive.

        Raises Fault or StorageUnavailable.
        """
        account = self._keys.account(lease.key)
        if self.upstream.identity is Identity.named:
            task_id = generation.attempt_id
            return (task_id if await self.upstream.poll([task_id], account, deep=True) else None), True
        rows = await self.upstream.recent(account)
        self._keys.succeeded(lease.key, account)
        ours = await self._store.known_tasks(lease.key.id, [row.task_id for row in rows])
        strangers = [row for row in rows if row.task_id not in ours]
        # An empty list proves nothing if the key has other tasks.
        return _task_of(strangers, generation), bool(rows) or lease.key.tasks == 1


def _task_of(strangers: list[Snapshot], generation: Generation) -> str | None:
    """The id of the order's task among the tasks that belong to no generation."""
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
