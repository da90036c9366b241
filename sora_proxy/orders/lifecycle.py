"""Lifecycle: one generation, from queued to its outcome.

The path: wait for a key, commit the intent, submit, commit the upstream task, follow it, fetch the results, commit the
outcome. Each step starts from what is on disk, so the same code goes on after a restart. An order whose outcome
upstream is unknown is looked for before it is ever sent again.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import structlog

from sora_proxy.background import to_the_end
from sora_proxy.errors import (
    EgressFault,
    Fault,
    KeyFault,
    NoUpstreamKey,
    QueueTimeout,
    ServerUnreachable,
    StorageUnavailable,
    SubmissionUnknown,
    UpstreamUnavailable,
)
from sora_proxy.events import Completed, Event, Failed, Image, Progress, Queued
from sora_proxy.generation import Generation, State, Status
from sora_proxy.media.image_files import Media
from sora_proxy.orders.following import Following, awaited
from sora_proxy.orders.lost_orders import LostOrders
from sora_proxy.orders.results import Results
from sora_proxy.orders.store import Store
from sora_proxy.orders.watcher import TaskWatcher
from sora_proxy.scheduling.cooldown import MAX_BACK_OFF_SECONDS, MIN_BACK_OFF_SECONDS
from sora_proxy.scheduling.key_pool import KeyPool
from sora_proxy.scheduling.lease import Lease
from sora_proxy.scheduling.line import Place
from sora_proxy.upstream import Upstream

log = structlog.get_logger(__name__)

MAX_SENDS = 3  # of an order whose outcome stays unknown: a back end that loses every answer may charge for each
STORAGE_RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator chose; times in seconds."""

    settle_time: float = 20.0
    on_unknown: Literal["requeue", "fail"] = "requeue"
    generation_timeout: float = 1800.0  # of the clients' wait
    give_up_after: float = 21_600.0
    queue_timeout: float = 900.0
    keep_images: Callable[[], bool] = lambda: True  # it may change while the server runs


@dataclass(frozen=True, slots=True)
class Resources:
    """What every generation needs."""

    upstream: Upstream
    keys: KeyPool
    store: Store
    media: Media
    watcher: TaskWatcher


class Lifecycle:
    """Carries out generations, any number at a time. It keeps nothing about them: all state is theirs."""

    def __init__(self, resources: Resources, policy: Policy) -> None:
        self._upstream = resources.upstream
        self._keys = resources.keys
        self._store = resources.store
        self._media = resources.media
        self._policy = policy
        self._lost_orders = LostOrders(resources.upstream, resources.keys, resources.store, policy.settle_time)
        self._following = Following(resources.watcher, policy.give_up_after)
        self._results = Results(resources.upstream, resources.keys, resources.media)

    async def run(self, generation: Generation) -> None:
        """Bring a generation to its end. If its coroutine is cancelled, what the next start needs is on disk."""
        try:
            await self._to_outcome(generation)
        except asyncio.CancelledError:
            if generation.status is not Status.cancelled:  # it was not taken out of the line: the process ends
                raise
        await self._forget_input(generation)
        self._log_outcome(generation)

    async def cancel_task(self, generation: Generation) -> None:
        """Spare the back end the rest of its work. If that can't be asked for, the task counts until it has ended."""
        key = self._keys.get(generation.state.key_id or "")
        if key is None:
            return
        try:
            await self._upstream.cancel(generation.state.task_id or "", self._keys.account(key))
        except Fault as fault:
            log.warning("task not cancelled", generation=generation.id, key=key.alias, reason=str(fault))

    async def _to_outcome(self, generation: Generation) -> None:
        try:
            await self._obtain(generation)
            if generation.status is Status.saving:
                await self._save(generation)
        except NoUpstreamKey as error:
            await self._fail(generation, Failed("no_upstream_key", str(error)))
        except QueueTimeout as error:
            await self._fail(generation, Failed("queue_timeout", str(error)))
        except Fault as fault:
            await self._fail(generation, Failed(fault.code, str(fault)))
        except Exception:
            # The last line: a mistake of ours ends this order, not the others.
            log.exception("generation broke")
            await self._fail(generation, Failed("internal_error", "internal server error"))

    async def _obtain(self, generation: Generation) -> None:
        """From wherever it is to `saving`: the upstream is done and the addresses of the results are on disk.

        A cancelled one that the upstream did not take ends here.
        """
        place: Place[Lease] = Place(generation.client, generation.id)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._policy.queue_timeout
        while generation.status not in (Status.saving, Status.cancelled):
            try:
                async with await self._lease(generation, place, deadline) as lease:
                    await self._work(generation, lease)
            except (KeyFault, EgressFault, UpstreamUnavailable) as fault:
                # The pool handles a key that is full, cooling down or dead; other refusals are limited in time.
                seconds = 0.0 if isinstance(fault, KeyFault) else place.refused(loop.time())
                too_long = seconds >= self._keys.queue.max_refused_seconds
                # Only an order that was definitely not accepted may be offered again.
                if generation.status not in (Status.queued, Status.submitting) or too_long:
                    raise
                log.info("order refused", reason=str(fault), code=fault.code, attempt=generation.state.attempts)
                if generation.status is Status.submitting:
                    await self._requeue(generation)
                if isinstance(fault, UpstreamUnavailable) and not isinstance(fault, ServerUnreachable):
                    # The cause may be the order itself: it must not make all keys cool down, one after the other.
                    await asyncio.sleep(min(max(seconds, MIN_BACK_OFF_SECONDS), MAX_BACK_OFF_SECONDS))

    async def _lease(self, generation: Generation, place: Place[Lease], deadline: float) -> Lease:
        """A key for a new order, which keeps its place in line over refusals; for an accepted one, its own."""
        if generation.status is not Status.queued:
            intent_open = generation.status in (Status.submitting, Status.unknown)
            return self._keys.resume(generation.state.key_id or "", generation.id, intent_open=intent_open)

        async def tell(position: int, seconds: int | None) -> None:
            await self._tell(generation, Queued(position, seconds))

        try:
            async with asyncio.timeout_at(deadline):
                return await self._keys.acquire(place, tell)
        except TimeoutError:
            seconds = f"{self._policy.queue_timeout:g}"
            raise QueueTimeout(f"no upstream key could take the order within {seconds} seconds") from None

    async def _work(self, generation: Generation, lease: Lease) -> None:
        if generation.status is Status.queued:
            await self._send(generation, lease)
        elif generation.status is Status.submitting:  # by the last process, which did not live to tell the outcome
            await self._record(generation, generation.state.to(Status.unknown))
        with awaited(generation, self._policy.generation_timeout):
            if generation.status is Status.unknown:
                await self._settle(generation, lease)
            if generation.status is Status.running:
                lease.accepted()
                await self._follow(generation, lease)

    async def _send(self, generation: Generation, lease: Lease) -> None:
        """The reference image, the write-ahead intent, and the order itself."""
        image = generation.spec.image
        account = self._keys.account(lease.key)
        upload_id = await self._upstream.upload(self._media.input_path(image), account) if image else None
        listed = await self._lost_orders.listed_before(lease.key)
        attempts = generation.state.attempts + 1
        intent = {"backend": self._upstream.name, "key_id": lease.key.id, "intent_at": time.time(), "listed": listed}
        await self._record(generation, generation.state.to(Status.submitting, attempts=attempts, **intent))
        if generation.cancelled:  # in the last moment
            await self._requeue(generation)
        else:
            await to_the_end(self._submit(generation, lease, upload_id))

    async def _submit(self, generation: Generation, lease: Lease, upload_id: str | None) -> None:
        """Send the order, and commit its outcome."""
        try:
            task_id = await self._upstream.submit(generation.spec, lease.sending(), upload_id)
        except SubmissionUnknown as fault:
            log.warning("submission unknown", key=lease.key.alias, reason=str(fault))
            await self._record(generation, generation.state.to(Status.unknown))
        else:
            await self._accepted(generation, task_id)

    async def _settle(self, generation: Generation, lease: Lease) -> None:
        """Search upstream for an order of unknown outcome: adopt it, or establish that it was never registered."""
        try:
            async with asyncio.timeout(self._policy.give_up_after):
                task_id = await self._lost_orders.find(generation, lease)
        except TimeoutError:
            raise SubmissionUnknown("it can't be found out whether the back end took the order") from None
        if task_id:
            log.info("order found upstream", key=lease.key.alias)
            await self._accepted(generation, task_id)
        elif self._policy.on_unknown == "fail" or generation.state.lost + 1 >= MAX_SENDS:
            raise SubmissionUnknown("it is not known whether the back end took the order")
        else:
            log.info("order not found upstream, it will be sent again", key=lease.key.alias)
            await self._requeue(generation)

    async def _follow(self, generation: Generation, lease: Lease) -> None:
        """From `running` to `saving`."""
        if generation.cancelled:
            await self.cancel_task(generation)
        assets = await self._following.results(generation, lease, self._tell)
        done = {"assets": assets, "upstream_done_at": time.time()}
        await self._record(generation, generation.state.to(Status.saving, **done))

    async def _save(self, generation: Generation) -> None:
        """Bring the results home, all at once, and end well. Nobody waits for those of a cancelled generation."""
        assets = () if generation.cancelled else generation.state.assets
        if self._policy.keep_images() or generation.spec.keep:
            fetched = (self._results.image(generation, index) for index in range(len(assets)))
            images = await asyncio.gather(*fetched)
        else:
            images = [Image(index, url=asset.url) for index, asset in enumerate(assets)]
        await self._record(generation, generation.state.to(Status.completed), *images, Completed())
        if generation.cancelled:  # meanwhile
            for image in images:
                if image.name:
                    await self._media.discard(self._media.image_path(image.name))

    # --- What is told, and what is kept ----------------------------------------------------------------------------

    async def _tell(self, generation: Generation, event: Queued | Progress) -> None:
        """Log an event if it is news. Progress never goes back."""
        last = generation.log.last
        if isinstance(event, Progress) and isinstance(last, Progress) and last.percent is not None:
            event = replace(event, percent=max(last.percent, event.percent or 0))
        if event not in (last, Progress()) and not generation.cancelled:
            await self._record(generation, generation.state, event)

    async def _accepted(self, generation: Generation, task_id: str) -> None:
        listed = None if generation.state.listed is None else ()  # which tasks they were matters no more
        await self._record(generation, generation.state.to(Status.running, task_id=task_id, listed=listed))

    async def _requeue(self, generation: Generation) -> None:
        state = generation.state
        lost = state.lost + (state.status is Status.unknown)
        undone = {"backend": None, "key_id": None, "intent_at": None, "listed": None}
        await self._record(generation, state.to(Status.queued, lost=lost, **undone))

    async def _fail(self, generation: Generation, failed: Failed) -> None:
        await self._record(generation, generation.state.to(Status.failed), failed)

    async def _record(self, generation: Generation, state: State, *events: Event) -> None:
        """Commit, however long the storage refuses: what follows must not happen before."""
        refused = False
        while True:
            try:
                return await self._store.record(generation, state, *events)
            except StorageUnavailable as error:
                if not refused:
                    log.warning("storage unavailable, waiting for it", reason=str(error))
                refused = True
                await asyncio.sleep(STORAGE_RETRY_SECONDS)

    async def _forget_input(self, generation: Generation) -> None:
        if generation.spec.image:
            await self._media.discard(self._media.input_path(generation.spec.image))

    def _log_outcome(self, generation: Generation) -> None:
        key = self._keys.get(generation.state.key_id or "")
        done, intent = generation.state.upstream_done_at, generation.state.intent_at
        log.info(
            "generation ended",
            outcome=generation.status.value,
            code=generation.failure.code if generation.failure else None,
            model=generation.spec.model,
            images=len(generation.events_of(Image)),
            key=key.alias if key else None,
            backend=generation.state.backend,
            attempts=generation.state.attempts,
            seconds_queued=round(intent - generation.created_at, 3) if intent else None,
            seconds_upstream=round(done - intent, 3) if done and intent else None,
            seconds_total=round(time.time() - generation.created_at, 3),
        )
