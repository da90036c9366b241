"""Readers: who still waits for a generation, and what becomes of it when nobody does any more.

By default it goes on: it is paid for, and its client may come back. An order can ask to be cancelled instead, once its
last reader has left without an answer and none came back in time. One that nobody ever waited for is not abandoned.
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
    """Everybody who waits for a generation. `cancel` ends a generation that they abandoned.

    `grace` is the time in seconds that its readers have to come back.
    """

    def __init__(self, cancel: Callable[[Generation], Awaitable[None]], grace: float) -> None:
        self._cancel = cancel
        self._grace = grace
        # All the mutable state: readers by generation, generations to cancel if they are abandoned, those that are now.
        self._reading: Counter[str] = Counter()
        self._conditional: set[str] = set()
        self._abandoned: dict[str, asyncio.Task[None]] = {}

    @contextmanager
    def reading(self, generation: Generation, *, or_cancel: bool = False) -> Iterator[None]:
        """While somebody waits for an answer; `or_cancel`: cancel the generation if it is abandoned.

        Whoever leaves the block with an exception left without an answer.
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
            self._conditional.discard(name)  # it was answered, if only by "ask again later"
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
        try:
            await self._cancel(generation)
            log.info("abandoned order cancelled", generation=generation.id)
        except Stopping:  # the stop is no reason to cancel it
            pass
        except StorageUnavailable as error:
            log.warning("cancelling abandoned order failed", generation=generation.id, reason=str(error))
