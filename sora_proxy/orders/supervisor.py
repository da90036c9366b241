"""Supervisor: owns all generations that have not ended. Each generation has one coroutine, which carries it out.

A handler hands over an order, gets a `Generation` as soon as the order is on disk, and then only follows its log. The
generation continues even if the handler ends, its client disconnects or its stream breaks off.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

import structlog

from sora_proxy.background import start_task
from sora_proxy.errors import NoUpstreamKey, Stopping
from sora_proxy.generation import Generation, Status, new_generation_id
from sora_proxy.media.image_files import Media
from sora_proxy.orders.backends import Backends
from sora_proxy.orders.store import InSameCommit, Store
from sora_proxy.spec import GenerationSpec

log = structlog.get_logger(__name__)

Run = Callable[[Generation], Awaitable[None]]


class Supervisor:
    """Owns the coroutines of all generations. `run` carries out one generation."""

    def __init__(self, backends: Backends, store: Store, media: Media, run: Run) -> None:
        self._backends = backends
        self._store = store
        self._media = media
        self._run = run
        # All the mutable state: generations that have not ended and their coroutines, orders being committed and their
        # clients, cancellations under way, and whether the server is stopping.
        self._live: dict[str, Generation] = {}
        self._parked: dict[str, Generation] = {}  # the generations of back ends that are not configured
        self._coroutines: dict[str, asyncio.Task[None]] = {}
        self._arriving: dict[str, asyncio.Task[Generation]] = {}
        self._clients_arriving: list[str] = []
        self._background: set[asyncio.Task[None]] = set()
        self._stopping = False

    def __repr__(self) -> str:
        return f"<Supervisor {len(self._live)} live{', stopping' if self._stopping else ''}>"

    @property
    def unfinished(self) -> list[Generation]:
        """The generations that have not ended, in the order of their arrival."""
        return sorted((*self._parked.values(), *self._live.values()), key=lambda generation: generation.created_at)

    @property
    def stopping(self) -> bool:
        """Whether no more orders are accepted, because the server is shutting down."""
        return self._stopping

    def admit(self, spec: GenerationSpec, client: str) -> None:
        """Check that an order of this client would be accepted now.

        Raises Stopping, NoUpstreamKey, DailyCapReached or QueueFull.
        """
        self._check_running()
        self._backends.admit(spec, client, self._clients_arriving)

    async def start(self, spec: GenerationSpec, client: str, *also: InSameCommit) -> Generation:
        """Accept an order; the writers `also` take part in its commit. When this returns, the order is on disk, and it
        continues whatever happens to the caller.

        Raises the errors of `admit`, or StorageUnavailable. After an error, nothing has been stored or sent.
        """
        self.admit(spec, client)
        generation = Generation(new_generation_id(), client, spec)
        accepting = self._arriving[generation.id] = start_task(
            self._accept(generation, also), name=f"accept {generation.id}", awaited=True
        )
        self._clients_arriving.append(client)
        accepting.add_done_callback(lambda _: self._arrived(generation))
        return await asyncio.shield(accepting)

    async def find(self, generation_id: str, client: str) -> Generation | None:
        """A generation of this client. Another client's generation is handled like one that does not exist."""
        if (arriving := self._arriving.get(generation_id)) is not None:
            await asyncio.wait([arriving])
        live = self._live.get(generation_id) or self._parked.get(generation_id)
        if live is not None and live.client == client:
            return live
        stored = await self._store.find(generation_id, client)
        if stored is not None:
            stored.log.close()  # no events will be added in this process
        return stored

    async def cancel(self, generation: Generation) -> None:
        """Cancel a generation, unless it has ended. When this returns, the cancellation is on disk.

        An order that has not been sent will never be sent. If there is an upstream task, the generation's coroutine
        holds the key until the task has ended. Raises Stopping or StorageUnavailable.
        """
        if generation.ended:
            return
        self._check_running()
        await asyncio.shield(self._in_background(self._cancel(generation), f"cancel {generation.id}"))
        if generation.id in self._live and generation.status in (Status.submitting, Status.running):
            self._in_background(self._cancel_task(generation), f"cancel task of {generation.id}")

    async def recover(self) -> None:
        """Resume the generations that the previous process left unfinished. Accepted orders are not sent again.

        A generation whose back end is not configured waits until the server is started with that back end, because no
        other back end knows its task.
        """
        unfinished = await self._store.unfinished()
        resumable = [each for each in unfinished if self._backends.can_resume(each)]
        parked = [each for each in unfinished if not self._backends.can_resume(each)]
        self._parked = {each.id: each for each in parked}
        if resumable:
            log.info("resuming unfinished generations", generations=len(resumable))
        for backend, count in Counter(each.state.backend for each in parked).items():
            log.warning("unfinished generations without back end", backend=backend, generations=count)
        # Generations that already have a key get it back before the queue is served, so no key has two open intents.
        for generation in sorted(resumable, key=lambda generation: generation.status is Status.queued):
            self._start_coroutine(generation)
        inputs = {name for generation in unfinished for name in generation.spec.inputs}
        results = {asset.file for generation in unfinished for asset in generation.state.results.values()}
        await self._media.keep_only(inputs, results)

    async def stop(self, grace: float) -> bool:
        """Accept no more orders, end the streams, and store the outcome of the calls under way, within `grace` seconds.

        Returns False if something did not end in time.
        """
        self._stopping = True
        for generation in (*self._live.values(), *self._parked.values()):
            generation.log.close()
        for coroutine in self._coroutines.values():
            coroutine.cancel()
        ending = {*self._coroutines.values(), *self._arriving.values(), *self._background}
        if not ending:
            return True
        _, pending = await asyncio.wait(ending, timeout=grace)
        return not pending

    def _check_running(self) -> None:
        if self._stopping:
            raise Stopping("The server is shutting down. Try again in a few seconds.")

    async def _accept(self, generation: Generation, also: Sequence[InSameCommit]) -> Generation:
        await self._store.add(generation, *also)
        # This is the only place where a prompt is logged, and only if the operator chose verbose logging.
        log.debug("order accepted", generation=generation.id, prompt=generation.spec.prompt)
        self._start_coroutine(generation)
        return generation

    def _arrived(self, generation: Generation) -> None:
        del self._arriving[generation.id]
        self._clients_arriving.remove(generation.client)

    async def _cancel(self, generation: Generation) -> None:
        await self._store.cancel(generation)
        generation.log.close()
        self._parked.pop(generation.id, None)
        # Nothing was awaited after the commit, so a coroutine that is waiting in line can't have got a key in between.
        if generation.status is Status.cancelled and (coroutine := self._coroutines.get(generation.id)) is not None:
            coroutine.cancel()

    async def _cancel_task(self, generation: Generation) -> None:
        with contextlib.suppress(NoUpstreamKey):  # the order's back end was removed
            await self._backends.of(generation).cancel_task(generation)

    def _in_background(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run a coroutine that completes even if its caller is cancelled."""
        task = start_task(work, name=name)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    def _start_coroutine(self, generation: Generation) -> None:
        if self._stopping:  # committed during shutdown: the next process resumes the generation
            generation.log.close()
            return
        self._live[generation.id] = generation
        coroutine = start_task(self._carry_out(generation), name=generation.id)
        self._coroutines[generation.id] = coroutine
        coroutine.add_done_callback(lambda _: self._coroutines.pop(generation.id))

    async def _carry_out(self, generation: Generation) -> None:
        structlog.contextvars.bind_contextvars(generation=generation.id)
        try:
            await self._run(generation)
        except Exception:
            # Not even the failure could be recorded. The next process resumes the generation.
            log.exception("generation interrupted")
        finally:
            generation.log.close()
            del self._live[generation.id]
