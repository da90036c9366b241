"""Database: the one SQLite file, through SQLAlchemy Core, and everything that makes it durable.

One thread and one connection do all writes; what waits is committed together, so that a hundred generations cost a few
disk syncs, not hundreds. `synchronous=FULL`: what `write` has returned from survives a power cut. Readers have
connections of their own and never write. Nothing here runs on the event loop.

What is kept stands in the modules that keep it: each registers its tables in `metadata`.
"""

import asyncio
import contextlib
import fcntl
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import orjson
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, SQLAlchemyError

from sora_proxy.blocking import BlockingPool, Work
from sora_proxy.errors import ConfigurationError, StorageUnavailable

BUSY_SECONDS = 30
T = TypeVar("T")

metadata = sa.MetaData()

# What brings a file of version N (the place in this list, from 1) to the next version. Tables that are missing are
# made anyway; only changes of older ones stand here.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "ALTER TABLE generations ADD COLUMN lost INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE generations ADD COLUMN listed JSON",
        "ALTER TABLE generations ADD COLUMN ended_at FLOAT",
        "UPDATE generations SET ended_at = created_at WHERE status IN ('completed', 'failed', 'cancelled')",
    ),
)
SCHEMA_VERSION = len(MIGRATIONS) + 1


class Database:
    """The file, who may write to it, and when it is on disk. Methods raise StorageUnavailable when it refuses."""

    def __init__(self, path: Path, pool: BlockingPool) -> None:
        self._path = path
        self._pool = pool
        self._write_engine = _engine(path, writer=True)
        self._read_engine = _engine(path, writer=False)
        # All the mutable state: writes that wait for a commit, the task that commits them, the lock on the folder.
        self._waiting: list[tuple[Callable[[sa.Connection], Any], asyncio.Future[None]]] = []
        self._committing: asyncio.Task[None] | None = None
        self._lock: int | None = None

    async def open(self) -> None:
        """Take the folder for ourselves and bring the schema into place.

        Raises ConfigurationError if another process has it, or if its contents can't be used.
        """
        await self._pool.run(Work.store_write, self._open)

    async def close(self) -> None:
        """Commit what waits and let go of the folder."""
        if self._committing is not None:
            await self._committing
        await self._pool.run(Work.store_write, self._close)

    async def read(self, query: Callable[[sa.Connection], T]) -> T:
        """What `query` finds. It runs on a thread, on a connection that can't write."""

        def run() -> T:
            with self._read_engine.connect() as connection:
                return query(connection)

        try:
            return await self._pool.run(Work.store_read, run)
        except SQLAlchemyError as error:
            raise StorageUnavailable(f"the database can't be read: {_reason(error)}") from error

    async def write(self, write: Callable[[sa.Connection], Any]) -> None:
        """Have `write` done in the next commit and wait for it."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((write, done))
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit_all(), name="store-commit")
        # A caller that is cancelled does not take its write out of the commit: it is on its way to the disk.
        await asyncio.shield(done)

    async def _commit_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            results = await self._pool.run(Work.store_write, self._commit, [write for write, _ in batch])
            for (_, done), error in zip(batch, results, strict=True):
                if error is None:
                    done.set_result(None)
                    continue
                # A broken rule of the schema, or a value that no column takes: trying again would not mend it.
                ours = isinstance(error, IntegrityError) or not isinstance(error, DBAPIError)
                done.set_exception(error if ours else StorageUnavailable(f"the database refused: {_reason(error)}"))
                done.exception()  # looked at: the waiter may be gone

    def _commit(self, batch: Sequence[Callable[[sa.Connection], None]]) -> Sequence[Exception | None]:
        """Commit all writes together; if that fails, each alone, so that one can't take the others with it."""
        try:
            with self._write_engine.begin() as connection:
                for write in batch:
                    write(connection)
        except OperationalError as error:  # locked, full, gone: it would be so for each
            return [error] * len(batch)
        except Exception as error:  # noqa: BLE001  # whatever it is, those who wait must hear of it
            return [error] if len(batch) == 1 else [result for write in batch for result in self._commit([write])]
        return [None] * len(batch)

    def _open(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = _take_lock(self._path.with_suffix(".lock"))
        except OSError as error:
            raise ConfigurationError([f"DATA_DIR: {self._path.parent}: {error.strerror}"]) from None
        try:
            with self._write_engine.begin() as connection:
                version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
                if version > SCHEMA_VERSION:
                    raise ConfigurationError([f"{self._path}: was written by a newer version of sora_proxy"])
                for statement in (each for step in MIGRATIONS[version - 1 :] if version for each in step):
                    connection.exec_driver_sql(statement)
                metadata.create_all(connection)
                connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")
        except SQLAlchemyError as error:
            raise ConfigurationError([f"{self._path}: can't be used as the database: {_reason(error)}"]) from None
        self._path.chmod(0o600)

    def _close(self) -> None:
        # Readers first: the last connection to close checkpoints the log, and only the writer may do that.
        self._read_engine.dispose()
        self._write_engine.dispose()
        if self._lock is not None:
            os.close(self._lock)


def rows_of(connection: sa.Connection, query: sa.Select[Any]) -> list[dict[str, Any]]:
    """What a query finds, by the names of the columns."""
    return [{str(name): value for name, value in row.items()} for row in connection.execute(query).mappings()]


def _engine(path: Path, *, writer: bool) -> sa.Engine:
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)),  # made of parts: a path may hold what an address can't
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
        pool_size=1 if writer else 2,
        max_overflow=0,
    )

    # The driver's own idea of transactions is switched off, so that BEGIN IMMEDIATE takes the lock up front (a recipe
    # of SQLAlchemy's SQLite documentation).
    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        mode = ("journal_mode=WAL", "synchronous=FULL") if writer else ("query_only=ON", "wal_autocheckpoint=0")
        for pragma in mode:
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")

    return engine


def _take_lock(path: Path) -> int:
    """Lock a file for as long as this process lives. Two processes on one folder would send every order twice."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise ConfigurationError([f"DATA_DIR: {path.parent} is in use by another sora_proxy process"]) from None
    return descriptor


def _reason(error: Exception) -> str:
    """What the database said, without the statement and its values, which SQLAlchemy appends."""
    with contextlib.suppress(AttributeError):
        return str(error.orig)  # type: ignore[attr-defined]
    return type(error).__name__
