"""The cost of storage: commits of intents, events, and a restart with many old orders."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from statistics import quantiles
from typing import Any

import sqlalchemy as sa

from sora_proxy.app import WRITERS
from sora_proxy.blocking import BlockingPool
from sora_proxy.database import Database
from sora_proxy.event_log import Completed, Event, Progress, event_to_record
from sora_proxy.generation import Asset, Generation, State, Status, new_generation_id
from sora_proxy.orders.store import Store, events, generations
from sora_proxy.settings.access import fingerprint
from sora_proxy.spec import GenerationSpec
from tests.benchmarks.load import clients
from tests.benchmarks.programs import NOBODY, Folder, environment, program
from tests.benchmarks.table import Row, bounded

CONCURRENT = (1, 10, 100)
COMMITS = 2000
MOST_INTENT_MS = 5.0
STREAMS, EVENTS = 100, 100
OLD, EVENTS_OF_OLD, UNFINISHED = 100_000, 10, 300
AT_ONCE = 5000
MOST_START_SECONDS = 5.0
ADDRESS = "https://media.example.com/" + "x" * 250  # as long as a signed address


async def measure(folder: Folder) -> list[Row]:
    """Measure the store alone, then the whole program on a folder with many orders."""
    rows = []
    for writers in CONCURRENT:
        async with _store(folder.new()) as (_, store):
            rows.append(await _intents(store, writers))
    async with _store(folder.new()) as (_, store):
        rows.append(await _events(store))
    return rows + await _restart(folder)


@contextlib.asynccontextmanager
async def _store(folder: Path) -> AsyncIterator[tuple[Database, Store]]:
    pool = BlockingPool()
    database = Database(folder / "data" / "sora_proxy.db", pool)
    await database.open()
    yield database, Store(database, WRITERS)
    await database.close()
    pool.close()


def _order(number: int = 0) -> Generation:
    spec = GenerationSpec("sora-1.0", f"a red fox in the snow, seen from far away, number {number}")
    return Generation(new_generation_id(), "0123456789abcdef", spec)


async def _intents(store: Store, writers: int) -> Row:
    """Commit intents, several at a time. Each writer waits for its commit before it begins the next commit."""
    seconds: list[float] = []

    async def write() -> None:
        for _ in range(COMMITS // writers):
            generation = _order()
            await store.add(generation)
            begun = time.perf_counter()
            await store.record(generation, State(Status.submitting, "key", intent_at=begun, attempts=1))
            seconds.append(time.perf_counter() - begun)

    await asyncio.gather(*(write() for _ in range(writers)))
    cuts = quantiles(seconds, n=100)
    p50, p99 = cuts[49] * 1000, cuts[98] * 1000
    measured = f"{p50:.2f} / {p99:.2f} ms"
    what = f"commit of an intent, {writers} at a time, p50 / p99"
    return Row(what, measured, f"p99 ≤ {MOST_INTENT_MS:g} ms", p99 <= MOST_INTENT_MS)


async def _events(store: Store) -> Row:
    """Log the events of many generations at once. Each generation has a reader, which gets all of its events."""
    everyone = [_order() for _ in range(STREAMS)]
    await asyncio.gather(*(store.add(each) for each in everyone))

    async def tell(generation: Generation) -> None:
        for percent in range(EVENTS):
            await store.record(generation, generation.state, Progress(percent))
        generation.log.close()

    async def follow(generation: Generation) -> int:
        return sum([len(news) async for news in generation.log.follow()])

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        following = [group.create_task(follow(each)) for each in everyone]
        for each in everyone:
            group.create_task(tell(each))
    seconds, seen = time.perf_counter() - begun, [each.result() for each in following]
    if sum(seen) != STREAMS * EVENTS:
        raise RuntimeError("a reader did not get every event")
    return Row(f"events through store and log, {STREAMS} generations at once", f"{sum(seen) / seconds:.0f} per second")


async def _restart(folder: Folder) -> list[Row]:
    own = folder.new()
    async with _store(own) as (database, _):
        rows = _rows()
        while batch := list(islice(rows, AT_ONCE)):
            await database.write(lambda connection, batch=batch: _insert(connection, batch))  # type: ignore[misc]
    size = (own / "data" / "sora_proxy.db").stat().st_size / 2**20
    settings = environment(own, NOBODY, UNFINISHED)
    async with program(own, "sora_proxy", environment=settings) as running, clients() as session:
        async with session.get(f"{running.url}/health/ready") as answer:
            answer.raise_for_status()
        what = f"process start to ready, {OLD} old orders ({size:.0f} MiB) and {UNFINISHED} unfinished"
        return [
            bounded(what, running.start_seconds, MOST_START_SECONDS, "s"),
            Row("resident after that startup", f"{running.memory():.0f} MiB"),
        ]


def _rows() -> Iterator[tuple[Generation, State]]:
    """Old orders, and some running orders, each of which has a separate key."""
    for number in range(OLD):
        done = {"upstream_done_at": time.time(), "assets": (Asset(ADDRESS, 720, 480),)}
        yield _order(number), State(Status.completed, "key", f"task_{number:026}", time.time(), 1, **done)  # type: ignore[arg-type]
    for number in range(UNFINISHED):
        key_id = fingerprint(f"token-{number}")
        match number % 3:
            case 0:
                yield _order(number), State()
            case 1:
                yield _order(number), State(Status.submitting, key_id, intent_at=time.time(), attempts=1)
            case _:
                yield _order(number), State(Status.running, key_id, f"task_{number}", time.time(), 1)


def _insert(connection: sa.Connection, batch: list[tuple[Generation, State]]) -> None:
    connection.execute(generations.insert(), [_row(generation, state) for generation, state in batch])
    told: list[Event] = [Progress(percent) for percent in range(EVENTS_OF_OLD - 1)]
    logs = []
    for generation, state in batch:
        for number, event in enumerate([*told, *([Completed()] if state.status is Status.completed else [])], 1):
            kind, fields = event_to_record(event)
            logs.append({"generation_id": generation.id, "number": number, "kind": kind, "fields": fields})
    connection.execute(events.insert(), logs)


def _row(generation: Generation, state: State) -> dict[str, Any]:
    own = {"id": generation.id, "client": generation.client, "created_at": generation.created_at}
    ended = generation.created_at if state.status is Status.completed else None
    return own | asdict(state) | {"spec": asdict(generation.spec), "status": state.status.value, "ended_at": ended}
