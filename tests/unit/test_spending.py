"""Daily caps on images: which orders count, when an order stops counting, and that no cap is ever exceeded."""

import asyncio
import datetime as dt
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from sora_proxy.blocking import BlockingPool
from sora_proxy.database import Database, rows_of
from sora_proxy.errors import DailyCapReached
from sora_proxy.event_log import Completed, Event, Failed
from sora_proxy.generation import FINAL, Generation, Status, Step, new_generation_id
from sora_proxy.orders.recorder import Recorder
from sora_proxy.orders.spending import DAYS_KEPT, Caps, Spending, spending
from sora_proxy.orders.store import Store
from sora_proxy.spec import GenerationSpec

BACKENDS = ("first", "second", "third")
IN_ALL, OWN = 12, {"first": 5, "second": 8}
HOUR, DAY = 3600.0, 86_400.0
FAILED = Failed("generation_failed", "x")
Outcome = Callable[[], Awaitable[None]]


def order(images: int = 1) -> Generation:
    return Generation(new_generation_id(), "client", GenerationSpec("m", "p", images))


async def table(database: Database) -> Counter[tuple[str, str]]:
    """The images counted on disk, by back end and day."""
    rows = await database.read(lambda connection: rows_of(connection, sa.select(spending)))
    return Counter({(row["backend"], row["day"]): row["images"] for row in rows})


@dataclass
class Attempt:
    """An order that was sent, as recorded in the simple model with which the real counts are compared."""

    backend: str
    day: str
    images: int


class Story:
    """Orders in a real database, whose counts are compared with those of a simple model."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "sora_proxy.db"
        self._threads = BlockingPool()
        self._now = 20_000 * DAY
        self._orders: list[Generation] = []
        # The model: the open attempt of each order, and the images that count, by back end and day.
        self._attempts: dict[str, Attempt] = {}
        self._counted: Counter[tuple[str, str]] = Counter()

    async def run(self, steps: Sequence[tuple[str, int]]) -> None:
        await self._open()
        for name, choice in steps:
            await {
                "order": self._place,
                "step": self._take_a_step,
                "burst": self._send_all,
                "cancel": self._cancel,
                "restart": self._restart,
                "hours": self._let_pass,
            }[name](choice)
            await self._check()
        await self._database.close()
        self._threads.close()

    async def _open(self) -> None:
        self._database = await asyncio.to_thread(Database, self._path, self._threads)
        await self._database.open()
        self._spending = Spending(self._database, Caps(IN_ALL, OWN), now=lambda: self._now)
        await self._spending.load()
        self._store = Store(self._database, [self._spending.count], [self._spending.follow])
        self._recorder = Recorder(self._store)
        self._orders = await self._store.unfinished()

    async def _restart(self, _choice: int) -> None:
        await self._database.close()
        await self._open()

    async def _let_pass(self, choice: int) -> None:
        self._now += choice % 12 * HOUR

    async def _place(self, choice: int) -> None:
        self._orders.append(order(choice % 4 + 1))
        await self._store.add(self._orders[-1])

    async def _cancel(self, choice: int) -> None:
        if self._orders:
            await self._store.cancel(self._orders[choice % len(self._orders)])

    async def _send_all(self, choice: int) -> None:
        """Send all waiting orders at once, and check that each refused order exceeded a cap."""
        waiting = [each for each in self._orders if each.status is Status.queued]
        targets = [BACKENDS[(choice + number) % 3] for number in range(len(waiting))]
        sent = await asyncio.gather(*(self._send(*each) for each in zip(waiting, targets, strict=True)))
        for generation, backend, passed in zip(waiting, targets, sent, strict=True):
            assert passed or generation.spec.n > self._room(backend)

    async def _send(self, generation: Generation, backend: str) -> bool:
        """Commit an intent; returns whether the caps allow the order."""
        intent = {"backend": backend, "key_id": "key", "intent_at": self._now}
        try:
            await self._recorder.record(generation, generation.state.to(Status.submitting, **intent))
        except DailyCapReached:
            return False
        self._attempts[generation.id] = attempt = Attempt(backend, self._day(), generation.spec.n)
        self._counted[backend, attempt.day] += attempt.images
        return True

    async def _take_a_step(self, choice: int) -> None:
        unfinished = [each for each in self._orders if each.status not in FINAL]
        if not unfinished:
            return
        choice, number = divmod(choice, len(unfinished))
        generation = unfinished[number]
        if generation.status is Status.queued:
            backend = BACKENDS[choice % 3]
            fits = generation.spec.n <= self._room(backend)
            assert (self._spending.refusal(backend, generation.spec.n) is None) == fits
            assert await self._send(generation, backend) == fits
        elif outcomes := self._outcomes(generation):
            await outcomes[choice % len(outcomes)]()

    def _outcomes(self, generation: Generation) -> Sequence[Outcome]:
        """The steps that are possible from the status of an order."""
        recorder, task_id = self._recorder, f"task of {generation.id}"

        async def accept() -> None:
            await recorder.accept(generation, task_id)

        async def fail() -> None:
            await recorder.fail(generation, FAILED)

        async def be_refused() -> None:
            await recorder.fail(generation, FAILED, refused=True)
            self._return(generation)

        async def be_sent_again() -> None:
            await recorder.requeue(generation)
            self._return(generation)

        async def be_lost() -> None:
            await recorder.requeue(generation)

        def to(status: Status, *events: Event) -> Outcome:
            return lambda: recorder.record(generation, generation.state.to(status), *events)

        steps: dict[Status, Sequence[Outcome]] = {
            Status.submitting: [accept, fail, be_refused, be_sent_again, to(Status.unknown), to(Status.saving)],
            Status.unknown: [accept, fail, be_sent_again],
            Status.running: [to(Status.saving), fail, be_lost],
            Status.saving: [to(Status.completed, Completed()), fail],
        }
        return steps.get(generation.status, [])

    def _return(self, generation: Generation) -> None:
        attempt = self._attempts.pop(generation.id)
        self._counted[attempt.backend, attempt.day] -= attempt.images

    def _day(self, ago: int = 0) -> str:
        return (dt.date(1970, 1, 1) + dt.timedelta(days=int(self._now // DAY) - ago)).isoformat()

    def _room(self, backend: str) -> int:
        """The number of images that may still be ordered at a back end today."""
        today = {name: self._counted[name, self._day()] for name in BACKENDS}
        return min(IN_ALL - sum(today.values()), OWN.get(backend, IN_ALL) - today[backend])

    async def _check(self) -> None:
        """Check that no cap is exceeded, and that the counts in the table and in memory agree with the model."""
        assert min(map(self._room, BACKENDS)) >= 0
        counted = await table(self._database)
        for backend in BACKENDS:
            assert self._spending.today.get(backend, 0) == self._counted[backend, self._day()]
            for day in map(self._day, range(DAYS_KEPT)):
                assert counted[backend, day] == self._counted[backend, day]


ACTIONS = ["order", "order", *["step"] * 6, "burst", "cancel", "restart", "hours"]


@pytest.mark.slow
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(1, 60)), min_size=30, max_size=60))
def test_caps_count_all_orders_that_may_have_been_registered_and_are_never_exceeded(
    steps: list[tuple[str, int]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(Story(Path(folder)).run(steps))


async def test_an_order_that_is_sent_again_counts_twice_only_if_its_task_was_lost(
    database: Database,
) -> None:
    counting = Spending(database, Caps(), now=lambda: 20_000 * DAY)
    store, generation = Store(database, [counting.count], [counting.follow]), order(images=2)
    recorder = Recorder(store)
    await store.add(generation)
    for outcome, counted in (("taken", 2), ("refused", 2), ("not found", 2), ("taken", 4)):
        intent = {"backend": "first", "key_id": "key", "intent_at": 20_000 * DAY}
        await recorder.record(generation, generation.state.to(Status.submitting, **intent))
        if outcome == "taken":
            await recorder.accept(generation, "task")
        elif outcome == "not found":
            await recorder.record(generation, generation.state.to(Status.unknown))
        await recorder.requeue(generation)
        assert list((await table(database)).values()) == [counted]
        assert counting.today == {"first": counted}


async def test_an_intent_that_is_not_committed_does_not_count(database: Database) -> None:
    def refuse(_connection: sa.Connection, step: Step) -> None:
        if step.new.attempts == 1:
            raise OverflowError

    counting = Spending(database, Caps(in_all=1))
    store, generation = Store(database, [counting.count, refuse], [counting.follow]), order()
    await store.add(generation)
    intent = {"backend": "first", "key_id": "key", "intent_at": 20_000 * DAY}
    with pytest.raises(OverflowError):
        await store.record(generation, generation.state.to(Status.submitting, attempts=1, **intent))
    assert await table(database) == {}
    await store.record(generation, generation.state.to(Status.submitting, attempts=2, **intent))
    assert await table(database) == {("first", "2024-10-04"): 1}


async def test_requeueing_an_order_that_an_older_version_sent_does_not_reduce_the_count(database: Database) -> None:
    counting = Spending(database, Caps(in_all=1), now=lambda: 20_000 * DAY)
    older, store = Store(database), Store(database, [counting.count], [counting.follow])
    sent_before, sent_now = order(images=4), order()
    intent = {"backend": "first", "key_id": "key", "intent_at": 20_000 * DAY}
    for generation, by in ((sent_before, older), (sent_now, store)):
        await store.add(generation)
        await by.record(generation, generation.state.to(Status.submitting, **intent))
    await Recorder(store).requeue(sent_before)
    assert await table(database) == {("first", "2024-10-04"): 1}
    assert counting.today == {"first": 1}


def test_a_cap_that_is_reached_is_logged_once_a_day_for_each_back_end(pool: BlockingPool, tmp_path: Path) -> None:
    now = 20_000 * DAY
    counting = Spending(Database(tmp_path / "never-opened.db", pool), Caps(3, {"first": 2}), now=lambda: now)
    with capture_logs() as lines:
        for day in range(2):
            now = (20_000 + day) * DAY
            for _ in range(3):
                assert counting.refusal("first", 2) is None
                assert "max_images_per_day=2 of the back end 'first'" in str(counting.refusal("first", 3))
                assert "MAX_IMAGES_PER_DAY=3 " in str(counting.refusal("second", 4))
    assert [line["backend"] for line in lines] == ["first", "second"] * 2
