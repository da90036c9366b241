"""Store: keeps generations, their events and the names of their images in the database."""

import asyncio
import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any

import sqlalchemy as sa

from sora_proxy.background import finished, start_task
from sora_proxy.database import Database, metadata
from sora_proxy.event_log import Cancelled, Event, EventLog, Failed, Image, event_from_record, event_to_record
from sora_proxy.generation import BEYOND_RECALL, FINAL, Asset, Generation, Phase, SingleCall, State, Status, Step
from sora_proxy.spec import GenerationSpec

# A new column needs a field of `State`, a line here and a migration. A new field of an order needs none of these: it is
# stored in `spec`.
generations = sa.Table(
    "generations",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),  # in the order of arrival
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("client", sa.Text, nullable=False),
    sa.Column("spec", sa.JSON, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("status", sa.Text, nullable=False, index=True),
    sa.Column("key_id", sa.Text),
    sa.Column("task_id", sa.Text),
    sa.Column("intent_at", sa.Float),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("lost", sa.Integer, nullable=False, server_default="0"),
    sa.Column("listed", sa.JSON(none_as_null=True)),
    sa.Column("upstream_done_at", sa.Float),
    sa.Column("assets", sa.JSON, nullable=False),
    sa.Column("backend", sa.Text),
    sa.Column("model", sa.Text),
    sa.Column("ignored", sa.JSON, nullable=False, server_default="[]"),
    sa.Column("size", sa.JSON(none_as_null=True)),
    sa.Column("calls", sa.JSON, nullable=False, server_default="[]"),
    sa.Column("usage", sa.JSON(none_as_null=True)),
    sa.Column("ended_at", sa.Float, index=True),  # when the log ended; null once the content is deleted
    # An upstream task belongs to at most one generation.
    sa.UniqueConstraint("key_id", "task_id"),
    sa.Index("ix_generations_client", "client", "number"),
)
events = sa.Table(
    "events",
    metadata,
    sa.Column("generation_id", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("fields", sa.JSON, nullable=False),
)
images = sa.Table(
    "pictures",  # the first version called images "pictures"
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("generation_id", sa.Text, nullable=False, index=True),
)

COLUMNS = tuple(field.name for field in fields(State))


@functools.cache  # cached, because building a statement takes longer than executing it
def _change_of(columns: tuple[str, ...]) -> sa.Update:
    values: dict[str, Any] = {name: sa.bindparam(name) for name in columns}
    return generations.update().where(generations.c.id == sa.bindparam("which")).values(values)


# Functions that write in the transaction of a new generation, and functions that write in the transaction of a step.
InSameCommit = Callable[[sa.Connection, Generation], None]
Writer = Callable[[sa.Connection, Step], None]


class Store:
    """The stored part of every generation. Methods raise StorageUnavailable if the database fails.

    `writers` take part in the commit of each step, on the database's thread; an error in a writer undoes the step.
    `followers` are called after the commit.
    """

    def __init__(
        self,
        database: Database,
        writers: Sequence[Writer] = (),
        followers: Sequence[Callable[[Step], None]] = (),
    ) -> None:
        self._database = database
        self._writers = writers
        self._followers = followers

    async def add(self, generation: Generation, *also: InSameCommit) -> None:
        """Commit a new generation; the writers `also` add their rows in the same transaction."""
        row = _row(generation.state) | {
            "id": generation.id,
            "client": generation.client,
            "spec": generation.spec,
            "created_at": generation.created_at,
        }

        def write(connection: sa.Connection) -> None:
            connection.execute(generations.insert(), row)
            for write_also in also:
                write_also(connection, generation)

        await self._database.write(write)

    async def annotate(self, generation: Generation, metadata: dict[str, str]) -> None:
        """Replace the metadata of an order."""
        spec = replace(generation.spec, metadata=metadata)
        change = generations.update().where(generations.c.id == generation.id).values(spec=spec)
        await self._database.write(lambda connection: connection.execute(change))
        generation.spec = spec

    async def record(self, generation: Generation, state: State, *new: Event) -> None:
        """Commit a generation's next state together with new events, then apply both and call the followers.

        The log of a cancelled generation has ended, so only the state of its upstream task is recorded.
        """
        async with generation.lock:
            if not generation.cancelled:
                await self._commit(generation, state, new)
            elif state.status in BEYOND_RECALL:
                await self._commit(generation, state, ())
            else:
                cancelled = generation.state.to(Status.cancelled, intent_at=state.intent_at)
                await self._commit(generation, cancelled, ())

    async def cancel(self, generation: Generation) -> None:
        """Commit the cancellation of a generation, unless it has ended. An order that has not been sent will never
        be sent."""
        async with generation.lock:
            if not generation.ended:
                state = generation.state
                state = state if state.status in BEYOND_RECALL else state.to(Status.cancelled)
                await self._commit(generation, state, (Cancelled(),))

    async def _commit(self, generation: Generation, state: State, new: Sequence[Event]) -> None:
        step = Step(generation, generation.state, state, new)
        row = _changes(step) | ({"ended_at": time.time()} if step.ends else {})

        def write(connection: sa.Connection) -> None:
            if row:
                connection.execute(_change_of(tuple(row)), row | {"which": generation.id})
            _write_events(connection, step)
            for write_also in self._writers:
                write_also(connection, step)

        writing = start_task(self._database.write(write), name=f"commit {generation.id}", awaited=True)
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            # The commit continues on its thread. Wait for it, because the log in memory must not fall behind the
            # database.
            await finished(writing)
            raise
        finally:
            if not (writing.cancelled() or writing.exception()):
                generation.state = state
                generation.log.append(*new)
                if step.ends or state.status is not step.old.status:
                    generation.previews.clear()  # their images are finished, will be made again, or are unwanted
                for follow in self._followers:
                    follow(step)

    async def find(self, generation_id: str, client: str | None = None) -> Generation | None:
        """A generation with its whole log, or None. With `client`, only a generation of this client is found."""
        where = generations.c.id == generation_id
        if client is not None:
            where &= generations.c.client == client
        found = await self._database.read(lambda connection: _load(connection, where))
        return found[0] if found else None

    async def find_all(self, generation_ids: Sequence[str]) -> list[Generation]:
        """The existing generations with these ids, in the order of the ids."""
        ids = list(generation_ids)
        found = await self._database.read(lambda connection: _load(connection, generations.c.id.in_(ids)))
        return sorted(found, key=lambda generation: ids.index(generation.id))

    async def newest(
        self, client: str, limit: int, *, before: str | None = None, phase: Phase | None = None
    ) -> list[Generation]:
        """A client's generations, newest first. `before` is the id of one of them; only older ones are returned.

        `phase` selects the generations in this phase.
        """
        mine = generations.c.client == client
        where = [mine]
        if before is not None:
            older = sa.select(generations.c.number).where(mine, generations.c.id == before).scalar_subquery()
            where.append(generations.c.number < older)
        if phase is not None:
            where.append(_in_phase(phase))
        query = sa.select(generations.c.number).where(*where).order_by(generations.c.number.desc()).limit(limit)
        found = await self._database.read(lambda connection: _load(connection, generations.c.number.in_(query)))
        return found[::-1]

    async def unfinished(self) -> list[Generation]:
        """All generations that have not ended, in the order of their arrival."""
        live = [status for status in Status if status not in FINAL]  # `not in FINAL` would read every row
        return await self._database.read(lambda connection: _load(connection, generations.c.status.in_(live)))

    async def known_tasks(self, key_id: str, task_ids: Sequence[str]) -> set[str]:
        """Those of the given upstream tasks that belong to a generation."""
        query = sa.select(generations.c.task_id).where(
            generations.c.key_id == key_id, generations.c.task_id.in_(list(task_ids))
        )
        return await self._database.read(lambda connection: set(connection.scalars(query)))

    async def lists_lacked_prompts(self) -> bool | None:
        """Whether lists of tasks had no prompts when the last order was accepted; None if no order was accepted."""
        taken = sa.select(generations.c.listed.is_not(None)).where(generations.c.task_id.is_not(None))
        query = taken.order_by(generations.c.number.desc()).limit(1)
        return await self._database.read(lambda connection: connection.scalar(query))

    async def check_writable(self) -> None:
        """Check that a new order could be committed now. Raises StorageUnavailable."""
        await self._database.check_writable()

    async def has_image(self, name: str) -> bool:
        """Whether a generation has a stored image with this name."""
        query = sa.select(images.c.name).where(images.c.name == name)
        return await self._database.read(lambda connection: connection.scalar(query)) is not None


def _in_phase(phase: Phase) -> sa.ColumnElement[bool]:
    """`Generation.phase` in SQL."""
    beyond_recall, log_ended = generations.c.status.in_([*BEYOND_RECALL]), generations.c.ended_at.is_not(None)
    match phase:
        case Phase.in_progress:
            return beyond_recall & ~log_ended
        case Phase.cancelled:
            return (generations.c.status == phase.value) | (beyond_recall & log_ended)
        case _:
            return generations.c.status == phase.value


def _write_events(connection: sa.Connection, step: Step) -> None:
    generation_id = step.generation.id
    for number, event in enumerate(step.events, len(step.generation.log) + 1):
        kind, fields = event_to_record(event)
        record = {"generation_id": generation_id, "number": number, "kind": kind, "fields": fields}
        connection.execute(events.insert(), record)
        if isinstance(event, Image) and event.name:
            connection.execute(images.insert(), {"name": event.name, "generation_id": generation_id})


def _row(state: State) -> dict[str, Any]:
    """The columns of a state. orjson serializes the dataclasses in them."""
    return {name: getattr(state, name) for name in COLUMNS} | {"status": state.status.value}


def _changes(step: Step) -> dict[str, Any]:
    """The columns that a step changes."""
    before, after = _row(step.old), _row(step.new)
    return {name: value for name, value in after.items() if value != before[name]}


def _load(connection: sa.Connection, where: sa.ColumnElement[bool]) -> list[Generation]:
    rows = connection.execute(sa.select(generations).where(where).order_by(generations.c.number)).all()
    ids = [row.id for row in rows]
    logs: dict[str, list[Event]] = {generation_id: [] for generation_id in ids}
    for start in range(0, len(ids), 500):  # below SQLite's limit on the number of parameters
        query = sa.select(events).where(events.c.generation_id.in_(ids[start : start + 500])).order_by(events.c.number)
        for event in connection.execute(query):
            logs[event.generation_id].append(event_from_record(event.kind, event.fields))
    return [_generation(row, logs[row.id]) for row in rows]


def _generation(row: sa.Row[Any], log: list[Event]) -> Generation:
    stored = {field.name: getattr(row, field.name) for field in fields(State)}
    converted = {
        "status": Status(row.status),
        "listed": None if row.listed is None else tuple(row.listed),
        "assets": tuple(Asset(**asset) for asset in row.assets),
        "ignored": tuple(row.ignored),
        "size": None if row.size is None else tuple(row.size),
        "calls": tuple(_single_call(call) for call in row.calls),
    }
    state = State(**stored | converted)
    generation = Generation(row.id, row.client, _spec(row.spec), row.created_at, state, EventLog(log))
    if generation.ended:
        generation.log.close()
    return generation


def _single_call(stored: dict[str, Any]) -> SingleCall:
    asset, error = stored["asset"], stored["error"]
    made, failed = Asset(**asset) if asset else None, Failed(**error) if error else None
    return SingleCall(stored["sent"], stored["counted"], made, failed)


def _spec(stored: dict[str, Any]) -> GenerationSpec:
    """The stored order. Older versions stored a single reference image, in the field `image`."""
    older = {"images": [stored["image"]] if stored["image"] else []} if "image" in stored else {}
    fields = {name: value for name, value in stored.items() if name != "image"} | older
    listed = {name: tuple(fields.get(name, ())) for name in ("images", "via")}
    return GenerationSpec(**fields | listed)
