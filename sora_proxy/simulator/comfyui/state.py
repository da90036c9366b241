"""State: the parts of one running simulator of ComfyUI."""

from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from sora_proxy.simulator.artist import Artist
from sora_proxy.simulator.comfyui.clock import Clock
from sora_proxy.simulator.comfyui.faults import KINDS
from sora_proxy.simulator.comfyui.files import TYPES, Files
from sora_proxy.simulator.comfyui.jobs import Jobs
from sora_proxy.simulator.comfyui.ledger import ComfyUILedger
from sora_proxy.simulator.comfyui.options import ComfyUIOptions
from sora_proxy.simulator.comfyui.planning import Cache
from sora_proxy.simulator.comfyui.sockets import Sockets
from sora_proxy.simulator.comfyui.versions import Version
from sora_proxy.simulator.faults import FaultBook


@dataclass(slots=True)
class ComfyUI:
    """The objects that the routes use. `starts` is the number of times that the process was started."""

    options: ComfyUIOptions
    artist: Artist = field(default_factory=Artist)
    cache: Cache = field(default_factory=Cache)
    clock: Clock = field(default_factory=Clock)
    faults: FaultBook = field(default_factory=lambda: FaultBook(KINDS))
    files: Files = field(default_factory=Files)
    jobs: Jobs = field(default_factory=Jobs)
    ledger: ComfyUILedger = field(default_factory=ComfyUILedger)
    sockets: Sockets = field(default_factory=Sockets)
    starts: int = 1

    @property
    def version(self) -> Version:
        """The simulated version."""
        return self.options.kind

    @property
    def choices(self) -> dict[str, list[str]]:
        """The names of the files that nodes can load, by folder."""
        return {**self.options.models, "input": self.files.input_names()}

    def forget_process(self) -> None:
        """Forget what a process loses when it is restarted: its memory and its temporary files."""
        self.starts += 1
        self.jobs.reset()
        self.cache.keep_only(set())
        self.files.forget("temp")

    def reset(self) -> None:
        """Forget everything except the sockets."""
        self.forget_process()
        self.files.forget(*TYPES)
        self.faults.reset()
        self.ledger.reset()
        self.sockets.opened = self.sockets.displaced = 0

    def described(self) -> dict[str, Any]:
        """Return the statistics."""
        sockets = {
            "open": self.sockets.open,
            "names": self.sockets.names,
            "opened": self.sockets.opened,
            "displaced": self.sockets.displaced,
        }
        return self.ledger.described() | {
            "unfinished": self.jobs.remaining,
            "sockets": sockets,
            "faults_struck": self.faults.struck,
        }


COMFYUI: web.AppKey[ComfyUI] = web.AppKey("comfyui", ComfyUI)
