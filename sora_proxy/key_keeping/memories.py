"""KeyMemories: stores the state of upstream keys that survives a restart, such as cooldowns and learned limits."""

import asyncio
import time

import structlog

from sora_proxy.background import start_task
from sora_proxy.database import Database
from sora_proxy.errors import StorageUnavailable
from sora_proxy.key_keeping import store
from sora_proxy.scheduling.key_health import Moment
from sora_proxy.scheduling.keys import Key

log = structlog.get_logger(__name__)

RETRY_SECONDS = 1.0


class KeyMemories:
    """Writes the states of keys in the background. If a key changes several times, only its latest state is written."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # All the mutable state: the keys whose state has to be written, and the task that writes.
        self._changed: set[Key] = set()
        self._writing: asyncio.Task[None] | None = None

    def note(self, key: Key) -> None:
        """Note that the state of a key has changed and has to be stored."""
        self._changed.add(key)
        if self._writing is None or self._writing.done():
            self._writing = start_task(self._write_all(), name="key-memories", shared=True)

    async def close(self) -> None:
        """Try once more to write the states that are not stored yet."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.wait([self._writing])
        await self._write()

    async def _write_all(self) -> None:
        while self._changed:
            if not await self._write():
                await asyncio.sleep(RETRY_SECONDS)

    async def _write(self) -> bool:
        """Write all changed states. Returns whether the storage accepted them."""
        keys, self._changed = self._changed, set()
        moment = Moment(asyncio.get_running_loop().time(), time.time())
        memories = {key.id: key.memory(moment) for key in keys}
        try:
            await self._database.write(lambda connection: store.remember(connection, memories))
        except (StorageUnavailable, asyncio.CancelledError) as error:
            self._changed |= keys
            if isinstance(error, asyncio.CancelledError):
                raise
            log.warning("storing key states failed", reason=str(error))
            return False
        return True
