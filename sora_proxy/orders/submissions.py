"""Submissions: the times at which keys were used, committed with the orders, so that rate limits survive a restart."""

import time
from collections import defaultdict

import sqlalchemy as sa

from sora_proxy.database import Database, metadata
from sora_proxy.generation import Status, Step
from sora_proxy.scheduling.rate_window import MINUTE

MAX_AGE_SECONDS = 3 * MINUTE  # more than a minute, because a clock may be set back a little

submissions = sa.Table(
    "submissions",
    metadata,
    sa.Column("generation_id", sa.Text, primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True),
    sa.Column("key_id", sa.Text, nullable=False),
    sa.Column(
        "at", sa.Float, nullable=False, index=True
    ),  # wall clock: the latest time at which the order may have arrived
)


# Built once, because building a statement takes longer than executing it.
PRUNE = submissions.delete().where(submissions.c.at < sa.bindparam("before"))
SEEN = (
    submissions.update()
    .where(submissions.c.generation_id == sa.bindparam("which"), submissions.c.attempt > sa.bindparam("before"))
    .values(at=sa.bindparam("now"))
)


def note(connection: sa.Connection, step: Step) -> None:
    """Record, in the transaction of a step, that an order is being sent, or that its outcome is known."""
    old, new, generation_id = step.old, step.new, step.generation.id
    if new.status is old.status:
        return
    now = time.time()
    if new.status is Status.submitting and new.key_id:
        row = {"generation_id": generation_id, "key_id": new.key_id, "at": now}
        attempts = range(old.attempts + 1, new.attempts + 1)
        connection.execute(submissions.insert(), [row | {"attempt": attempt} for attempt in attempts])
        connection.execute(PRUNE, {"before": now - MAX_AGE_SECONDS})
    elif old.status is Status.submitting:
        before = old.attempts - max(len(old.calls), 1)  # some earlier single calls may be updated, too
        connection.execute(SEEN, {"which": generation_id, "before": before, "now": now})


class Submissions:
    """The times at which earlier processes used the keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ages(self) -> dict[str, list[float]]:
        """For each key, the ages in seconds of its uses in the last minute, oldest first."""
        now = time.time()
        query = sa.select(submissions.c.key_id, submissions.c.at).order_by(submissions.c.at)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        ages: defaultdict[str, list[float]] = defaultdict(list)
        for key_id, at in rows:
            age = max(now - at, 0.0)  # a clock may have been set back
            if age < MINUTE:
                ages[key_id].append(age)
        return ages
