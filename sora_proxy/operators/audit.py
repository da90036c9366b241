"""The audit log: the changes that operators made. Each entry is committed together with the change that it records."""

import time
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from sora_proxy.database import Database, metadata, rows_of

MAX_ENTRIES = 10_000

entries = sa.Table(
    "audit",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("address", sa.Text),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("changes", sa.JSON, nullable=False),
    sqlite_autoincrement=True,  # an id is never used twice
)

Changes = dict[str, tuple[Any, Any]]  # by field: the old and the new value, without secrets


@dataclass(frozen=True, slots=True)
class Actor:
    """The author of a change: the admin key, a session, or a source of keys. `address` is the client's IP address; None
    if the change did not come from a client."""

    who: str
    address: str | None = None


def note(connection: sa.Connection, actor: Actor, action: str, target: str, changes: Changes | None = None) -> None:
    """Add an entry to the transaction of the change that it records."""
    entry = {"at": time.time(), "who": actor.who, "address": actor.address, "action": action, "target": target}
    added = connection.execute(entries.insert(), entry | {"changes": changes or {}}).inserted_primary_key
    assert added is not None  # noqa: S101 - an insert of one row returns its primary key
    connection.execute(entries.delete().where(entries.c.id <= added[0] - MAX_ENTRIES))


class AuditLog:
    """Reads the entries, and adds entries about actions that store nothing else."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def note(self, actor: Actor, action: str, target: str) -> None:
        """Add an entry about an action that changes nothing else on disk."""
        await self._database.write(lambda connection: note(connection, actor, action, target))

    async def page(self, limit: int, after: int | None) -> list[dict[str, Any]]:
        """Entries with ids below `after`, newest first."""
        query = sa.select(entries).order_by(entries.c.id.desc()).limit(limit)
        if after is not None:
            query = query.where(entries.c.id < after)
        return await self._database.read(lambda connection: rows_of(connection, query))
