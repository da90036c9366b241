"""Supervisor: owner of all generations that have not ended. One coroutine each; nobody else changes its state.

A handler gives it an order and gets a `Generation` back at once; from then on it only follows that generation's log.
What happens to the handler, its client or its stream does not touch the generation.
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
    """Owner of all generation coroutines. `run` brings one generation to its end."""

    def __init__(self, backends: Backends, store: Store, media: Media, run: Run) -> None:
        self._backends = backends
        self._store = store
        self._media = media
        self._run = run
        # All the mutable state: generations that have not ended and their coroutines, orders being committed and whose
        # they are, cancellations under way, the end.
        self._live: dict[str, Generation] = {}
        self._parked: dict[str, Generation] = {}  # unfinished ones of another back end
        self._coroutines: dict[str, asyncio.Task[None]] = {}
        self._arriving: dict[str, asyncio.Task[Generation]] = {}
        self._clients_arriving: list[str] = []
        self._background: set[asyncio.Task[None]] = set()
        self._stopping = False

    def __repr__(self) -> str:
        return f"<Supervisor {len(self._live)} live{', stopping' if self._stopping else ''}>"

    @property
    def unfinished(self) -> list[Generation]:
        """The generations that have not ended, in the order in which they came."""
        return sorted((*self._parked.values(), *self._live.values()), key=lambda generation: generation.created_at)

    def check_ready(self) -> None:
        """Check that new orders are taken at all. Raises Stopping or NoUpstreamKey."""
        self._check_running()
        self._backends.check_usable()

    def admit(self, spec: GenerationSpec, client: str) -> None:
        """Check that an order of this client would be taken now.

        Raises Stopping, NoUpstreamKey, DailyCapReached or QueueFull.
        """
        self._check_running()
        self._backends.admit(spec, client, self._clients_arriving)

    async def start(self, spec: GenerationSpec, client: str, *also: InSameCommit) -> Generation:
        """Take an order. When this returns, it is on disk and under way, whatever becomes of the caller; what else
        belongs to it was committed with it.

        Raises what `admit` raises, or StorageUnavailable; nothing was kept or sent then.
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
        """One's own generation. Somebody else's is as unknown as one that never was, and takes the same look."""
        if (arriving := self._arriving.get(generation_id)) is not None:
            await asyncio.wait([arriving])
        live = self._live.get(generation_id) or self._parked.get(generation_id)
        if live is not None and live.client == client:
            return live
        stored = await self._store.find(generation_id, client)
        if stored is not None:
            stored.log.close()  # whatever is still to come of it, this process will not tell
        return stored

    async def cancel(self, generation: Generation) -> None:
        """See to it that a generation ends as cancelled, unless it has ended. When this returns, that is on disk.

        What was not sent never will be. An upstream task is left to the generation's coroutine, which holds the key
        until the task has ended. Raises Stopping or StorageUnavailable.
        """
        if generation.ended:
            return
        self._check_running()
        await asyncio.shield(self._in_background(self._cancel(generation), f"cancel {generation.id}"))
        if generation.id in self._live and generation.status in (Status.submitting, Status.running):
            self._in_background(self._cancel_task(generation), f"cancel task of {generation.id}")

    async def recover(self) -> None:
        """Go on with everything that the last process left unfinished. Sends nothing that was sent before.

        A generation that another back end took stays as it is, for a start with that one: nobody else knows its task.
        """
        unfinished = await self._store.unfinished()
        resumable = [each for each in unfinished if self._backends.knows(each)]
        parked = [each for each in unfinished if not self._backends.knows(each)]
        self._parked = {each.id: each for each in parked}
        if resumable:
            log.info("resuming unfinished generations", generations=len(resumable))
        for backend, count in Counter(each.state.backend for each in parked).items():
            log.warning("unfinished generations without back end", backend=backend, generations=count)
        # Those that are on a key take it again before the queue is served: a key's open intent must stay the only one.
        for generation in sorted(resumable, key=lambda generation: generation.status is Status.queued):
            self._go_on(generation)
        inputs = {name for generation in unfinished for name in generation.spec.inputs}
        results = {asset.file for generation in unfinished for asset in generation.state.results.values()}
        await self._media.keep_only(inputs, results)

    async def stop(self, grace: float) -> bool:
        """Take no more orders, end the streams, and bring what is on the wire to the disk, within `grace` seconds.

        Returns False if something did not come to its end.
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
        # The only place where a prompt is logged, and only if the operator asked for verbose logging.
        log.debug("order accepted", generation=generation.id, prompt=generation.spec.prompt)
        self._go_on(generation)
        return generation

    def _arrived(self, generation: Generation) -> None:
        del self._arriving[generation.id]
        self._clients_arriving.remove(generation.client)

    async def _cancel(self, generation: Generation) -> None:
        await self._store.cancel(generation)
        generation.log.close()
        self._parked.pop(generation.id, None)
        # No await since the commit: a coroutine that waits in line can't have got a key in between.
        if generation.status is Status.cancelled and (coroutine := self._coroutines.get(generation.id)) is not None:
            coroutine.cancel()

    async def _cancel_task(self, generation: Generation) -> None:
        with contextlib.suppress(NoUpstreamKey):  # then nobody can be asked
            await self._backends.of(generation).cancel_task(generation)

    def _in_background(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Have something done whatever becomes of the caller."""
        task = start_task(work, name=name)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    def _go_on(self, generation: Generation) -> None:
        if self._stopping:  # it came in at the last moment: the next start goes on with it
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
            # Its end could not even be written down: the next start takes it up again.
            log.exception("generation interrupted")
        finally:
            generation.log.close()
            del self._live[generation.id]
