"""The parts of one running simulator, and the pauses that its stop cuts short."""

import asyncio
import secrets
from dataclasses import dataclass, field

from aiohttp import web

from sora_proxy.simulator.artist import Artist
from sora_proxy.simulator.engine import Engine
from sora_proxy.simulator.faults import FaultBook
from sora_proxy.simulator.ledger import Ledger
from sora_proxy.simulator.options import SimulatorOptions


class Stopping:
    """Tells handlers that wait on purpose that the server stops."""

    def __init__(self) -> None:
        """Start in the state of serving."""
        self._begun = asyncio.Event()

    @property
    def begun(self) -> bool:
        """Tell whether the server stops."""
        return self._begun.is_set()

    def begin(self) -> None:
        """End every pause, now and later."""
        self._begun.set()

    async def pause(self, seconds: float | None) -> bool:
        """Wait `seconds` (None: until the stop); tell whether the server still serves."""
        try:
            async with asyncio.timeout(seconds):
                await self._begun.wait()
        except TimeoutError:
            return True
        return False


@dataclass(frozen=True, slots=True)
class Simulator:
    """Everything that the routes work with."""

    options: SimulatorOptions
    engine: Engine
    artist: Artist = field(default_factory=Artist)
    faults: FaultBook = field(default_factory=FaultBook)
    ledger: Ledger = field(default_factory=Ledger)
    stopping: Stopping = field(default_factory=Stopping)
    media_secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))


SIMULATOR: web.AppKey[Simulator] = web.AppKey("simulator", Simulator)
