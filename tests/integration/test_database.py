"""A damaged, incomplete, older, newer, moved or locked database file causes no silent loss and no crash."""

import asyncio
import contextlib
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
from sora_proxy.database import SCHEMA_VERSION, Database
from sora_proxy.errors import ConfigurationError
from sora_proxy.generation import Generation, Status, new_generation_id
from sora_proxy.orders.store import Store
from sora_proxy.spec import GenerationSpec
from tests.conftest import StartProxy
from tests.eventually import PATIENCE
from tests.sora_server import Sora, in_front_of, outcome, place

RELEASED = Path(__file__).parents[1] / "data"
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


async def test_a_wal_file_missing_after_a_crash_is_reported_until_restored(path: Path) -> None:
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

    @sa.event.listens_for(database._write_engine, "before_cursor_execute")
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


async def released(path: Path, version: int) -> None:
    """Make a database file as a released version wrote it."""

    def make() -> None:
        path.parent.mkdir(parents=True)
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.executescript((RELEASED / f"schema_{version}.sql").read_text())
            connection.execute("PRAGMA journal_mode = WAL")

    await asyncio.to_thread(make)


async def schema(path: Path) -> tuple[int, list[str]]:
    """The schema version of a file, and the statements that create its schema."""

    def look() -> tuple[int, list[str]]:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            statements = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            return version, [row[0] for row in statements]

    return await asyncio.to_thread(look)


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
async def test_a_file_of_each_released_version_is_migrated_with_all_its_content(path: Path, version: int) -> None:
    await released(path, version)
    async with opened(path) as database:
        store = Store(database)
        unfinished = await store.unfinished()
        assert [each.status for each in unfinished] == [Status.queued, Status.submitting, Status.running]
        if version == 4:
            assert unfinished[0].spec.images == (f"{2:032x}.png",)
        done = await store.find(f"chatcmpl-{4:032x}")
        assert done is not None
        assert (done.status, done.spec.images) == (Status.completed, ())
        assert [type(event).__name__ for event in done.log] == ["Queued", "Progress", "Image", "Completed"]
        assert await store.has_image(f"{1:032x}.png")
        await store.add(Generation("chatcmpl-new", "client", GenerationSpec("sora-1.0", "a fox")))
    async with opened(path) as database:
        assert len(await Store(database).unfinished()) == 4
    assert (await schema(path))[0] == SCHEMA_VERSION


async def shape(path: Path) -> dict[str, list[tuple[str, str]]]:
    """The columns and indexes of each table, by name."""

    def look() -> dict[str, list[tuple[str, str]]]:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {
                table: sorted(
                    [(row[1], row[2]) for row in connection.execute(f"PRAGMA table_info({table})")]
                    + [(row[1], "index") for row in connection.execute(f"PRAGMA index_list({table})")]
                )
                for table in tables
            }

    return await asyncio.to_thread(look)


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
async def test_a_migrated_file_has_the_same_schema_as_a_new_file(path: Path, version: int) -> None:
    await released(path, version)
    new = path.with_name("new.db")
    for each in (path, new):
        async with opened(each):
            pass
    assert await shape(path) == await shape(new)


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
    await released(path, 1)
    before = await schema(path)
    await killed(KILLED_MIGRATING, str(path))
    assert await schema(path) == before
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
