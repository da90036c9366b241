"""Retention: deletes generations. Those beyond the bounds are deleted in the background, and a client can have one
deleted at once.

Rows are deleted before files, because an image is served only while its name is in the database. The names of these
files are kept in a table until the files are deleted, so that a crash in between leaves no file behind.
"""

import asyncio
import functools
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
import structlog

from sora_proxy.database import Database, metadata
from sora_proxy.errors import StorageUnavailable
from sora_proxy.generation import FINAL
from sora_proxy.media.image_files import Media
from sora_proxy.orders.idempotency import Idempotency
from sora_proxy.orders.store import generations, images
from sora_proxy.spec import GenerationSpec

log = structlog.get_logger(__name__)

DAY = 86400.0
SWEEP_INTERVAL = 600.0
MAX_TASKS_KEPT = 1000  # this many of each key's newest tasks are kept
BATCH_SIZE, BATCH_PAUSE = 100, 0.05  # small batches, so that other writes do not have to wait long

discarded = sa.Table("discarded_pictures", metadata, sa.Column("name", sa.Text, primary_key=True))


@dataclass(frozen=True, slots=True)
class Bounds:
    """The maximum age in days, and the maximum number, of ended generations. 0 means no bound."""

    days: float
    count: int


class Retention:
    """Deletes ended generations, and their rows in the `forgotten` tables, which have a column `generation_id`.

    Methods raise StorageUnavailable if the database fails.
    """

    def __init__(
        self,
        database: Database,
        media: Media,
        idempotency: Idempotency,
        bounds: Bounds,
        forgotten: Sequence[sa.Table],
    ) -> None:
        self._database = database
        self._media = media
        self._idempotency = idempotency
        self._bounds = bounds
        self._forgotten = forgotten

    async def run(self) -> None:
        """Sweep at regular intervals until cancelled."""
        while True:
            try:
                await self.sweep()
            except StorageUnavailable as error:
                log.warning("retention sweep failed", reason=str(error))
            await asyncio.sleep(SWEEP_INTERVAL)

    async def sweep(self) -> None:
        """Delete all generations beyond the bounds."""
        await self._idempotency.forget()
        await self._remove_files()  # files that a crash left behind
        until = await self._database.read(self._beyond_bounds)
        over = (generations.c.ended_at <= until) & generations.c.status.in_([*FINAL])
        query = sa.select(generations.c.id).where(over).order_by(generations.c.ended_at).limit(BATCH_SIZE)
        while ids := await self._database.read(lambda connection: connection.scalars(query).all()):
            await self.forget(ids)
            log.info("generations removed", count=len(ids))
            await asyncio.sleep(BATCH_PAUSE)
        await self._database.write(_forget_old_tasks)

    async def forget(self, generation_ids: Sequence[str]) -> None:
        """Delete everything stored about ended generations.

        A generation with an upstream task leaves a row without content, so that a search for a lost order does not
        mistake this task for the task of that order.
        """
        ids = list(generation_ids)
        names = sa.select(images.c.name).where(images.c.generation_id.in_(ids))
        empty: dict[str, Any] = {"client": "", "spec": asdict(GenerationSpec("", "")), "assets": [], "ended_at": None}

        def write(connection: sa.Connection) -> None:
            connection.execute(discarded.insert().from_select(["name"], names))
            for table in self._forgotten:
                connection.execute(table.delete().where(table.c.generation_id.in_(ids)))
            these = generations.c.id.in_(ids)
            connection.execute(generations.delete().where(these, generations.c.task_id.is_(None)))
            connection.execute(generations.update().where(these).values(empty))

        await self._database.write(write)
        await self._remove_files()

    def _beyond_bounds(self, connection: sa.Connection) -> float:
        """A moment, in seconds since 1970: all generations that ended then or earlier are beyond the bounds."""
        ended_at, until = generations.c.ended_at, 0.0
        if self._bounds.days:
            until = time.time() - self._bounds.days * DAY
        if self._bounds.count:
            one_too_many = sa.select(ended_at).order_by(ended_at.desc()).limit(1).offset(self._bounds.count)
            until = max(until, connection.scalar(one_too_many) or 0.0)
        return until

    async def _remove_files(self) -> None:
        query = sa.select(discarded.c.name).limit(BATCH_SIZE)
        while names := await self._database.read(lambda connection: connection.scalars(query).all()):
            gone = [name for name in names if await self._media.discard(self._media.image_path(name))]
            await self._database.write(functools.partial(_delete_names, gone))
            if len(gone) < len(names):
                break  # the next sweep retries the remaining files


def _forget_old_tasks(connection: sa.Connection) -> None:
    """Delete the rows of tasks that are too old to be in a back end's list."""
    forgotten = generations.c.client == ""
    for key_id in connection.scalars(sa.select(generations.c.key_id).where(forgotten).distinct()).all():
        of_key = generations.c.key_id == key_id
        number = generations.c.number
        last = connection.scalar(
            sa.select(number).where(of_key).order_by(number.desc()).limit(1).offset(MAX_TASKS_KEPT)
        )
        connection.execute(generations.delete().where(of_key, forgotten, number <= (last or 0)))


def _delete_names(names: Sequence[str], connection: sa.Connection) -> None:
    connection.execute(discarded.delete().where(discarded.c.name.in_(names)))
