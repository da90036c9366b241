"""Usage: daily counters of each upstream key.

The transitions of generations are counted in the transactions that commit them, so after a crash no count is lost and
nothing is counted twice.
"""

import datetime as dt
from typing import Any

import sqlalchemy as sa

from sora_proxy.database import Database, metadata, rows_of
from sora_proxy.event_log import Image
from sora_proxy.generation import Status, Step

MAX_DAYS = 30
COUNTERS = ("sent", "accepted", "refused", "completed", "failed", "pictures")

usage = sa.Table(
    "usage",
    metadata,
    sa.Column("key_id", sa.Text, primary_key=True),
    sa.Column("day", sa.Text, primary_key=True),  # UTC
    *(sa.Column(counter, sa.Integer, nullable=False, default=0) for counter in COUNTERS),
)

# Built once, since building the statement takes longer than executing it.
ADD_COUNTS = (
    usage.update()
    .where(usage.c.key_id == sa.bindparam("of_key"), usage.c.day == sa.bindparam("on_day"))
    .values({counter: usage.c[counter] + sa.bindparam(f"more_{counter}") for counter in COUNTERS})
)


def count(connection: sa.Connection, step: Step) -> None:
    """Count a transition, in the transaction that commits it."""
    counter = _counter(step.old.status, step.new.status, begun=bool(step.new.results))
    key_id = step.new.key_id or step.old.key_id
    if counter is None or key_id is None:
        return
    added = dict.fromkeys(COUNTERS, 0) | {counter: 1}
    if counter == "completed":
        added["pictures"] = sum(isinstance(event, Image) for event in step.events)
    today = dt.datetime.now(dt.UTC).date()
    more = {f"more_{name}": amount for name, amount in added.items()}
    if not connection.execute(ADD_COUNTS, {"of_key": key_id, "on_day": today.isoformat(), **more}).rowcount:
        connection.execute(usage.insert(), {"key_id": key_id, "day": today.isoformat(), **added})
        connection.execute(usage.delete().where(usage.c.day <= _day(today, MAX_DAYS)))


def _day(today: dt.date, ago: int) -> str:
    return (today - dt.timedelta(days=ago)).isoformat()


def _counter(old: Status, new: Status, *, begun: bool) -> str | None:
    """The counter of a transition, if any. `begun`: whether the back end has already made some of the images."""
    match old, new:
        case Status.submitting, Status.queued if begun:
            return "accepted"
        case Status.queued, Status.submitting:
            return "sent"
        case Status.submitting, Status.saving:
            return "accepted"
        case Status.submitting, Status.queued | Status.failed:
            return "refused"
        case Status.submitting | Status.unknown, Status.running:
            return "accepted"
        case Status.unknown | Status.running | Status.saving, Status.failed:
            return "failed"
        case Status.saving, Status.completed:
            return "completed"
    return None


class Usage:
    """Reads the counters."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def days(self, key_id: str | None = None) -> list[dict[str, Any]]:
        """The counters of the last `MAX_DAYS` days, newest first, for one key or for all keys."""
        first = _day(dt.datetime.now(dt.UTC).date(), MAX_DAYS)
        query = sa.select(usage).where(usage.c.day > first).order_by(usage.c.day.desc(), usage.c.key_id)
        if key_id is not None:
            query = query.where(usage.c.key_id == key_id)
        return await self._database.read(lambda connection: rows_of(connection, query))
