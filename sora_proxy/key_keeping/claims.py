"""KeyClaims: detects that another process on this host is using the same upstream key.

Two processes that share a key exceed its limits together, and each of them may mistake the other's order for a lost
order of its own. To detect this, each process locks one byte per key in a file that all processes on the host share.
The operating system unlocks the bytes when the process ends. Processes in other containers or on other hosts are not
detected.
"""

import asyncio
import fcntl
import hashlib
import os
import tempfile
from pathlib import Path

import structlog

from sora_proxy.blocking import BlockingPool, Work
from sora_proxy.key_keeping.registry import KeyRegistry

log = structlog.get_logger(__name__)

CHECK_INTERVAL_SECONDS = 60.0
FILE_NAME = "sora_proxy.keys"
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # services of systemd share it, although each has its own /tmp


class KeyClaims:
    """Claims every enabled key that has a token, and logs a warning about each key that another process has claimed."""

    def __init__(self, registry: KeyRegistry, threads: BlockingPool) -> None:
        self._registry = registry
        self._threads = threads
        # All the mutable state: the open file, its claimed bytes, and the ids of the keys that have been warned about.
        self._file: int | None = None
        self._claimed: set[int] = set()
        self._warned: set[str] = set()

    async def run(self) -> None:
        """Claim the keys, and check once a minute for new keys and for keys that another process has released."""
        try:
            while True:
                await self._threads.run(Work.media, self._check)
                await asyncio.sleep(CHECK_INTERVAL_SECONDS)
        except OSError as error:  # another user may have created the file without access for others
            log.debug("upstream keys not claimed", reason=error.strerror)
        finally:
            self._close()

    def _check(self) -> None:
        path = _folder() / FILE_NAME
        if self._file is None or not _is_at(path, self._file):  # another program may remove files that look unused
            self._close()
            self._file = _opened(path)
        self._claim(self._file)

    def _close(self) -> None:
        """Release all keys."""
        if self._file is not None:
            os.close(self._file)
        self._file, self._claimed = None, set()

    def _claim(self, file: int) -> None:
        enabled = [record for record in self._registry.records if record.config.enabled and record.config.token]
        wanted = {_byte_of(record.config.token): record for record in enabled}
        for byte in self._claimed - wanted.keys():
            fcntl.lockf(file, fcntl.LOCK_UN, 1, byte)
        self._claimed &= wanted.keys()
        for byte in wanted.keys() - self._claimed:
            record = wanted[byte]
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
            except (BlockingIOError, PermissionError):
                if record.id not in self._warned:
                    self._warned.add(record.id)
                    log.warning("upstream key used by another process", key=record.config.name or record.id)
            else:
                self._claimed.add(byte)
                self._warned.discard(record.id)


def _byte_of(token: str) -> int:
    """The position of a key's byte. The file stays empty, because a byte can be locked without being written."""
    return int.from_bytes(hashlib.sha256(token.encode()).digest()[:7])


def _folder() -> Path:
    """The folder in which the processes of this host meet. TMPDIR chooses another one."""
    in_memory = SHARED_MEMORY.is_dir() and "TMPDIR" not in os.environ
    return SHARED_MEMORY if in_memory else Path(tempfile.gettempdir())


def _opened(path: Path) -> int:
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        file = os.open(path, flags | os.O_CREAT, 0o666)
        os.fchmod(file, 0o666)  # processes of other users need access, which the umask would deny
        return file


def _is_at(path: Path, file: int) -> bool:
    """Whether this path still leads to the opened file."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(file))
    except FileNotFoundError:
        return False
