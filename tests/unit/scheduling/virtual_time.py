"""An event loop whose clock jumps to the next timer instead of waiting for it: a day passes in a moment."""

import asyncio
import selectors
from typing import Any


class _ImpatientSelector(selectors.DefaultSelector):
    """A selector that checks sockets without waiting, and adds the time that a loop would have waited to `now`."""

    now = 1000.0

    def select(self, timeout: float | None = None) -> list[Any]:
        events = super().select(0)
        if not events and timeout:
            self.now += timeout
        return events


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop for code that uses no threads and no sockets."""

    def __init__(self) -> None:
        self._impatient = _ImpatientSelector()
        super().__init__(self._impatient)

    def time(self) -> float:
        return self._impatient.now
