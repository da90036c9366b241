"""KeySource: reads the upstream keys of the configuration, which are in API_KEYS, in BACKENDS, or in a file.

The file is read again when it changes, and never written. `imports.py` merges its contents into the existing keys.
"""

import asyncio
import errno
import stat
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import structlog
from pydantic import BaseModel, ValidationError

from sora_proxy.blocking import BlockingPool, Work
from sora_proxy.errors import ConfigurationError
from sora_proxy.key_keeping.imports import Entry
from sora_proxy.key_keeping.sora_api_file import entries_in
from sora_proxy.key_keeping.store import Origin
from sora_proxy.settings.backends import DEFAULT_BACKEND, BackendConfig
from sora_proxy.settings.derived import backends_of
from sora_proxy.settings.kinds import UpstreamKey, UpstreamKeys
from sora_proxy.settings.options import Settings
from sora_proxy.settings.reading import explain

log = structlog.get_logger(__name__)

FILE_CHECK_SECONDS = 2.0


def keys_of(backend: BackendConfig) -> Sequence[UpstreamKey]:
    """The keys of an entry of BACKENDS. An entry without keys gets one key without a token."""
    return backend.keys or (UpstreamKey(name=backend.name),)


def _content(path: Path) -> bytes:
    """The content of a regular file, since reading a named pipe might never end. Raises OSError."""
    kind = stat.S_IFMT(path.stat().st_mode)
    if kind not in (stat.S_IFREG, stat.S_IFDIR):  # reading a folder fails with a better message
        raise OSError(errno.EINVAL, "Not a regular file")
    return path.read_bytes()


class _KeysFile(BaseModel):
    keys: UpstreamKeys


class KeySource:
    """The keys of the settings. `origin` states whether they come from the environment or from a file."""

    def __init__(self, settings: Settings, threads: BlockingPool) -> None:
        self._named = "keys_storage_file" in settings.model_fields_set
        backends = backends_of(settings)
        self.origin = Origin.environment if settings.api_keys or backends else Origin.file
        self._configured = (
            *((DEFAULT_BACKEND, key) for key in settings.api_keys),
            *((backend.name, key) for backend in backends for key in keys_of(backend)),
        )
        self._path = settings.keys_storage_file
        self.threads = threads
        # All the mutable state: the version of the file that was read last, and whether it must be read now.
        self._last_version: tuple[int, int, int] | None = None
        self._wanted = asyncio.Event()

    @property
    def found(self) -> bool:
        """Whether the last `read` found keys or a key file."""
        return bool(self._configured) or self._last_version is not None

    def read(self) -> Sequence[Entry]:
        """The current keys; a default file that does not exist counts as empty. This call blocks.

        Raises ConfigurationError if the file can't be used, or if its path is configured but the file does not exist.
        """
        if self._configured:
            if self._named and not self._path.exists():
                raise ConfigurationError([f"KEYS_STORAGE_FILE: {self._path}: No such file or directory"])
            return self._configured
        self._last_version = self._version()
        try:
            keys = _KeysFile(keys=entries_in(_content(self._path))).keys
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not (self._named or self._path.is_symlink()):
                return ()
            reason = error.strerror or "can't be read"
            raise ConfigurationError([f"KEYS_STORAGE_FILE: {self._path}: {reason}"]) from None
        except ValidationError as error:
            places = [line.removeprefix("KEYS").removeprefix(": ") for line in explain(error)]
            raise ConfigurationError([f"KEYS_STORAGE_FILE: {self._path}: {place}" for place in places]) from None
        return tuple((DEFAULT_BACKEND, key) for key in keys)

    async def changes(self) -> AsyncGenerator[Sequence[Entry], None]:
        """Yield the keys of the file whenever it has changed. A missing or invalid file changes nothing."""
        while not self._configured:
            wanted = await self._pause()
            version = await self.threads.run(Work.media, self._version)
            if not wanted and version in (self._last_version, None):
                continue
            if version is None and not self._named:
                log.info("no key file to reload", reason=f"{self._path} does not exist")
                continue
            try:
                entries = await self.threads.run(Work.media, self.read)
            except ConfigurationError as error:
                log.warning("key file unusable", faults=error.faults)
                continue
            if wanted:
                log.info("key file reloaded", path=str(self._path), entries=len(entries))
            yield entries

    def reload(self) -> None:
        """Read the file at once, although it may not have changed, and log the outcome."""
        if self._configured:
            log.info("no key file to reload", reason="the upstream keys are in the environment or the settings file")
        else:
            self._wanted.set()

    def read_again(self) -> None:
        """Let `changes` yield the same keys again, because they could not be imported."""
        self._last_version = None

    async def _pause(self) -> bool:
        """Wait until the file should be checked. Returns whether it must be read even if it has not changed."""
        try:
            async with asyncio.timeout(FILE_CHECK_SECONDS):
                await self._wanted.wait()
        except TimeoutError:
            return False
        self._wanted.clear()
        return True

    def _version(self) -> tuple[int, int, int] | None:
        """Three numbers that differ between versions of the file; None if it is missing."""
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size
