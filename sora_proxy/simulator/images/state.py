"""State: the parts of one running simulator of the Images API."""

import asyncio
import contextlib
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from aiohttp import web

from sora_proxy.simulator.artist import Artist
from sora_proxy.simulator.faults import FaultBook
from sora_proxy.simulator.images.catalogue import PROFILES
from sora_proxy.simulator.images.faults import KINDS
from sora_proxy.simulator.images.ledger import ImagesLedger
from sora_proxy.simulator.images.options import ImagesOptions
from sora_proxy.simulator.images.profile import Profile

MAX_STORED_BYTES = 256 * 2**20


@dataclass(slots=True)
class StoredFile:
    """An image that clients can fetch. If it is `guarded`, requests need the key. The next `failures` requests fail."""

    content: bytes
    content_type: str
    guarded: bool
    failures: int


class StoredFiles:
    """The images that clients can fetch. When they have more than `MAX_STORED_BYTES` together, the oldest ones are
    forgotten."""

    def __init__(self) -> None:
        """Start without images."""
        self._files: OrderedDict[str, StoredFile] = OrderedDict()
        self._bytes = 0

    def add(self, file: StoredFile) -> str:
        """Store an image. Returns its name."""
        name = secrets.token_hex(12)
        self._files[name] = file
        self._bytes += len(file.content)
        while self._bytes > MAX_STORED_BYTES and len(self._files) > 1:
            self._bytes -= len(self._files.popitem(last=False)[1].content)
        return name

    def get(self, name: str) -> StoredFile | None:
        """Find an image."""
        return self._files.get(name)

    def forget(self) -> None:
        """Drop all images."""
        self._files.clear()
        self._bytes = 0


@dataclass(slots=True)
class ImagesSimulator:
    """The objects that the routes use."""

    options: ImagesOptions
    artist: Artist = field(default_factory=Artist)
    faults: FaultBook = field(default_factory=lambda: FaultBook(KINDS))
    ledger: ImagesLedger = field(default_factory=ImagesLedger)
    files: StoredFiles = field(default_factory=StoredFiles)
    _worker: asyncio.Lock = field(default_factory=asyncio.Lock)
    _at_work: int = 0

    @property
    def profile(self) -> Profile:
        """The kind of server that is simulated."""
        return PROFILES[self.options.profile]

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for the turn of an order, since some servers process one order at a time."""
        async with self._worker if self.profile.one_at_a_time else contextlib.nullcontext():
            self._at_work += 1
            self.ledger.max_concurrent = max(self.ledger.max_concurrent, self._at_work)
            try:
                yield
            finally:
                self._at_work -= 1

    def reset(self) -> None:
        """Forget requests, images, faults and counts."""
        self.faults.reset()
        self.artist.forget()
        self.files.forget()
        self.ledger.reset()


IMAGES: web.AppKey[ImagesSimulator] = web.AppKey("images", ImagesSimulator)
