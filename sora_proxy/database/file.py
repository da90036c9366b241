"""DatabaseFile: the lock on the database, and the checks that its files are complete and still in place.

SQLite creates a missing file, continues to use a removed file, and treats a missing or unreadable write-ahead log as
empty: in each case, committed data is silently lost. To detect this, each startup of the server gets a number, which is
stored in the database and, until a clean shutdown, in the lock file next to it. If, at the next startup, the number
in the database is lower than that in the lock file, commits are missing. The files are also checked before each commit.
"""

import fcntl
import os
from pathlib import Path

from sora_proxy.errors import ConfigurationError

LOG_MAGIC = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")  # the first bytes of SQLite's write-ahead log


class DatabaseFile:
    """The files of the database: the database itself, its write-ahead log and its lock. All methods block, so they must
    run on a thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._log_path = path.with_name(f"{path.name}-wal")
        self._lock_path = path.with_suffix(".lock")
        # All the mutable state: the lock on the folder, and the devices and inodes of the files that were opened.
        self._lock: int | None = None
        self._opened: list[tuple[int, int]] = []

    def take(self) -> None:
        """Lock the folder and check the files. Raises ConfigurationError before any database is created."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = _take_lock(self._lock_path)
        except OSError as error:
            raise ConfigurationError([f"DATA_DIR: {self.path.parent}: {error.strerror}"]) from None
        if self._last_start() and not self.path.exists():
            raise self._incomplete(f"{self.path}: the file is missing")
        self._make_private()
        if not self._log_is_readable():
            raise ConfigurationError(
                [f"{self._log_path}: the file is damaged. Remove it to start without the last commits."]
            )

    def check_start(self, number: int) -> None:
        """Check that the number of the last startup in the database is not lower than the number in the lock file.

        Raises ConfigurationError.
        """
        if number < self._last_start():
            raise self._incomplete(
                f"{self.path}: the last commits are missing, because {self._log_path.name} was removed"
            )

    def opened(self, number: int) -> None:
        """Record in the lock file that the startup with this number has opened the database."""
        if self._lock is not None:
            os.pwrite(self._lock, f"{number}\n".encode(), 0)
        self._make_private()
        self._opened = self._identities()

    @property
    def in_place(self) -> bool:
        """Whether the opened files are still in place, so that the next startup will find what is committed now."""
        try:
            return self._identities() == self._opened
        except OSError:
            return False

    def closing(self) -> None:
        """Record a clean shutdown. The next startup then accepts any database, even an older copy."""
        if self._lock is not None and self.in_place:
            os.ftruncate(self._lock, 0)

    def _make_private(self) -> None:
        """Keep other users out of the database. SQLite gives its log the same permissions."""
        try:
            if self.path.exists():
                self.path.chmod(0o600)
        except OSError as error:
            advice = "It must belong to the user who runs the server"
            raise ConfigurationError([f"{self.path}: {error.strerror}. {advice}."]) from None

    def release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _log_is_readable(self) -> bool:
        """Whether SQLite can read the write-ahead log. SQLite would empty an unreadable log."""
        try:
            with self._log_path.open("rb") as file:
                return file.read(4) in (b"", *LOG_MAGIC)
        except FileNotFoundError:
            return True

    def _identities(self) -> list[tuple[int, int]]:
        found = [path.stat() for path in (self.path, self._log_path, self._lock_path)]
        return [(each.st_dev, each.st_ino) for each in found]

    def _last_start(self) -> int:
        """The number of the last startup if no clean shutdown followed, else 0."""
        noted = os.pread(self._lock, 20, 0) if self._lock is not None else b""
        return int(noted) if noted.strip().isdigit() else 0

    def _incomplete(self, what: str) -> ConfigurationError:
        advice = f"Restore it, or remove {self._lock_path} to start with the existing files"
        return ConfigurationError([f"{what}. {advice}."])


def _take_lock(path: Path) -> int:
    """Lock a file until this process ends. Two processes that used the same folder would both send the orders stored in
    it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise ConfigurationError(
            [f"DATA_DIR: {path.parent} is in use by another sora_proxy process. Stop it, or use another folder"]
        ) from None
    return descriptor
