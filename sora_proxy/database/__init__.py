"""How is everything stored durably? In one SQLite file, which Database reads and writes through SQLAlchemy Core.

One thread and one connection do all writes; waiting writes are committed together, so a hundred generations cost a few
disk syncs instead of hundreds. With `synchronous=FULL`, a write survives a power cut once `write` has returned.
Readers have their own connections and never write. No SQL runs on the event loop.

The tables are declared in the modules that use them; each module registers its tables in `metadata`.
"""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import orjson
import sqlalchemy as sa
import structlog
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, SQLAlchemyError

from sora_proxy.background import start_task
from sora_proxy.blocking import BlockingPool, Work
from sora_proxy.database.file import DatabaseFile
from sora_proxy.database.schema import SCHEMA_VERSION, SchemaError, compare, migrate, version_of
from sora_proxy.errors import ConfigurationError, StorageUnavailable

log = structlog.get_logger(__name__)

BUSY_SECONDS = 30
CHECK_SECONDS = 3.0  # the longest duration of the check at startup; enough for a few gigabytes
PROBE_SECONDS = 2.0
MOVED = "the database's files were moved or removed"
T = TypeVar("T")

metadata = sa.MetaData()
# One row, which contains the number of the last startup.
starts = sa.Table("starts", metadata, sa.Column("number", sa.Integer, primary_key=True))


class Database:
    """Reads the one SQLite file, and writes to it durably. Methods raise StorageUnavailable if the file is unusable."""

    def __init__(self, path: Path, threads: BlockingPool) -> None:
        self._path = path
        self._file = DatabaseFile(path)
        self._threads = threads
        self._write_engine = _engine(path, writer=True)
        self._read_engine = _engine(path, writer=False)
        # All the mutable state: the writes that are waiting for a commit, the task that commits them, and whether the
        # last commit failed.
        self._waiting: list[tuple[Callable[[sa.Connection], Any], asyncio.Future[None]]] = []
        self._committing: asyncio.Task[None] | None = None
        self._refused = False

    async def open(self) -> None:
        """Lock the folder and migrate the schema.

        Raises ConfigurationError if another process is using the folder, or if its contents can't be used.
        """
        try:
            await self._threads.run(Work.store_write, self._open)
        except ConfigurationError:
            await self._threads.run(Work.store_write, self._close)
            raise

    async def close(self) -> None:
        """Commit all waiting writes and unlock the folder."""
        if self._committing is not None:
            await self._committing
        await self._threads.run(Work.store_write, self._close)

    async def read(self, query: Callable[[sa.Connection], T]) -> T:
        """Run `query` on a thread, with a connection that can't write, and return its result."""

        def run() -> T:
            with self._read_engine.connect() as connection:
                return query(connection)

        try:
            return await self._threads.run(Work.store_read, run)
        except SQLAlchemyError as error:
            raise StorageUnavailable(f"the database can't be read: {_reason(error)}") from error

    def peek(self, query: Callable[[sa.Connection], T]) -> T | None:
        """Run `query` before the database is opened. Returns None if no database can be read. This call blocks."""
        if not self._path.exists():
            return None
        try:
            with self._read_engine.connect() as connection:
                return query(connection)
        except SQLAlchemyError:
            return None

    async def write(self, write: Callable[[sa.Connection], Any]) -> None:
        """Run `write` in the next commit, and wait for that commit."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((write, done))
        if self._committing is None or self._committing.done():
            self._committing = start_task(self._commit_all(), name="store-commit", shared=True)
        # The write is committed even if its caller is cancelled.
        await asyncio.shield(done)

    async def check_writable(self) -> None:
        """Check that a write would succeed now. If the last write failed, another write is tried; otherwise only the
        files are checked. Raises StorageUnavailable."""
        if not self._refused:
            if not await self._threads.run(Work.store_read, lambda: self._file.in_place):
                raise StorageUnavailable(MOVED)
            return
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await self.write(lambda connection: connection.execute(starts.update().values(number=starts.c.number)))
        except TimeoutError:
            raise StorageUnavailable("the database does not answer") from None

    async def _commit_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                results = await self._threads.run(Work.store_write, self._commit, [write for write, _ in batch])
            except Exception:
                for _, done in batch:  # a bug must not leave callers waiting for ever
                    done.set_exception(StorageUnavailable("the commit was interrupted"))
                    done.exception()
                raise
            self._refused = any(isinstance(error, StorageUnavailable) for error in results)
            for (_, done), error in zip(batch, results, strict=True):
                if error is None:
                    done.set_result(None)
                else:
                    done.set_exception(error)
                    done.exception()  # retrieves the exception, since the caller may have been cancelled

    def _commit(self, batch: Sequence[Callable[[sa.Connection], None]]) -> Sequence[Exception | None]:
        """Commit all writes together; if that fails, commit each by itself, so that a faulty write does not affect the
        others."""
        if not self._file.in_place:
            return [StorageUnavailable(MOVED)] * len(batch)
        try:
            with self._write_engine.begin() as connection:
                for write in batch:
                    write(connection)
        except OperationalError as error:  # the file is locked or missing, or the disk is full: every write would fail
            return [StorageUnavailable(f"the database refused the write: {_reason(error)}")] * len(batch)
        except Exception as error:  # noqa: BLE001  # any error must reach the waiting callers
            if len(batch) > 1:
                return [result for write in batch for result in self._commit([write])]
            # A violated constraint, or a value that the column does not accept: a retry would fail too.
            ours = isinstance(error, IntegrityError) or not isinstance(error, DBAPIError)
            return [error if ours else StorageUnavailable(f"the database refused the write: {_reason(error)}")]
        return [None] * len(batch)

    def _open(self) -> None:
        self._file.take()
        version = 0
        try:
            version = self._examine()
            with self._write_engine.begin() as connection:
                number = self._bring_into_place(connection, version)
        except SQLAlchemyError as error:
            migrated = f"migrated from version {version} to {SCHEMA_VERSION}"
            use = migrated if 0 < version < SCHEMA_VERSION else "used as the database"
            raise ConfigurationError([f"{self._path}: can't be {use}: {_reason(error)}"]) from None
        except SchemaError as error:
            raise ConfigurationError([f"{self._path}: {error}"]) from None
        self._file.opened(number)
        if 0 < version < SCHEMA_VERSION:
            log.info("database migrated", path=str(self._path), from_version=version, to_version=SCHEMA_VERSION)
        log.info("database opened", path=str(self._path), sqlite=sqlite3.sqlite_version, start=number)

    def _examine(self) -> int:
        """The version of the file; 0 if there is no file. Raises SchemaError or ConfigurationError. Changes nothing."""
        if not self._path.exists():
            return 0
        with self._read_engine.connect() as connection:
            self._check(connection)
            version = version_of(connection)
            if version == SCHEMA_VERSION:
                compare(connection, metadata)
            return version

    def _check(self, connection: sa.Connection) -> None:
        """Refuse a damaged file. Pages that are not read within `CHECK_SECONDS` are not checked."""
        raw = cast("sqlite3.Connection", connection.connection.driver_connection)
        timer = threading.Timer(CHECK_SECONDS, raw.interrupt)
        timer.start()
        try:
            found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
        except OperationalError as error:
            if _reason(error) != "interrupted":
                raise
            log.warning("database check incomplete", seconds=CHECK_SECONDS)
            return
        finally:
            timer.cancel()
        if found != "ok":
            advice = "Replace it with a backup, or save what can be read with sqlite3's .recover"
            raise ConfigurationError([f"{self._path}: the file is damaged ({found.splitlines()[-1]}). {advice}."])

    def _bring_into_place(self, connection: sa.Connection, version: int) -> int:
        """Migrate the schema, and return the number of this startup."""
        if version < SCHEMA_VERSION:
            migrate(connection, metadata)
            compare(connection, metadata)
        last: int = connection.scalar(sa.select(sa.func.max(starts.c.number))) or 0
        self._file.check_start(last)
        connection.execute(starts.delete())
        connection.execute(starts.insert(), {"number": last + 1})
        return last + 1

    def _close(self) -> None:
        self._file.closing()
        # The readers are closed first: closing the last connection checkpoints the write-ahead log, which only the
        # writer can do.
        self._read_engine.dispose()
        self._write_engine.dispose()
        self._file.release()


def rows_of(connection: sa.Connection, query: sa.Select[Any]) -> list[dict[str, Any]]:
    """The rows of a query, each as a dict from the names of its columns to their values."""
    return [{str(name): value for name, value in row.items()} for row in connection.execute(query).mappings()]


def _engine(path: Path, *, writer: bool) -> sa.Engine:
    mode = "rwc" if writer else "rw"
    engine = sa.create_engine(
        # Built from parts, since a path may contain characters that a URL can't contain. With `rw`, which readers use,
        # a missing file is not created.
        sa.URL.create("sqlite", database=path.absolute().as_uri(), query={"mode": mode, "uri": "true"}),
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
        pool_size=1 if writer else 2,
        max_overflow=0,
    )

    # The driver's own transactions are switched off, so that BEGIN IMMEDIATE takes the lock at once (a recipe from
    # SQLAlchemy's documentation of SQLite).
    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        writes, reads = ("journal_mode=WAL", "synchronous=FULL"), ("query_only=ON", "wal_autocheckpoint=0")
        for pragma in writes if writer else reads:
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")

    return engine


def _reason(error: Exception) -> str:
    """The database's message, without the statement and its values, which SQLAlchemy appends."""
    with contextlib.suppress(AttributeError):
        return str(error.orig)  # type: ignore[attr-defined]
    return type(error).__name__
