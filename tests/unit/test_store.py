"""The store: a write that has returned is on disk, complete and in order, whatever happens to its caller."""

import asyncio
import sqlite3
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from sora_proxy.blocking import BlockingPool
from sora_proxy.database import Database
from sora_proxy.database.schema import SCHEMA_VERSION
from sora_proxy.errors import ConfigurationError, StorageUnavailable
from sora_proxy.event_log import Completed, Event, Failed, Image, Progress, Queued
from sora_proxy.generation import Asset, Generation, State, Status, Step, new_generation_id
from sora_proxy.orders.store import Store, images
from sora_proxy.spec import GenerationSpec
from tests.eventually import PATIENCE

NAMES = [f"{number:032x}.png" for number in range(1000)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "sora_proxy.db"


@pytest.fixture
async def open_store(pool: BlockingPool, path: Path) -> AsyncIterator[Callable[[], Awaitable[Store]]]:
    """A function that opens the store. It first closes the store that is open, if any."""
    databases: list[Database] = []

    async def open_one() -> Store:
        if databases:
            await databases.pop().close()
        databases.append(await asyncio.to_thread(Database, path, pool))
        await databases[0].open()
        return Store(databases[0])

    yield open_one
    for database in databases:
        await database.close()


@pytest.fixture
async def store(open_store: Callable[[], Awaitable[Store]]) -> Store:
    return await open_store()


def order(**fields: Any) -> Generation:
    return Generation(new_generation_id(), "client", GenerationSpec("sora-1.0", "a fox", **fields))


def same(one: Generation, other: Generation | None) -> bool:
    """Whether two generations are the same, with the same state and the same events."""
    if other is None:
        return False
    facts = [(each.id, each.client, each.spec, each.created_at, each.state, list(each.log)) for each in (one, other)]
    return facts[0] == facts[1]


async def query(path: Path, statement: str) -> list[Any]:
    """Run a statement directly on the database file."""

    def run() -> list[Any]:
        with sqlite3.connect(path) as connection:
            rows = connection.execute(statement).fetchall()
        connection.close()
        return rows

    return await asyncio.to_thread(run)


# --- Round trips ------------------------------------------------------------------------------------------------------


async def test_a_generation_is_loaded_unchanged_with_all_its_events_in_order(
    open_store: Callable[[], Awaitable[Store]],
) -> None:
    store = await open_store()
    generation = Generation(
        "chatcmpl-1",
        "client",
        GenerationSpec("sora-image", 'Füchse 🦊, "quotes", \x00 and\nlines', 3, 1024, 512, images=(NAMES[0],)),
        created_at=1234567890.123456,
    )
    await store.add(generation)
    assert same(generation, await store.find("chatcmpl-1"))
    many: list[Event] = [Progress(percent % 100, percent) for percent in range(60)]
    running = State(Status.running, "key", "task", intent_at=1.5, attempts=2)
    for event in many:
        await store.record(generation, running, event)
    done = replace(running, status=Status.saving, upstream_done_at=2.5, assets=(Asset("https://x", 1, 2), Asset("y")))
    await store.record(generation, done)
    await store.record(generation, done.to(Status.completed), Image(0, name=NAMES[1]), Image(1, url="u"), Completed())
    assert generation.status is Status.completed
    store = await open_store()
    found = await store.find("chatcmpl-1")
    assert found is not generation
    assert same(generation, found)
    assert found is not None
    assert list(found.log)[:60] == many
    assert [event async for events in found.log.follow(after=60) for event in events] == [
        Image(0, name=NAMES[1]),
        Image(1, url="u"),
        Completed(),
    ]


async def test_an_unknown_id_is_not_found(store: Store) -> None:
    assert await store.find("") is None
    assert await store.find("chatcmpl-1' OR 1=1 --") is None


async def test_unfinished_generations_are_loaded_in_their_original_sequence(
    open_store: Callable[[], Awaitable[Store]],
) -> None:
    store = await open_store()
    everyone = [order() for _ in range(2 * len(Status))]
    for generation in everyone:
        await store.add(generation)
    for generation, status in zip(reversed(everyone), [*Status, *Status], strict=True):
        await store.record(generation, State(status), Queued(1))
    expected = [generation for generation in everyone if not generation.ended]
    store = await open_store()
    found = await store.unfinished()
    assert len(found) == 2 * (len(Status) - 3)
    assert all(same(one, other) for one, other in zip(expected, found, strict=True))


@pytest.mark.slow
async def test_more_unfinished_generations_than_fit_one_query_are_loaded_with_their_events(store: Store) -> None:
    everyone = [order() for _ in range(1100)]
    await asyncio.gather(*(store.add(generation) for generation in everyone))
    await asyncio.gather(*(store.record(each, State(), Queued(1), Queued(2)) for each in everyone))
    found = await store.unfinished()
    assert {each.id for each in found} == {each.id for each in everyone}
    assert all(list(each.log) == [Queued(1), Queued(2)] for each in found)


async def test_followers_see_an_event_only_after_a_successful_commit(store: Store) -> None:
    generation, other = order(), order()
    await store.add(generation)
    await store.add(other)
    await store.record(other, State(Status.running, "key", "task"))
    recording = asyncio.create_task(store.record(generation, State(Status.submitting), Progress(1)))
    await asyncio.sleep(0)
    assert generation.state == State()
    assert len(generation.log) == 0
    await recording
    assert generation.status is Status.submitting
    with pytest.raises(IntegrityError):
        await store.record(generation, State(Status.running, "key", "task"), Progress(2))
    assert generation.status is Status.submitting
    assert list(generation.log) == [Progress(1)]
    assert same(generation, await store.find(generation.id))


async def test_an_additional_writer_takes_part_in_each_commit(database: Database) -> None:
    steps: list[Step] = []

    def write(connection: sa.Connection, step: Step) -> None:
        connection.execute(images.insert(), {"name": NAMES[len(steps)], "generation_id": step.generation.id})
        if step.new.status is Status.failed:
            raise ValueError("no")
        steps.append(step)

    store, generation = Store(database, [write]), order()
    await store.add(generation)
    await store.record(generation, State(Status.running), Progress(1))
    with pytest.raises(ValueError, match="no"):
        await store.record(generation, State(Status.failed), Failed("generation_failed", "x"))
    assert same(generation, await store.find(generation.id))
    assert [await store.has_image(name) for name in NAMES[:2]] == [True, False]
    await store.record(generation, State(Status.completed), Completed())
    assert [(step.old, step.new, step.ends) for step in steps] == [
        (State(), State(Status.running), False),
        (State(Status.running), State(Status.completed), True),
    ]
    assert await store.has_image(NAMES[1])


async def test_the_end_of_a_generation_is_announced_once_and_after_its_commit(database: Database) -> None:
    announced: list[tuple[str, bool]] = []

    def follow(step: Step) -> None:
        if step.ends:
            announced.append((step.generation.id, step.generation.ended))

    store = Store(database, followers=[follow])
    finished, stopped, refused = order(), order(), order()
    for generation in (finished, stopped, refused):
        await store.add(generation)
        await store.record(generation, State(Status.running), Progress(1))
    assert announced == []
    await store.record(finished, State(Status.completed), Completed())
    await store.cancel(stopped)
    await store.record(stopped, State(Status.saving))
    await store.record(stopped, State(Status.failed), Failed("generation_failed", "nobody will hear of it"))
    with pytest.raises(OverflowError):
        await store.record(refused, State(Status.failed, attempts=2**80), Failed("generation_failed", "x"))
    assert announced == [(finished.id, True), (stopped.id, True)]


async def test_images_of_finished_generations_are_found(store: Store) -> None:
    generation = order()
    await store.add(generation)
    await store.record(generation, State(Status.completed), Image(0, name=NAMES[0]), Image(1, url="https://x"))
    assert await store.has_image(NAMES[0])
    assert not await store.has_image(NAMES[1])
    assert not await store.has_image("")


async def test_the_known_tasks_of_a_key_do_not_include_tasks_of_other_keys(store: Store) -> None:
    for key, task in [("one", "a"), ("one", "b"), ("two", "c"), ("two", None)]:
        generation = order()
        await store.add(generation)
        await store.record(generation, State(Status.running, key, task))
    assert await store.known_tasks("one", ["a", "b", "c", "d"]) == {"a", "b"}
    assert await store.known_tasks("two", ["a", "c"]) == {"c"}
    assert await store.known_tasks("three", ["a"]) == set()
    assert await store.known_tasks("one", []) == set()


# --- Commits ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_many_writes_at_once_are_all_stored(open_store: Callable[[], Awaitable[Store]]) -> None:
    store = await open_store()
    everyone = [order() for _ in range(300)]

    async def live(generation: Generation, number: int) -> None:
        await store.add(generation)
        for percent in range(3):
            await store.record(generation, State(Status.running, "key", f"task {number}"), Progress(percent))

    await asyncio.gather(*(live(generation, number) for number, generation in enumerate(everyone)))
    store = await open_store()
    for generation in everyone:
        assert len(generation.log) == 3
        assert same(generation, await store.find(generation.id))


async def test_waiting_writes_are_committed_together(store: Store) -> None:
    commits: list[object] = []
    sa.event.listen(store._database._write_engine, "commit", commits.append)
    await asyncio.gather(*(store.add(order()) for _ in range(100)))
    assert len(commits) == 1
    everyone = [order() for _ in range(100)]
    writers = []
    for generation in everyone:  # during one commit, the writes for the next commit are collected
        writers.append(asyncio.create_task(store.add(generation)))
        await asyncio.sleep(0)
    await asyncio.gather(*writers)
    assert len(commits) < 50
    assert {each.id for each in everyone} <= {each.id for each in await store.unfinished()}


async def test_only_the_write_that_violates_a_constraint_fails(store: Store) -> None:
    first = order()
    await store.add(first)
    await store.record(first, State(Status.running, "key", "task"))
    everyone = [order() for _ in range(20)]
    await asyncio.gather(*(store.add(generation) for generation in everyone))
    results = await asyncio.gather(
        *(
            store.record(
                each, State(Status.running, "key", "task" if number == 7 else f"task {number}"), Progress(number)
            )
            for number, each in enumerate(everyone)
        ),
        return_exceptions=True,
    )
    assert [number for number, result in enumerate(results) if isinstance(result, IntegrityError)] == [7]
    assert [result for number, result in enumerate(results) if number != 7] == [None] * 19
    for number, generation in enumerate(everyone):
        assert same(generation, await store.find(generation.id))
        assert len(generation.log) == (number != 7)


async def test_the_same_task_id_is_allowed_for_another_key(store: Store) -> None:
    for key in ("one", "two"):
        generation = order()
        await store.add(generation)
        await store.record(generation, State(Status.running, key, "task"))
    assert await store.known_tasks("two", ["task"]) == {"task"}


async def test_an_id_cannot_be_used_twice(store: Store) -> None:
    generation = order()
    await store.add(generation)
    with pytest.raises(IntegrityError):
        await store.add(generation)


@pytest.mark.parametrize(
    "state",
    [
        State(Status.running, "key", "a lone surrogate \ud800"),
        State(Status.saving, assets=(Asset("https://x", width=10**30),)),
        State(attempts=10**30),
    ],
    ids=["text", "json", "integer"],
)
async def test_a_value_that_cannot_be_stored_raises_an_error_and_blocks_no_other_write(
    store: Store, state: State
) -> None:
    generation, others = order(), [order() for _ in range(5)]
    await store.add(generation)
    async with asyncio.timeout(PATIENCE):
        broken, *fine = await asyncio.gather(
            store.record(generation, state, Progress(1)), *map(store.add, others), return_exceptions=True
        )
    assert isinstance(broken, Exception)
    assert not isinstance(broken, StorageUnavailable)  # retrying would not help
    assert fine == [None] * 5
    assert same(generation, await store.find(generation.id))
    await store.record(generation, State(Status.failed), Failed("internal_error", "x"))
    assert same(generation, await store.find(generation.id))


@pytest.mark.parametrize("rounds", [0, 1, 2, 5])
async def test_memory_and_disk_agree_after_a_writer_is_cancelled(store: Store, rounds: int) -> None:
    """A later record, such as the record of a timeout, must be able to use the next number of the log."""
    generation = order()
    await store.add(generation)
    writer = asyncio.create_task(store.record(generation, State(Status.submitting), Progress(1)))
    for _ in range(rounds):
        await asyncio.sleep(0)
    writer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writer
    assert same(generation, await store.find(generation.id))
    assert len(generation.log) == (rounds > 0)
    await store.record(generation, generation.state.to(Status.failed), Failed("generation_timeout", "too long"))
    assert same(generation, await store.find(generation.id))


async def test_an_order_is_committed_even_if_its_writer_is_cancelled(store: Store) -> None:
    generation = order()
    writer = asyncio.create_task(store.add(generation))
    await asyncio.sleep(0)
    writer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writer
    await store.add(order())  # committed after the first order
    assert same(generation, await store.find(generation.id))


async def test_closing_the_store_commits_waiting_writes(open_store: Callable[[], Awaitable[Store]]) -> None:
    store = await open_store()
    generation = order()
    writer = asyncio.create_task(store.add(generation))
    await asyncio.sleep(0)
    store = await open_store()
    await writer
    assert same(generation, await store.find(generation.id))


async def test_all_waiting_writes_fail_if_the_database_fails_and_later_writes_succeed(store: Store, path: Path) -> None:
    await query(path, "ALTER TABLE pictures RENAME TO elsewhere")
    generation = order()
    await store.add(generation)
    image = Image(0, name=NAMES[0])
    results = await asyncio.gather(
        *(store.record(generation, State(Status.completed), image) for _ in range(3)), return_exceptions=True
    )
    assert [type(result) for result in results] == [StorageUnavailable] * 3
    assert "elsewhere" not in str(results[0])
    assert NAMES[0] not in str(results[0])
    with pytest.raises(StorageUnavailable):
        await store.has_image(NAMES[0])
    await query(path, "ALTER TABLE elsewhere RENAME TO pictures")
    await store.record(generation, State(Status.completed), image)
    assert await store.has_image(NAMES[0])


# --- Opening ----------------------------------------------------------------------------------------------------------


async def refused(path: Path, pool: BlockingPool) -> str:
    database = await asyncio.to_thread(Database, path, pool)
    try:
        with pytest.raises(ConfigurationError) as caught:
            await database.open()
    finally:
        await database.close()
    (fault,) = caught.value.faults
    assert "\n" not in fault
    return fault


async def test_a_second_store_on_one_file_is_refused_and_the_first_keeps_working(
    store: Store, path: Path, pool: BlockingPool
) -> None:
    assert "in use by another sora_proxy process" in await refused(path, pool)
    generation = order()
    await store.add(generation)
    assert same(generation, await store.find(generation.id))


async def test_a_file_can_be_opened_again_after_its_store_was_closed(
    open_store: Callable[[], Awaitable[Store]],
) -> None:
    generation = order()
    await (await open_store()).add(generation)
    for _ in range(3):
        assert same(generation, await (await open_store()).find(generation.id))


async def test_a_newer_schema_is_refused_and_left_unchanged(store: Store, path: Path, pool: BlockingPool) -> None:
    await store._database.close()
    await query(path, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    assert "was written by a newer version" in await refused(path, pool)
    assert await query(path, "PRAGMA user_version") == [(SCHEMA_VERSION + 1,)]


@pytest.mark.parametrize("content", [b"no database at all " * 100, b"SQLite format 3\0" + bytes(range(1, 200)) * 9])
async def test_a_file_that_is_not_a_database_is_refused_and_not_changed(
    path: Path, pool: BlockingPool, content: bytes
) -> None:
    await asyncio.to_thread(path.parent.mkdir)
    await asyncio.to_thread(path.write_bytes, content)
    fault = await refused(path, pool)
    assert fault.startswith(f"{path}: can't be used as the database: ")
    assert await asyncio.to_thread(path.read_bytes) == content


async def test_a_folder_at_the_path_of_the_database_is_refused(path: Path, pool: BlockingPool) -> None:
    await asyncio.to_thread(path.mkdir, parents=True)
    assert "can't be used as the database" in await refused(path, pool)


async def test_a_data_folder_that_cannot_be_created_is_refused(tmp_path: Path, pool: BlockingPool) -> None:
    await asyncio.to_thread((tmp_path / "file").write_text, "in the way")
    fault = await refused(tmp_path / "file" / "data" / "sora_proxy.db", pool)
    assert fault == f"DATA_DIR: {tmp_path}/file/data: Not a directory"


@pytest.mark.parametrize("name", ["100% sure?mode=ro#x", "a b;c&d=e", "ünïcode", "file:x?mode=memory"])
async def test_the_path_of_the_database_may_contain_any_character(
    tmp_path: Path, pool: BlockingPool, name: str
) -> None:
    path = tmp_path / name / "sora?proxy%20.db"
    database = await asyncio.to_thread(Database, path, pool)
    await database.open()
    await Store(database).add(order())
    await database.close()
    assert await query(path, "SELECT count(*) FROM generations") == [(1,)]


async def test_the_files_of_the_database_are_readable_only_by_their_owner(store: Store, path: Path) -> None:
    await store.add(order())
    modes = await asyncio.to_thread(
        lambda: {each.suffix: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    )
    assert modes[".db"] == 0o600
    assert modes[".lock"] == 0o600
    assert await asyncio.to_thread(lambda: stat.S_IMODE(path.parent.stat().st_mode)) == 0o700


async def test_the_database_uses_a_write_ahead_log_with_full_synchronization(store: Store) -> None:
    def pragmas() -> list[object]:
        with store._database._write_engine.connect() as connection:
            return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]

    assert await asyncio.to_thread(pragmas) == ["wal", 2]


async def test_connections_for_reading_cannot_write(store: Store) -> None:
    with pytest.raises(StorageUnavailable, match="readonly"):
        await store._database.read(lambda connection: connection.exec_driver_sql("DELETE FROM generations"))


async def test_opening_a_database_makes_its_files_readable_only_by_their_owner(
    store: Store, path: Path, pool: BlockingPool
) -> None:
    await store._database.close()
    await asyncio.to_thread(path.chmod, 0o644)
    database = await asyncio.to_thread(Database, path, pool)
    await database.open()
    await Store(database).add(order())
    modes = await asyncio.to_thread(lambda: [stat.S_IMODE(each.stat().st_mode) for each in path.parent.glob("*.db*")])
    assert len(modes) == 3
    assert set(modes) == {0o600}
    await database.close()
