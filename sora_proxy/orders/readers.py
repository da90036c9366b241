"""Readers: counts the requests that are waiting for a generation, and can cancel it when all of them have left.

By default an abandoned generation continues, because it is paid for and its client may come back. A request can specify
that its generation is cancelled if the last reader leaves without an answer and no reader comes back within the grace
period. A generation that never had a reader is not abandoned.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import structlog

from sora_proxy.background import start_task
from sora_proxy.errors import Stopping, StorageUnavailable
from sora_proxy.generation import Generation

log = structlog.get_logger(__name__)


class Readers:
    """Counts the readers of generations. `cancel` is called once a generation has been abandoned for `grace`
    seconds."""

    def __init__(self, cancel: Callable[[Generation], Awaitable[None]], grace: float) -> None:
        self._cancel = cancel
        self._grace = grace
        # All the mutable state: the number of readers of each generation, the generations to cancel if they are
        # abandoned, and the timers of the abandoned ones.
        self._reading: Counter[str] = Counter()
        self._conditional: set[str] = set()
        self._abandoned: dict[str, asyncio.Task[None]] = {}

    @contextmanager
    def reading(self, generation: Generation, *, or_cancel: bool = False) -> Iterator[None]:
        """Count a reader during the block; `or_cancel`: cancel the generation if it is abandoned.

        An exception in the block means that the reader left without an answer.
        """
        name = generation.id
        self._reading[name] += 1
        if or_cancel:
            self._conditional.add(name)
        if (cancelling := self._abandoned.pop(name, None)) is not None:
            cancelling.cancel()
        try:
            yield
        except BaseException:
            self._leave(generation)
            raise
        else:
            self._conditional.discard(name)  # the client has an answer, even if that is "ask again later"
            self._leave(generation)

    def _leave(self, generation: Generation) -> None:
        name = generation.id
        self._reading[name] -= 1
        if self._reading[name]:
            return
        del self._reading[name]
        if generation.ended:
            self._conditional.discard(name)
        elif name in self._conditional:
            self._abandoned[name] = start_task(self._cancel_later(generation), name=f"abandoned {name}")

    async def _cancel_later(self, generation: Generation) -> None:
        await asyncio.sleep(self._grace)
        del self._abandoned[generation.id]
        self._conditional.discard(generation.id)
        if generation.ended:
            return
        try:
            await self._cancel(generation)
            log.info("abandoned order cancelled", generation=generation.id)
        except Stopping:  # the next process resumes the generation
            pass
        except StorageUnavailable as error:
            log.warning("cancelling abandoned order failed", generation=generation.id, reason=str(error))
