"""Threads and a database for one test, which may close the database and open it again."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sora_proxy.blocking import BlockingPool
from sora_proxy.database import Database


@pytest.fixture
async def pool() -> AsyncIterator[BlockingPool]:
    pool = BlockingPool()
    yield pool
    pool.close()


@pytest.fixture
async def database(tmp_path: Path, pool: BlockingPool) -> AsyncIterator[Database]:
    database = await asyncio.to_thread(Database, tmp_path / "data" / "sora_proxy.db", pool)
    await database.open()
    yield database
    await database.close()
