"""KeySource: where the configuration holds the upstream keys: API_KEYS, else a file, which is looked at again.

We never write to it. What its contents mean for the keys that are known already is `imports.py`.
"""

import asyncio
from collections.abc import AsyncGenerator

import structlog
from pydantic import BaseModel, ValidationError

from sora_proxy.blocking import BlockingPool, Work
from sora_proxy.errors import ConfigurationError
from sora_proxy.key_keeping.sora_api_file import listed
from sora_proxy.key_keeping.store import Origin
from sora_proxy.settings.kinds import UpstreamKey, UpstreamKeys
from sora_proxy.settings.options import Settings
from sora_proxy.settings.reading import explain

log = structlog.get_logger(__name__)

LOOK_SECONDS = 2.0


class _KeysFile(BaseModel):
    keys: UpstreamKeys


class KeySource:
    """The keys of the settings. `origin` tells which of the two places holds them."""

    def __init__(self, settings: Settings, threads: BlockingPool) -> None:
        self._named = "keys_storage_file" in settings.model_fields_set
        self.origin = Origin.environment if settings.api_keys else Origin.file
        self._configured = settings.api_keys
        self._path = settings.keys_storage_file
        self._threads = threads
        # All the mutable state: the state of the file that was read last.
        self._seen: tuple[int, int, int] | None = None

    @property
    def found(self) -> bool:
        """Whether the last `read` found keys or a file for them."""
        return bool(self._configured) or self._seen is not None

    def read(self) -> tuple[UpstreamKey, ...]:
        """The keys, now; the default file holds none if it does not exist. Blocks.

        Raises ConfigurationError if the file can't be used, or if the settings name it and it does not exist.
        """
        if self._configured:
            return self._configured
        self._seen = self._look()
        try:
            return _KeysFile(keys=listed(self._path.read_bytes())).keys
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not self._named:
                return ()
            reason = error.strerror or "can't be read"
            raise ConfigurationError([f"KEYS_STORAGE_FILE: {self._path}: {reason}"]) from None
        except ValidationError as error:
            places = [line.removeprefix("KEYS").removeprefix(": ") for line in explain(error)]
            raise ConfigurationError([f"KEYS_STORAGE_FILE: {self._path}: {place}" for place in places]) from None

    async def changes(self) -> AsyncGenerator[tuple[UpstreamKey, ...], None]:
        """The keys of the file, each time that it has changed. One that is gone or broken changes nothing."""
        while not self._configured:
            await asyncio.sleep(LOOK_SECONDS)
            if await self._threads.run(Work.media, self._look) in (self._seen, None):
                continue
            try:
                yield await self._threads.run(Work.media, self.read)
            except ConfigurationError as error:
                log.warning("key file can't be used, the keys stay as they are", faults=error.faults)

    def read_again(self) -> None:
        """What was read last could not be imported: tell it once more."""
        self._seen = None

    def _look(self) -> tuple[int, int, int] | None:
        """What tells one state of the file from another; None if it is not there."""
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size
