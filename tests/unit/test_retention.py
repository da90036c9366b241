"""The database rows that remain after a generation is removed."""

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sora_proxy.app import TABLES_OF_A_GENERATION
from sora_proxy.blocking import BlockingPool
from sora_proxy.database import Database, metadata
from sora_proxy.media.image_files import Media
from sora_proxy.orders.idempotency import Idempotency
from sora_proxy.orders.retention import MAX_TASKS_KEPT, Bounds, Retention
from sora_proxy.orders.store import generations


@pytest.fixture
async def retention(database: Database, tmp_path: Path, pool: BlockingPool) -> Retention:
    media = Media(tmp_path / "images", tmp_path / "inputs", pool)
    return Retention(database, media, Idempotency(database), Bounds(days=0, count=5), TABLES_OF_A_GENERATION)


async def put(database: Database, rows: list[dict[str, Any]]) -> None:
    common = {"client": "c", "spec": {}, "created_at": 1.0, "status": "completed", "attempts": 1, "assets": []}
    await database.write(lambda connection: connection.execute(generations.insert(), [common | row for row in rows]))


async def tasks_in(database: Database) -> list[str]:
    query = sa.select(generations.c.task_id).order_by(generations.c.number)
    return await database.read(lambda connection: list(connection.scalars(query)))


async def test_the_newest_task_ids_of_each_key_are_never_removed(database: Database, retention: Retention) -> None:
    many = MAX_TASKS_KEPT + 20
    busy = [{"id": f"b{n}", "key_id": "busy", "task_id": f"b{n}", "ended_at": float(n + 10)} for n in range(many)]
    calm = [{"id": f"c{n}", "key_id": "calm", "task_id": f"c{n}", "ended_at": float(n)} for n in range(3)]
    await put(database, [*calm, *busy])
    await retention.sweep()
    assert await tasks_in(database) == [f"c{n}" for n in range(3)] + [f"b{n}" for n in range(20, many)]
    kept = sa.select(sa.func.count()).where(generations.c.client == "c")
    assert await database.read(lambda connection: connection.scalar(kept)) == 5


async def test_an_order_that_never_became_a_task_is_removed_completely(
    database: Database, retention: Retention
) -> None:
    await put(database, [{"id": f"x{n}", "status": "failed", "ended_at": float(n)} for n in range(7)])
    await retention.sweep()
    assert await tasks_in(database) == [None] * 5


def test_every_table_with_a_generation_id_is_listed_for_removal() -> None:
    telling = {table.name for table in metadata.sorted_tables if "generation_id" in table.c}
    assert telling == {table.name for table in TABLES_OF_A_GENERATION}, "put the new table into TABLES_OF_A_GENERATION"
