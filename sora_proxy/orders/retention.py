"""Retention: what is old, or too much, is forgotten in the background; what its client deletes, at once.

First the rows, then the files: a picture whose name is not in the database is not served. The names of the files stand
in a table of their own until they are gone, so that a crash in between leaves none behind.
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
from sora_proxy.generation import FINAL, GenerationSpec
from sora_proxy.media.image_files import Media
from sora_proxy.orders.idempotency import Idempotency
from sora_proxy.orders.store import generations, pictures

log = structlog.get_logger(__name__)

DAY = 86400.0
INTERVAL = 600.0
TASKS_KNOWN = 1000  # of each key, the newest
BATCH, PAUSE = 100, 0.05  # small steps: others write too

discarded = sa.Table("discarded_pictures", metadata, sa.Column("name", sa.Text, primary_key=True))


@dataclass(frozen=True, slots=True)
class Bounds:
    """For how many days, and how many, ended generations are kept. 0 is no bound."""

    days: float
    count: int


class Retention:
    """Forgets generations that have ended, with their rows in the tables of `forgotten`, which have a `generation_id`.

    Methods raise StorageUnavailable when the database refuses.
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
        """Keep to the bounds, until cancelled."""
        while True:
            try:
                await self.sweep()
            except StorageUnavailable as error:
                log.warning("nothing forgotten", reason=str(error))
            await asyncio.sleep(INTERVAL)

    async def sweep(self) -> None:
        """Forget all that is beyond the bounds."""
        await self._idempotency.forget()
        await self._remove_files()  # that a crash left
        until = await self._database.read(self._beyond_bounds)
        over = (generations.c.ended_at <= until) & generations.c.status.in_([*FINAL])
        query = sa.select(generations.c.id).where(over).order_by(generations.c.ended_at).limit(BATCH)
        while ids := await self._database.read(lambda connection: connection.scalars(query).all()):
            await self.forget(ids)
            log.info("generations forgotten", count=len(ids))
            await asyncio.sleep(PAUSE)
        await self._database.write(_forget_old_tasks)

    async def forget(self, generation_ids: Sequence[str]) -> None:
        """Remove all that is kept of ended generations.

        Of one that became an upstream task a row stays that is no client's: whoever looks upstream for a lost order
        must know that the task is ours.
        """
        ids = list(generation_ids)
        names = sa.select(pictures.c.name).where(pictures.c.generation_id.in_(ids))
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
        """What ended until this moment is to be forgotten."""
        ended_at, until = generations.c.ended_at, 0.0
        if self._bounds.days:
            until = time.time() - self._bounds.days * DAY
        if self._bounds.count:
            one_too_many = sa.select(ended_at).order_by(ended_at.desc()).limit(1).offset(self._bounds.count)
            until = max(until, connection.scalar(one_too_many) or 0.0)
        return until

    async def _remove_files(self) -> None:
        query = sa.select(discarded.c.name).limit(BATCH)
        while names := await self._database.read(lambda connection: connection.scalars(query).all()):
            gone = [name for name in names if await self._media.discard(self._media.picture_path(name))]
            await self._database.write(functools.partial(_cross_off, gone))
            if len(gone) < len(names):
                break  # the others are tried again another time


def _forget_old_tasks(connection: sa.Connection) -> None:
    """Let go of the rows of tasks that no list of a back end is long enough to show."""
    forgotten = generations.c.client == ""
    for key_id in connection.scalars(sa.select(generations.c.key_id).where(forgotten).distinct()).all():
        of_key = generations.c.key_id == key_id
        number = generations.c.number
        last = connection.scalar(sa.select(number).where(of_key).order_by(number.desc()).limit(1).offset(TASKS_KNOWN))
        connection.execute(generations.delete().where(of_key, forgotten, number <= (last or 0)))


def _cross_off(names: Sequence[str], connection: sa.Connection) -> None:
    connection.execute(discarded.delete().where(discarded.c.name.in_(names)))
