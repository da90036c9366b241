"""Store: generations, their events and pictures, in SQLite through SQLAlchemy Core.

One thread and one connection do all writes; what waits is committed together, so that a hundred generations cost a few
disk syncs, not hundreds. `synchronous=FULL`: what a method has returned from survives a power cut. Readers have
connections of their own and never write. Nothing here runs on the event loop.
"""

import asyncio
import contextlib
import fcntl
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import orjson
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, SQLAlchemyError

from sora_proxy.blocking import BlockingPool, Work, finished
from sora_proxy.errors import ConfigurationError, StorageUnavailable
from sora_proxy.generation import (
    FINAL,
    Asset,
    Event,
    EventLog,
    Generation,
    GenerationSpec,
    Picture,
    State,
    Status,
    event_from_record,
    event_to_record,
)

SCHEMA_VERSION = 1
BUSY_SECONDS = 30
T = TypeVar("T")

metadata = sa.MetaData()
generations = sa.Table(
    "generations",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),  # the order in which they came
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("client", sa.Text, nullable=False),
    sa.Column("spec", sa.JSON, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("status", sa.Text, nullable=False, index=True),
    sa.Column("key_id", sa.Text),
    sa.Column("task_id", sa.Text),
    sa.Column("intent_at", sa.Float),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("upstream_done_at", sa.Float),
    sa.Column("assets", sa.JSON, nullable=False),
    # One upstream task is never two generations.
    sa.UniqueConstraint("key_id", "task_id"),
)
events = sa.Table(
    "events",
    metadata,
    sa.Column("generation_id", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("fields", sa.JSON, nullable=False),
)
pictures = sa.Table(
    "pictures",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("generation_id", sa.Text, nullable=False, index=True),
)


class Store:
    """The durable side of every generation. Methods raise StorageUnavailable when the database refuses."""

    def __init__(self, path: Path, pool: BlockingPool) -> None:
        self._path = path
        self._pool = pool
        self._write_engine = _engine(path, writer=True)
        self._read_engine = _engine(path, writer=False)
        # All the mutable state: writes that wait for a commit, the task that commits them, the lock on the folder.
        self._waiting: list[tuple[Callable[[sa.Connection], None], asyncio.Future[None]]] = []
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

    async def add(self, generation: Generation) -> None:
        """Commit a new generation."""
        row = _row(generation.state) | {
            "id": generation.id,
            "client": generation.client,
            "spec": asdict(generation.spec),
            "created_at": generation.created_at,
        }
        await self._write(lambda connection: connection.execute(generations.insert(), row))

    async def record(self, generation: Generation, state: State, *new: Event) -> None:
        """Commit a generation's next state together with new events; then it is so, and its followers see them."""
        row, first = _row(state), len(generation.log) + 1

        def write(connection: sa.Connection) -> None:
            connection.execute(generations.update().where(generations.c.id == generation.id), row)
            for number, event in enumerate(new, first):
                kind, fields = event_to_record(event)
                record = {"generation_id": generation.id, "number": number, "kind": kind, "fields": fields}
                connection.execute(events.insert(), record)
                if isinstance(event, Picture) and event.name:
                    connection.execute(pictures.insert(), {"name": event.name, "generation_id": generation.id})

        writing = asyncio.ensure_future(self._write(write))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            # It will be on disk all the same: the log in memory must not fall behind. The caller ends only after it.
            await finished(writing)
            raise
        finally:
            if not (writing.cancelled() or writing.exception()):
                generation.state = state
                generation.log.append(*new)

    async def find(self, generation_id: str) -> Generation | None:
        """A generation with its whole log, or None."""
        found = await self._read(lambda connection: _load(connection, generations.c.id == generation_id))
        return found[0] if found else None

    async def unfinished(self) -> list[Generation]:
        """Every generation that has not ended, in the order in which they came."""
        return await self._read(lambda connection: _load(connection, generations.c.status.not_in([*FINAL])))

    async def known_tasks(self, key_id: str, task_ids: Sequence[str]) -> set[str]:
        """Those of the upstream tasks that already belong to a generation."""
        query = sa.select(generations.c.task_id).where(
            generations.c.key_id == key_id, generations.c.task_id.in_(list(task_ids))
        )
        return await self._read(lambda connection: set(connection.scalars(query)))

    async def has_picture(self, name: str) -> bool:
        """Whether we handed out a picture of this name."""
        query = sa.select(pictures.c.name).where(pictures.c.name == name)
        return await self._read(lambda connection: connection.scalar(query)) is not None

    async def _read(self, query: Callable[[sa.Connection], T]) -> T:
        def run() -> T:
            with self._read_engine.connect() as connection:
                return query(connection)

        try:
            return await self._pool.run(Work.store_read, run)
        except SQLAlchemyError as error:
            raise StorageUnavailable(f"the database can't be read: {_reason(error)}") from error

    async def _write(self, write: Callable[[sa.Connection], Any]) -> None:
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


def _row(state: State) -> dict[str, Any]:
    return asdict(state) | {"status": state.status.value}


def _load(connection: sa.Connection, where: sa.ColumnElement[bool]) -> list[Generation]:
    rows = connection.execute(sa.select(generations).where(where).order_by(generations.c.number)).all()
    ids = [row.id for row in rows]
    logs: dict[str, list[Event]] = {generation_id: [] for generation_id in ids}
    for start in range(0, len(ids), 500):  # below SQLite's bound on parameters
        query = sa.select(events).where(events.c.generation_id.in_(ids[start : start + 500])).order_by(events.c.number)
        for event in connection.execute(query):
            logs[event.generation_id].append(event_from_record(event.kind, event.fields))
    return [_generation(row, logs[row.id]) for row in rows]


def _generation(row: sa.Row[Any], log: list[Event]) -> Generation:
    state = State(
        status=Status(row.status),
        key_id=row.key_id,
        task_id=row.task_id,
        intent_at=row.intent_at,
        attempts=row.attempts,
        upstream_done_at=row.upstream_done_at,
        assets=tuple(Asset(**asset) for asset in row.assets),
    )
    generation = Generation(row.id, row.client, GenerationSpec(**row.spec), row.created_at, state, EventLog(log))
    if generation.ended:
        generation.log.close()
    return generation


def _reason(error: Exception) -> str:
    """What the database said, without the statement and its values, which SQLAlchemy appends."""
    with contextlib.suppress(AttributeError):
        return str(error.orig)  # type: ignore[attr-defined]
    return type(error).__name__
