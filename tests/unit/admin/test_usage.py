"""Usage: every transition of a generation is counted once, in the commit that stores the transition."""

import asyncio
import datetime as dt
from dataclasses import replace

import pytest

from sora_proxy.database import Database
from sora_proxy.event_log import Completed, Event, Image
from sora_proxy.generation import TRANSITIONS, Generation, Status, new_generation_id
from sora_proxy.operators import usage
from sora_proxy.operators.usage import COUNTERS, MAX_DAYS, Usage
from sora_proxy.orders.store import Store
from sora_proxy.spec import GenerationSpec

KEY = "0123456789abcdef"
TODAY = dt.datetime.now(dt.UTC).date()
IMAGES: tuple[Event, ...] = (Image(0, url="https://example.com/0"), Image(1, url="https://example.com/1"))


async def counted(database: Database) -> dict[str, int]:
    """The key's counters, added up over all days. Counters that are 0 are left out."""
    rows = await Usage(database).days(KEY)
    sums = {counter: sum(row[counter] for row in rows) for counter in COUNTERS}
    return {counter: value for counter, value in sums.items() if value}


async def carry_out(store: Store, *statuses: Status, events: tuple[Event, ...] = ()) -> None:
    """Move a new generation through these statuses. The events are recorded together with the last status."""
    generation = Generation(new_generation_id(), "client", GenerationSpec("sora-1.0", "a fox"))
    await store.add(generation)
    for number, status in enumerate(statuses, 1):
        key_id = None if status is Status.queued else KEY
        state = generation.state.to(status, key_id=key_id, attempts=statuses[:number].count(Status.submitting))
        await store.record(generation, state, *(events if number == len(statuses) else ()))


PATH = (Status.submitting, Status.running, Status.saving)


@pytest.mark.parametrize(
    ("statuses", "events", "expected"),
    [
        (
            (*PATH, Status.completed),
            (*IMAGES, Completed()),
            {"sent": 1, "accepted": 1, "completed": 1, "pictures": 2},
        ),
        ((Status.submitting, Status.queued, *PATH), (), {"sent": 2, "refused": 1, "accepted": 1}),
        ((Status.submitting, Status.failed), (), {"sent": 1, "refused": 1}),
        ((Status.submitting, Status.unknown, Status.running), (), {"sent": 1, "accepted": 1}),
        ((Status.submitting, Status.unknown, Status.queued, Status.submitting), (), {"sent": 2}),
        ((Status.submitting, Status.unknown, Status.failed), (), {"sent": 1, "failed": 1}),
        ((*PATH[:2], Status.failed), (), {"sent": 1, "accepted": 1, "failed": 1}),
        ((*PATH, Status.failed), (), {"sent": 1, "accepted": 1, "failed": 1}),
        ((Status.failed,), (), {}),
        ((Status.cancelled,), (), {}),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) and value and isinstance(value[0], Status) else None,
)
async def test_each_transition_increases_its_counter(
    database: Database, statuses: tuple[Status, ...], events: tuple[Event, ...], expected: dict[str, int]
) -> None:
    await carry_out(Store(database, [usage.count]), *statuses, events=events)
    assert await counted(database) == expected


async def test_events_without_a_transition_are_not_counted(database: Database) -> None:
    store, generation = (
        Store(database, [usage.count]),
        Generation("chatcmpl-x", "client", GenerationSpec("sora-1.0", "a fox")),
    )
    await store.add(generation)
    await store.record(generation, generation.state.to(Status.submitting, key_id=KEY))
    for _ in range(5):
        await store.record(generation, replace(generation.state), IMAGES[0])
    assert await counted(database) == {"sent": 1}


async def test_a_failed_commit_is_not_counted(database: Database) -> None:
    store = Store(database, [usage.count])
    first, second = (Generation(f"chatcmpl-{n}", "client", GenerationSpec("sora-1.0", "a fox")) for n in range(2))
    for generation in (first, second):
        await store.add(generation)
        await store.record(generation, generation.state.to(Status.submitting, key_id=KEY))
    await store.record(first, first.state.to(Status.running, task_id="task"))
    with pytest.raises(Exception, match="UNIQUE"):
        await store.record(second, second.state.to(Status.running, task_id="task"))
    assert await counted(database) == {"sent": 2, "accepted": 1}


async def test_simultaneous_transitions_are_all_counted(database: Database) -> None:
    store = Store(database, [usage.count])
    await asyncio.gather(*(carry_out(store, *PATH, Status.completed) for _ in range(100)))
    assert (await counted(database))["completed"] == 100


async def test_counters_are_stored_for_thirty_days(database: Database) -> None:
    days = [TODAY - dt.timedelta(days=ago) for ago in range(1, 40)]
    rows = [{"key_id": KEY, "day": day.isoformat(), "sent": 1} for day in days]
    await database.write(lambda connection: connection.execute(usage.usage.insert(), rows))
    assert len(await Usage(database).days()) == MAX_DAYS - 1
    await carry_out(Store(database, [usage.count]), Status.submitting)
    kept = await database.read(lambda connection: connection.execute(usage.usage.select()).all())
    assert len(kept) == MAX_DAYS
    assert [row["day"] for row in await Usage(database).days()][:2] == [TODAY.isoformat(), days[0].isoformat()]


def test_every_transition_has_a_counter_or_is_listed_as_uncounted() -> None:
    counters = {(old, new): usage._counter(old, new, begun=False) for old, ends in TRANSITIONS.items() for new in ends}
    silent = {f"{old}-{new}" for (old, new), counter in counters.items() if counter is None}
    assert silent == {
        "queued-failed",
        "queued-cancelled",
        "submitting-unknown",
        "submitting-cancelled",
        "unknown-cancelled",
        "unknown-queued",
        "queued-saving",
        "unknown-saving",
        "running-saving",
        "running-queued",
        "running-cancelled",
        "saving-cancelled",
    }
