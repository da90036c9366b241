"""KeyMemories: writes down what must outlive the process about upstream keys: rests, rejections, learned limits."""

import asyncio

import structlog

from sora_proxy.background import start_task
from sora_proxy.database import Database
from sora_proxy.errors import StorageUnavailable
from sora_proxy.key_keeping import store
from sora_proxy.scheduling.key_pool import KeyPool
from sora_proxy.scheduling.keys import Key

log = structlog.get_logger(__name__)

PAUSE_AFTER_A_FAILURE = 1.0


class KeyMemories:
    """Writes in the background; what changes several times meanwhile is written once."""

    def __init__(self, database: Database, pool: KeyPool) -> None:
        self._database = database
        self._pool = pool
        # All the mutable state: the keys whose memory is to be written, and the task that writes.
        self._changed: set[Key] = set()
        self._writing: asyncio.Task[None] | None = None

    def note(self, key: Key) -> None:
        """Something about a key changed that must not be forgotten."""
        self._changed.add(key)
        if self._writing is None or self._writing.done():
            self._writing = start_task(self._write_all(), name="key-memories")

    async def close(self) -> None:
        """Write what is left, if the storage takes it."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.wait([self._writing])
        await self._write()

    async def _write_all(self) -> None:
        while self._changed:
            if not await self._write():
                await asyncio.sleep(PAUSE_AFTER_A_FAILURE)

    async def _write(self) -> bool:
        """Whether everything is on disk."""
        keys, self._changed = self._changed, set()
        memories = {key.id: key.memory(self._pool.moment) for key in keys}
        try:
            await self._database.write(lambda connection: store.remember(connection, memories))
        except (StorageUnavailable, asyncio.CancelledError) as error:
            self._changed |= keys
            if isinstance(error, asyncio.CancelledError):
                raise
            log.warning("what is known of keys could not be written down", reason=str(error))
            return False
        return True
