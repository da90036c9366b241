"""A damaged, incomplete, older, newer, moved or locked database file causes no silent loss and no crash."""

import asyncio
import contextlib
import errno
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import cast

import pytest
import sqlalchemy as sa

from sora_proxy.blocking import BlockingPool
from sora_proxy.database import Database
from sora_proxy.database.schema import SCHEMA_VERSION
from sora_proxy.errors import ConfigurationError
from sora_proxy.generation import Generation, new_generation_id
from sora_proxy.orders.store import Store
from sora_proxy.spec import GenerationSpec
from tests.conftest import StartProxy
from tests.eventually import PATIENCE
from tests.sora_server import Sora, in_front_of, outcome, place
from tests.upgrade_samples import NAMES, Shape, restore, rows, shape

PAGE = 4096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "sora_proxy.db"


@contextlib.asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Database]:
    pool = BlockingPool()
    database = await asyncio.to_thread(Database, path, pool)
    try:
        await database.open()
        yield database
        await database.close()
    finally:
        pool.close()


async def fault_of_start(path: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        async with opened(path):
            pass
    (fault,) = caught.value.faults
    assert "\n" not in fault
    return fault


async def filled(path: Path, orders: int = 50) -> list[str]:
    """Make a database with orders; returns the ids of the orders."""
    async with opened(path) as database:
        store = Store(database)
        spec = GenerationSpec("sora-1.0", "x" * 900)
        generations = [Generation(new_generation_id(), "client", spec) for _ in range(orders)]
        await asyncio.gather(*(store.add(each) for each in generations))
        return [each.id for each in generations]


# --- Damage -----------------------------------------------------------------------------------------------------------


def zeros_in_the_middle(content: bytes) -> bytes:
    middle = len(content) // PAGE // 2 * PAGE
    return content[:middle] + bytes(PAGE) + content[middle + PAGE :]


def zeros_at_the_head(content: bytes) -> bytes:
    return bytes(PAGE) + content[PAGE:]


def cut_in_half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def noise(content: bytes) -> bytes:
    return b"noise" * (len(content) // 5)


@pytest.mark.parametrize("damage", [zeros_in_the_middle, zeros_at_the_head, cut_in_half, noise])
async def test_a_damaged_file_is_refused_in_one_line_and_not_changed(
    path: Path, damage: Callable[[bytes], bytes]
) -> None:
    await filled(path)
    content = damage(await asyncio.to_thread(path.read_bytes))
    await asyncio.to_thread(path.write_bytes, content)
    assert (await fault_of_start(path)).startswith(f"{path}: ")
    assert await asyncio.to_thread(path.read_bytes) == content


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from sora_proxy.blocking import BlockingPool
from sora_proxy.database import Database
from sora_proxy.generation import Generation, GenerationSpec
from sora_proxy.orders.store import Store
import sora_proxy.app  # declares all tables

async def main():
    database = Database(Path(sys.argv[1]), BlockingPool())
    await database.open()
    await Store(database).add(Generation("chatcmpl-1", "client", GenerationSpec("sora-1.0", "a fox")))
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def killed(script: str, *arguments: str) -> None:
    """Run a program that kills itself."""
    command = [sys.executable, "-c", script, *arguments]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


def log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


async def test_a_database_that_belongs_to_another_user_is_refused_in_one_line(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(path)

    def refuse(self: Path, _mode: int) -> None:
        """What the system does for users other than root and the owner."""
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(self))

    monkeypatch.setattr(Path, "chmod", refuse)
    advice = "It must belong to the user who runs the server."
    assert await fault_of_start(path) == f"{path}: Operation not permitted. {advice}"


async def test_a_wal_file_that_is_missing_after_a_crash_is_reported_until_it_is_restored(path: Path) -> None:
    await killed(KILLED, str(path))
    log = log_of(path)
    kept = await asyncio.to_thread(log.read_bytes)
    await asyncio.to_thread(log.unlink)
    fault = await fault_of_start(path)
    assert "the last commits are missing" in fault
    assert str(path.with_suffix(".lock")) in fault
    await asyncio.to_thread(log.write_bytes, kept)
    await asyncio.to_thread(path.with_name(f"{path.name}-shm").unlink, missing_ok=True)
    async with opened(path) as database:
        assert await Store(database).find("chatcmpl-1") is not None


async def test_startup_fails_with_an_unreadable_wal_file_until_an_operator_discards_it(path: Path) -> None:
    await killed(KILLED, str(path))
    log = log_of(path)
    await asyncio.to_thread(log.write_bytes, b"x" * 9000)
    assert (await fault_of_start(path)).startswith(f"{log}: the file is damaged")
    assert await asyncio.to_thread(log.read_bytes) == b"x" * 9000
    await asyncio.to_thread(log.unlink)
    assert "the last commits are missing" in await fault_of_start(path)
    await asyncio.to_thread(path.with_suffix(".lock").unlink)
    async with opened(path) as database:
        assert await Store(database).unfinished() == []


async def test_a_database_missing_after_a_crash_is_not_replaced_by_an_empty_file(path: Path) -> None:
    await killed(KILLED, str(path))
    await asyncio.to_thread(path.rename, path.with_suffix(".away"))
    assert (await fault_of_start(path)).startswith(f"{path}: the file is missing. Restore it")
    assert not await asyncio.to_thread(path.exists)


async def test_a_wal_file_checkpointed_by_another_program_is_not_reported_as_missing(path: Path) -> None:
    await killed(KILLED, str(path))

    def look() -> int:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            return int(connection.execute("SELECT count(*) FROM generations").fetchone()[0])

    assert await asyncio.to_thread(look) == 1
    assert not await asyncio.to_thread(log_of(path).exists)
    async with opened(path) as database:
        assert await Store(database).find("chatcmpl-1") is not None


async def test_an_older_copy_of_the_database_can_be_restored_after_a_clean_stop(path: Path) -> None:
    await filled(path, 3)
    copy = await asyncio.to_thread(path.read_bytes)
    await filled(path, 3)
    await asyncio.to_thread(path.write_bytes, copy)
    async with opened(path) as database:
        assert len(await Store(database).unfinished()) == 3


async def test_startup_continues_after_an_interrupted_database_check(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await filled(path)
    pool = BlockingPool()
    database = await asyncio.to_thread(Database, path, pool)

    @sa.event.listens_for(database._read_engine, "before_cursor_execute")
    def interrupt(connection: sa.Connection, _cursor: object, statement: str, *_rest: object) -> None:
        """Interrupt the check as the timer does, but immediately and only once."""
        if "quick_check" in statement:
            raw, strikes = cast("sqlite3.Connection", connection.connection.driver_connection), iter([1])
            raw.set_progress_handler(lambda: next(strikes, 0), 1)

    await database.open()
    assert len(await Store(database).unfinished()) == 50
    await database.close()
    pool.close()
    assert "check incomplete" in caplog.text


# --- Other versions ---------------------------------------------------------------------------------------------------


async def shape_of(path: Path) -> tuple[int, Shape]:
    """The version of a file, and its tables."""

    def look() -> tuple[int, Shape]:
        return cast("int", rows(path.parent, "PRAGMA user_version")[0][0]), shape(path.parent)

    return await asyncio.to_thread(look)


async def contents(path: Path) -> list[str]:
    """Everything in a file, as SQL, and its version."""

    def look() -> list[str]:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            return [*connection.iterdump(), str(connection.execute("PRAGMA user_version").fetchone())]

    return await asyncio.to_thread(look)


async def execute(path: Path, script: str) -> None:
    """Execute SQL on a file that is not open."""

    def run() -> None:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.executescript(script)

    await asyncio.to_thread(run)


@pytest.mark.parametrize("name", NAMES)
async def test_a_migrated_file_has_the_same_schema_as_a_new_file(path: Path, tmp_path: Path, name: str) -> None:
    await asyncio.to_thread(restore, name, path.parent)
    new = tmp_path / "new" / path.name
    for each in (path, new):
        async with opened(each):
            pass
    assert await shape_of(path) == await shape_of(new)


async def test_each_change_of_a_table_has_a_version_and_a_sample(path: Path, tmp_path: Path) -> None:
    """If this fails, follow the recipe "Add a column" in CONTRIBUTING.md."""
    (newest,) = [name for name in NAMES if name.split("_")[0] == f"v{SCHEMA_VERSION}"]
    await asyncio.to_thread(restore, newest, path.parent)
    new = tmp_path / "new" / path.name
    async with opened(new):
        pass
    assert await shape_of(path) == await shape_of(new)


async def test_a_migration_is_logged_once(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await asyncio.to_thread(restore, "v3_d2d4a06", path.parent)
    for _ in range(2):
        async with opened(path):
            pass
    messages = [record.getMessage() for record in caplog.records if "database" in record.getMessage()]
    assert ["migrated" in each for each in messages] == [True, False, False]
    assert f"from_version=3 to_version={SCHEMA_VERSION}" in messages[0]


@pytest.mark.parametrize("version", [1, 7])
async def test_a_migration_that_fails_leaves_the_file_as_it_was(path: Path, version: int) -> None:
    name = next(each for each in NAMES if each.startswith(f"v{version}_half" if version == 7 else f"v{version}_"))
    await asyncio.to_thread(restore, name, path.parent)
    await execute(path, "DROP TABLE IF EXISTS webhook_outbox; CREATE INDEX webhook_outbox ON generations (spec)")
    before = await contents(path)
    fault = await fault_of_start(path)
    assert fault.startswith(f"{path}: can't be migrated from version {version} to {SCHEMA_VERSION}: ")
    assert await contents(path) == before
    await execute(path, "DROP INDEX webhook_outbox")
    async with opened(path) as database:
        assert len(await Store(database).unfinished()) == 3


RESTORE_OR_MOVE = "Restore a backup, or use another DATA_DIR"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("ALTER TABLE events DROP COLUMN fields", f"table events has no column fields. {RESTORE_OR_MOVE}"),
        ("DROP TABLE usage", f"table usage is missing. {RESTORE_OR_MOVE}"),
        (
            "DROP TABLE starts; CREATE TABLE starts (number INTEGER NOT NULL PRIMARY KEY, more TEXT NOT NULL)",
            f"table starts requires an unknown column more. {RESTORE_OR_MOVE}",
        ),
        (
            "DROP TABLE spending; CREATE TABLE spending (backend TEXT, day TEXT, images INTEGER)",
            f"column backend of table spending has another type or constraint. {RESTORE_OR_MOVE}",
        ),
        (
            f"PRAGMA user_version = {SCHEMA_VERSION + 1}",
            "was written by a newer version of sora_proxy. Use that version, or restore a backup",
        ),
        ("DROP TABLE generations", "the file is not a database of sora_proxy. Move it away, or use another DATA_DIR"),
    ],
)
async def test_a_file_that_another_program_changed_is_refused_in_one_line_and_kept(
    path: Path, script: str, reason: str
) -> None:
    await filled(path, 1)
    # Opening the file for writing would change this mode.
    await execute(path, f"PRAGMA journal_mode = DELETE; {script}")
    before = await asyncio.to_thread(path.read_bytes)
    assert await fault_of_start(path) == f"{path}: {reason}"
    assert await asyncio.to_thread(path.read_bytes) == before
    assert not await asyncio.to_thread(log_of(path).exists)


@pytest.mark.parametrize("version", [0, 3, SCHEMA_VERSION + 1])
async def test_a_database_of_another_program_is_refused_in_one_line_and_kept(
    start_proxy: StartProxy, sora: Sora, path: Path, version: int
) -> None:
    await asyncio.to_thread(path.parent.mkdir)
    await execute(path, f"CREATE TABLE keys (id INTEGER, name TEXT); PRAGMA user_version = {version}")
    before = await asyncio.to_thread(path.read_bytes)
    with pytest.raises(ConfigurationError) as caught:
        async with start_proxy(**in_front_of(sora)):
            pass
    assert caught.value.faults == [
        f"{path}: the file is not a database of sora_proxy. Move it away, or use another DATA_DIR"
    ]
    assert await asyncio.to_thread(path.read_bytes) == before
    assert not await asyncio.to_thread(log_of(path).exists)


async def test_columns_that_an_operator_added_are_kept(path: Path) -> None:
    await filled(path, 1)
    await execute(path, "ALTER TABLE generations ADD COLUMN note TEXT; UPDATE generations SET note = 'mine'")
    async with opened(path) as database:
        assert len(await Store(database).unfinished()) == 1
    assert await asyncio.to_thread(rows, path.parent, "SELECT note FROM generations") == [("mine",)]


async def test_the_search_for_unfinished_orders_uses_an_index(path: Path) -> None:
    async with opened(path) as database:
        plans: list[str] = []

        @sa.event.listens_for(database._read_engine, "before_cursor_execute")
        def explain(
            _connection: object, cursor: sqlite3.Cursor, statement: str, values: object, *_rest: object
        ) -> None:
            plans.append(str(cursor.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()))  # type: ignore[arg-type]

        await Store(database).unfinished()
    assert "USING INDEX ix_generations_status" in str(plans)


KILLED_MIGRATING = """
import asyncio, os, signal, sys
from pathlib import Path
import sqlalchemy as sa
from sora_proxy.blocking import BlockingPool
from sora_proxy.database import Database

database = Database(Path(sys.argv[1]), BlockingPool())

@sa.event.listens_for(database._write_engine, "before_cursor_execute")
def die(connection, cursor, statement, *rest):
    if statement.startswith("PRAGMA user_version ="):  # the last step
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(database.open())
"""


async def test_a_kill_during_a_migration_leaves_the_older_version_intact(path: Path) -> None:
    await asyncio.to_thread(restore, "v1_0bb76cb", path.parent)
    before = await contents(path)
    await killed(KILLED_MIGRATING, str(path))
    assert await contents(path) == before
    async with opened(path) as database:
        assert len(await Store(database).unfinished()) == 3


# --- While the server is running --------------------------------------------------------------------------------------


async def test_orders_are_refused_while_the_database_file_is_missing(
    start_proxy: StartProxy, sora: Sora, path: Path
) -> None:
    async with start_proxy(**in_front_of(sora)) as proxy:
        first = await place(proxy)
        await outcome(proxy, first)
        away = path.with_suffix(".away")
        await asyncio.to_thread(path.rename, away)
        for _ in range(2):
            async with proxy.client.get(f"{proxy.url}/health/ready") as answer:
                assert answer.status == 503
            async with proxy.chat() as answer:
                assert answer.status == 503
                assert (await answer.json())["error"]["code"] == "storage_unavailable"
                assert int(answer.headers["retry-after"]) > 0
        async with proxy.client.get(f"{proxy.url}/health/live") as answer:
            assert answer.status == 200
        assert not await asyncio.to_thread(path.exists)
        assert len(sora.orders) == 1
        await asyncio.to_thread(away.rename, path)
        async with proxy.client.get(f"{proxy.url}/health/ready") as answer:
            assert answer.status == 200
        await outcome(proxy, await place(proxy))

    assert len(sora.orders) == 2


async def test_startup_fails_if_the_database_file_vanished_during_the_last_run(
    start_proxy: StartProxy, sora: Sora, path: Path
) -> None:
    async with start_proxy(**in_front_of(sora)) as proxy:
        await outcome(proxy, await place(proxy))
        await asyncio.to_thread(path.rename, path.with_suffix(".away"))
    assert "is missing" in await fault_of_start(path)


async def test_a_database_lock_of_another_program_only_delays_orders(
    start_proxy: StartProxy, sora: Sora, path: Path
) -> None:
    async with start_proxy(**in_front_of(sora)) as proxy:
        first = await place(proxy)
        await outcome(proxy, first)
        other = await asyncio.to_thread(lambda: sqlite3.connect(path, isolation_level=None, check_same_thread=False))
        await asyncio.to_thread(other.execute, "BEGIN IMMEDIATE")
        waiting = asyncio.create_task(place(proxy))
        begun = time.monotonic()
        while time.monotonic() - begun < 1.0:
            async with asyncio.timeout(PATIENCE):  # a read that waits for the lock would time out
                assert first in str(await proxy.get(f"/v1/generation/{first}"))
        assert not waiting.done()
        await asyncio.to_thread(other.execute, "COMMIT")
        await outcome(proxy, await waiting)
        await asyncio.to_thread(other.close)
