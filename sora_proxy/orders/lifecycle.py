"""Lifecycle: carries out a generation step by step, from `queued` to its outcome.

It waits for a key of a back end that serves the model, lets the back end make the images, stores them, and commits the
outcome. Each step starts from the state on disk, so the same code resumes orders after a restart.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from sora_proxy.errors import (
    DailyCapReached,
    EgressFault,
    Fault,
    KeyFault,
    NoUpstreamKey,
    QueueTimeout,
    RequestFault,
    ServerUnreachable,
    UpstreamUnavailable,
)
from sora_proxy.event_log import INTERNAL_ERROR, Completed, Failed, Image, Missing, Queued
from sora_proxy.generation import Generation, Status
from sora_proxy.media.image_files import Media
from sora_proxy.orders.backend import Backend
from sora_proxy.orders.backends import Backends, Waiting
from sora_proxy.orders.recorder import Recorder
from sora_proxy.orders.store import Store
from sora_proxy.scheduling.cooldown import MAX_BACK_OFF_SECONDS, MIN_BACK_OFF_SECONDS
from sora_proxy.scheduling.lease import Lease

log = structlog.get_logger(__name__)

# Faults that prove that the back end did not register the order, so another key or back end may take it.
TRANSIENT_FAULTS = (KeyFault, EgressFault, UpstreamUnavailable)


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator chose for all orders. Times are in seconds."""

    queue_timeout: float = 900.0
    keep_images: Callable[[], bool | None] = lambda: None  # may change at run time; None: the operator did not choose


class Lifecycle:
    """Carries out any number of generations at a time. Each generation contains its own state."""

    def __init__(self, backends: Backends, store: Store, media: Media, policy: Policy) -> None:
        self._backends = backends
        self._media = media
        self._policy = policy
        self._recorder = Recorder(store)

    async def run(self, generation: Generation) -> None:
        """Carry out a generation until it has ended. If its coroutine is cancelled, the next process can resume the
        generation from the disk."""
        try:
            await self._to_outcome(generation)
        except asyncio.CancelledError:
            if generation.status is not Status.cancelled:  # the process is ending, and no client cancelled the order
                raise
        await self._forget_files(generation)
        self._log_outcome(generation)

    async def _to_outcome(self, generation: Generation) -> None:
        await self._try(generation, self._obtain)
        if generation.status is Status.saving:
            await self._try(generation, self._save)

    async def _try(self, generation: Generation, step: Callable[[Generation], Awaitable[None]]) -> None:
        """Carry out a step. Any error ends the generation."""
        try:
            await step(generation)
        except NoUpstreamKey as error:
            await self._end(generation, Failed("no_upstream_key", str(error)))
        except QueueTimeout as error:
            await self._end(generation, Failed("queue_timeout", str(error)))
        except DailyCapReached as error:
            await self._end(generation, Failed("insufficient_quota", str(error)))
        except Fault as fault:
            refused = generation.status is Status.submitting and isinstance(fault, (RequestFault, *TRANSIENT_FAULTS))
            await self._end(generation, Failed(fault.code, str(fault)), refused=refused)
        except Exception:
            # A bug in this server must end only this order.
            log.exception("generation crashed")
            await self._end(generation, INTERNAL_ERROR)

    async def _end(self, generation: Generation, failed: Failed, *, refused: bool = False) -> None:
        """Fail a generation. If single calls have already made some of its images, save these images instead."""
        if generation.state.results and generation.status is not Status.saving:
            log.warning("images missing", code=failed.code, reason=failed.message)
            await self._recorder.give_up(generation, failed)
        else:
            await self._recorder.fail(generation, failed, refused=refused)

    async def _obtain(self, generation: Generation) -> None:
        """Bring a generation from any state to `saving`: the back end has finished, and its results are recorded on
        disk.

        A cancelled generation that no back end accepted ends here.
        """
        waiting = self._backends.waiting(generation)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._policy.queue_timeout
        while generation.status not in (Status.saving, Status.cancelled):
            backend, lease = await self._lease(generation, waiting, deadline)
            try:
                async with lease:
                    await backend.work(generation, lease)
                deadline = loop.time() + self._policy.queue_timeout  # the remaining single calls may wait as long again
            except DailyCapReached as error:  # the cap was reached after the order entered the line
                log.debug("back end skipped, daily cap reached", backend=backend.name, reason=str(error))
            except TRANSIENT_FAULTS as fault:
                # A KeyFault concerns only the key, and the pool does not use this key until it can serve again. After a
                # fault of another kind, the order is offered to the same back end only for a limited time.
                seconds = 0.0 if isinstance(fault, KeyFault) else waiting.note_refusal(backend, loop.time())
                # Only an order that was certainly not accepted may be sent again.
                if generation.status not in (Status.queued, Status.submitting) or waiting.exhausted:
                    raise
                log.info(
                    "order refused by the back end",
                    reason=str(fault),
                    code=fault.code,
                    attempt=generation.state.attempts,
                )
                if generation.status is Status.submitting:
                    await self._recorder.requeue(generation)
                if isinstance(fault, UpstreamUnavailable) and not isinstance(fault, ServerUnreachable):
                    # The order itself may be the cause. Without this pause, it would make all keys cool down, one after
                    # another.
                    await asyncio.sleep(min(max(seconds, MIN_BACK_OFF_SECONDS), MAX_BACK_OFF_SECONDS))

    async def _lease(self, generation: Generation, waiting: Waiting, deadline: float) -> tuple[Backend, Lease]:
        """The back end and key for an order. A new order waits for a key; a sent order gets its own key again."""
        if generation.status is not Status.queued:
            backend, state = self._backends.of(generation), generation.state
            intent_open = generation.status in (Status.submitting, Status.unknown)
            return backend, backend.keys.resume(state.key_id or "", generation.id, intent_open=intent_open)

        async def show(position: int, seconds: int | None) -> None:
            await self._recorder.show(generation, Queued(position, seconds))

        try:
            async with asyncio.timeout_at(deadline):
                return await waiting.lease(show)
        except TimeoutError:
            seconds = f"{self._policy.queue_timeout:g}"
            raise QueueTimeout(f"No upstream key could take the order within {seconds} seconds.") from None

    async def _save(self, generation: Generation) -> None:
        """Store or link the results, and complete the generation. Results of a cancelled generation are not fetched."""
        backend = self._backends.of(generation)
        store = self._stores_images(backend) or generation.spec.keep
        images = [] if generation.cancelled else await backend.images(generation, store=store)
        calls = enumerate(generation.state.calls)
        missing = [Missing(number, call.error.code, call.error.message) for number, call in calls if call.error]
        done = generation.state.to(Status.completed)
        await self._recorder.record(generation, done, *images, *missing, Completed())
        if generation.cancelled:  # the client cancelled it while the images were being fetched
            for image in images:
                if image.name:
                    await self._media.discard(self._media.image_path(image.name))

    def _stores_images(self, backend: Backend) -> bool:
        chosen = self._policy.keep_images()
        return not backend.upstream.links_results if chosen is None else chosen

    async def _forget_files(self, generation: Generation) -> None:
        """Delete the files of the input images, and of results that arrived as bytes."""
        for name in generation.spec.inputs:
            await self._media.discard(self._media.input_path(name))
        for asset in generation.state.results.values():
            if asset.file:
                await self._media.discard(self._media.result_path(asset.file))

    def _log_outcome(self, generation: Generation) -> None:
        backend, key_id = self._backends.get(generation.state.backend or ""), generation.state.key_id or ""
        key = backend.keys.get(key_id) if backend else None
        done, intent = generation.state.upstream_done_at, generation.state.intent_at
        log.info(
            "generation ended",
            outcome=generation.status.value,
            code=generation.failure.code if generation.failure else None,
            model=generation.spec.model,
            images=len(generation.events_of(Image)),
            key=key.alias if key else None,
            **generation.made_by,
            attempts=generation.state.attempts,
            seconds_queued=round(intent - generation.created_at, 3) if intent else None,
            seconds_upstream=round(done - intent, 3) if done and intent else None,
            seconds_total=round(time.time() - generation.created_at, 3),
        )
