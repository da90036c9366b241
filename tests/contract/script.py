"""The script for the steps of an order at a server: each step passes, pauses, or ends the connection."""

import asyncio
from collections import defaultdict
from enum import Enum, auto

from aiohttp import web

from tests.eventually import PATIENCE


class Step(Enum):
    arrived = auto()  # the order was read
    registered = auto()  # the order became a job; the answer is not sent yet
    polled = auto()
    fetched = auto()  # an image was requested


class Script:
    """The pauses and cuts at the steps of orders. `tasks_end` is whether tasks are shown as finished."""

    def __init__(self) -> None:
        self.tasks_end = True
        self._cuts: dict[Step, int] = {}
        self._pauses: dict[Step, asyncio.Event] = {}
        self._reached: defaultdict[Step, asyncio.Event] = defaultdict(asyncio.Event)

    def cut(self, step: Step, times: int = 1) -> None:
        """End the connection at a step, this many times."""
        self._cuts[step] = times

    def pause(self, step: Step) -> asyncio.Event:
        """Pause requests at a step until the event is set. `reach` waits for such a request."""
        self._reached[step].clear()
        self._pauses[step] = asyncio.Event()
        return self._pauses[step]

    def release(self) -> None:
        """End all pauses."""
        for pause in self._pauses.values():
            pause.set()

    async def reach(self, step: Step, *, again: bool = False) -> None:
        """Wait until a request has reached a step; with `again`, wait for a new request."""
        if again:
            self._reached[step].clear()
        async with asyncio.timeout(PATIENCE):
            await self._reached[step].wait()

    async def at(self, step: Step, request: web.Request | None) -> None:
        """Perform the script at a step. Raises ConnectionResetError if it ends the connection."""
        self._reached[step].set()
        if (pause := self._pauses.get(step)) is not None:
            await pause.wait()
        if self._cuts.get(step):
            self._cuts[step] -= 1
            if request is not None and request.transport is not None:
                request.transport.abort()
            raise ConnectionResetError("as the script says")
