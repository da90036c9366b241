"""The outbox: keeps messages in the database from the end of a generation until they are delivered or given up."""

import datetime as dt
import secrets
import time
from collections.abc import Collection
from dataclasses import dataclass, replace

import orjson
import sqlalchemy as sa
from yarl import URL

from sora_proxy.database import Database, metadata
from sora_proxy.generation import Generation, Step

outbox = sa.Table(
    "webhook_outbox",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),  # the same at each attempt, so that receivers recognize repeats
    sa.Column("generation_id", sa.Text, nullable=False, unique=True),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due_at", sa.Float, nullable=False, index=True),
)


@dataclass(frozen=True, slots=True)
class Message:
    """One webhook: its content, its address, the number of attempts, and the time of the next attempt."""

    id: str
    generation_id: str
    address: str
    host: str
    body: str
    attempts: int
    due_at: float


COLUMNS = [outbox.c[name] for name in Message.__slots__]


def put(connection: sa.Connection, step: Step) -> None:
    """Add a message, in the transaction that ends a generation, if the client requested a webhook."""
    address = step.generation.spec.webhook_url
    if address is None or not step.ends:
        return
    generation, now = step.after, time.time()
    row = {
        "id": f"msg_{secrets.token_hex(16)}",
        "generation_id": generation.id,
        "address": address,
        "host": URL(address).host or "",
        "body": _body(generation, now),
        "attempts": 0,
        "due_at": now,
    }
    connection.execute(outbox.insert(), row)


def _body(generation: Generation, now: float) -> str:
    event = {
        "type": f"generation.{generation.phase}",
        "timestamp": dt.datetime.fromtimestamp(now, dt.UTC),
        "data": generation.summary(generation.spec.origin) | {"metadata": generation.spec.metadata},
    }
    return orjson.dumps(event, option=orjson.OPT_UTC_Z).decode()


class Outbox:
    """The stored messages. Methods raise StorageUnavailable if the database fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def first(self, without: Collection[str]) -> Message | None:
        """The message that is due first, even if it is not due yet. Messages to the hosts in `without` are skipped."""
        query = sa.select(*COLUMNS).where(outbox.c.host.not_in(list(without))).order_by(outbox.c.due_at).limit(1)
        row = await self._database.read(lambda connection: connection.execute(query).first())
        return None if row is None else Message(*row)

    async def hold(self, message: Message, seconds: float) -> Message:
        """Count an attempt, and postpone the message for as long as the attempt may take."""
        held = replace(message, attempts=message.attempts + 1, due_at=time.time() + seconds)
        await self._change(held)
        return held

    async def postpone(self, message: Message, seconds: float) -> None:
        """Set the time of the next attempt."""
        await self._change(replace(message, due_at=time.time() + seconds))

    async def remove(self, message: Message) -> None:
        """Delete a message that was delivered or given up."""
        delete = outbox.delete().where(outbox.c.id == message.id)
        await self._database.write(lambda connection: connection.execute(delete))

    async def _change(self, message: Message) -> None:
        values = {"attempts": message.attempts, "due_at": message.due_at}
        change = outbox.update().where(outbox.c.id == message.id).values(values)
        await self._database.write(lambda connection: connection.execute(change))
