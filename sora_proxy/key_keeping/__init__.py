"""Where do upstream keys come from? KeyKeeping loads them into the pools at startup, and keeps them up to date.

They come from the database and from their source. While the server is running, the source is checked for changes, the
state of the keys is stored, and warnings are logged about tokens that expire soon and keys that another process is
using.
"""

import contextlib
from collections.abc import AsyncIterator, Sequence

import structlog

from sora_proxy.background import Background
from sora_proxy.database import Database
from sora_proxy.errors import SimulatorInUse, StorageUnavailable
from sora_proxy.key_keeping.claims import KeyClaims
from sora_proxy.key_keeping.expiry import ExpiryWarnings
from sora_proxy.key_keeping.imports import Entry
from sora_proxy.key_keeping.memories import KeyMemories
from sora_proxy.key_keeping.registry import KeyRegistry
from sora_proxy.key_keeping.source import KeySource
from sora_proxy.key_keeping.store import SIMULATED_KEY, Origin
from sora_proxy.log import Redactor
from sora_proxy.scheduling.key_pools import KeyPools
from sora_proxy.settings.backends import DEFAULT_BACKEND

log = structlog.get_logger(__name__)


class KeyKeeping:
    """Fills the pools with keys, and keeps them up to date. `entries` are the keys of the source at startup."""

    def __init__(
        self, source: KeySource, entries: Sequence[Entry], database: Database, pools: KeyPools, redactor: Redactor
    ) -> None:
        self.registry = KeyRegistry(database, pools, redactor)
        self._source = source
        self._entries = entries
        self._memories = KeyMemories(database)
        pools.on_change(self._memories.note)

    @contextlib.asynccontextmanager
    async def running(self, background: Background, *, simulated: bool, by_default: bool) -> AsyncIterator[None]:
        """Fill the pools, and keep them up to date until the block ends.

        `simulated`: the built-in simulator is used, and gets a key of its own if no key is configured. `by_default`:
        the simulator is used only because neither a key nor a back end is configured, so other keys are refused.
        """
        self.registry.closed = by_default
        if simulated and not self._entries:
            await self.registry.open([(DEFAULT_BACKEND, SIMULATED_KEY)], Origin.simulator)
        else:
            await self.registry.open(self._entries, self._source.origin)
        try:
            loops = {"key_source": self._follow_source, "key_expiry": ExpiryWarnings(self.registry).run}
            if not simulated:  # every built-in simulator has the same key
                loops["key_claims"] = KeyClaims(self.registry, self._source.threads).run
            async with background.running(**loops):
                yield
        finally:
            await self._memories.close()

    async def _follow_source(self) -> None:
        async for entries in self._source.changes():
            try:
                await self.registry.import_keys(entries, self._source.origin)
            except SimulatorInUse:
                log.warning("key file ignored, simulator in use", hint="restart the server to use UPSTREAM=sora")
            except StorageUnavailable as error:
                log.warning("key file import failed", reason=str(error))
                self._source.read_again()
            except BaseException:  # the keys are imported when this loop is restarted
                self._source.read_again()
                raise
