"""State: the parts of one running simulator."""

import secrets
from dataclasses import dataclass, field

from aiohttp import web

from sora_proxy.simulator.artist import Artist
from sora_proxy.simulator.engine import Engine
from sora_proxy.simulator.faults import FaultBook
from sora_proxy.simulator.ledger import Ledger
from sora_proxy.simulator.options import SimulatorOptions


@dataclass(frozen=True, slots=True)
class Simulator:
    """The objects that the routes use."""

    options: SimulatorOptions
    engine: Engine
    artist: Artist = field(default_factory=Artist)
    faults: FaultBook = field(default_factory=FaultBook)
    ledger: Ledger = field(default_factory=Ledger)
    media_secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def reset(self) -> None:
        """Forget tasks, uploads, faults and counts."""
        self.engine.reset()
        self.faults.reset()
        self.artist.forget()
        self.ledger.reset()


SIMULATOR: web.AppKey[Simulator] = web.AppKey("simulator", Simulator)
