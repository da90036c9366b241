"""Spending: counts the images ordered from each back end per UTC day, and enforces the daily caps.

An order is counted in the same commit as its intent, for the day of the intent. If the order would exceed a cap, this
commit fails. So the caps are exact, however many orders are sent at the same time and whenever the process is killed.
If a refusal or a search shows that nothing was registered, the commit that records this subtracts the images, and sets
`intent_at` to None. Orders that may have been registered stay counted. A copy of the counts is kept in memory and
updated after each commit, so back ends whose cap is reached can be skipped before anything is written.
"""

import datetime as dt
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa
import structlog

from sora_proxy.database import Database, metadata
from sora_proxy.errors import DailyCapReached
from sora_proxy.generation import State, Status, Step

log = structlog.get_logger(__name__)

DAYS_KEPT = 3  # more than one, because a clock may be set back, and images may be subtracted from an earlier day
NOT_ACCEPTED = (Status.submitting, Status.unknown)

spending = sa.Table(
    "spending",
    metadata,
    sa.Column("backend", sa.Text, primary_key=True),
    sa.Column("day", sa.Text, primary_key=True),  # UTC
    sa.Column("images", sa.Integer, nullable=False),
)

# Built once, because building a statement takes longer than executing it.
ORDERED = sa.select(spending.c.backend, spending.c.images).where(spending.c.day == sa.bindparam("on_day"))
ADD = (
    spending.update()
    .where(spending.c.backend == sa.bindparam("at_backend"), spending.c.day == sa.bindparam("on_day"))
    .where(spending.c.images + sa.bindparam("more") >= 0)  # orders sent by older versions were not counted
    .values(images=spending.c.images + sa.bindparam("more"))
)
PRUNE = spending.delete().where(spending.c.day < sa.bindparam("first_day"))


@dataclass(frozen=True, slots=True)
class Caps:
    """The maximum number of images per UTC day, in total and for each back end that has its own cap."""

    in_all: int | None = None
    of_backends: Mapping[str, int] = field(default_factory=dict)

    def bind(self, backend: str) -> bool:
        """Whether a cap limits the orders at a back end."""
        return self.in_all is not None or backend in self.of_backends

    def refusal(self, ordered: Mapping[str, int], backend: str, images: int) -> DailyCapReached | None:
        """The reason why this many more images may not be ordered at a back end; None if they may."""
        own = self.of_backends.get(backend)
        if self.in_all is not None and sum(ordered.values()) + images > self.in_all:
            return DailyCapReached(f"MAX_IMAGES_PER_DAY={self.in_all}")
        if own is not None and ordered.get(backend, 0) + images > own:
            return DailyCapReached(f"max_images_per_day={own} of the back end {backend!r}")
        return None


@dataclass(frozen=True, slots=True)
class Change:
    """The number of images that a step adds to the count of a back end on a day; negative to subtract images."""

    backend: str
    day: str
    images: int


def change_of(step: Step) -> Change | None:
    """The change that a step makes to the counts; None if there is no change."""
    old, new, images = step.old, step.new, step.generation.spec.n
    if old.calls or new.calls:
        return _change_by_calls(old, new)
    if old.status is Status.queued and new.status is Status.submitting and new.backend and new.intent_at is not None:
        return Change(new.backend, _day(new.intent_at), images)
    if old.status in NOT_ACCEPTED and old.backend and old.intent_at is not None and new.intent_at is None:
        return Change(old.backend, _day(old.intent_at), -images)
    return None


def _change_by_calls(old: State, new: State) -> Change | None:
    backend, at = new.backend or old.backend, new.intent_at or old.intent_at
    images = sum(call.counted for call in new.calls) - sum(call.counted for call in old.calls)
    return Change(backend, _day(at), images) if images and backend and at is not None else None


def _day(at: float) -> str:
    return dt.datetime.fromtimestamp(at, dt.UTC).date().isoformat()


def _first_day(day: str) -> str:
    """The first day whose counts are kept after a change on this day."""
    return (dt.date.fromisoformat(day) - dt.timedelta(days=DAYS_KEPT)).isoformat()


class Spending:
    """The counts of ordered images, in the table and in memory. `now` returns the seconds since 1970."""

    def __init__(self, database: Database, caps: Caps, now: Callable[[], float] = time.time) -> None:
        self._database = database
        self._now = now
        # All the mutable state: the caps, which change with the back ends; images by day and back end; and for
        # each back end, the day of the last log line about a cap.
        self.caps = caps
        self._ordered: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._logged: dict[str, str] = {}

    @property
    def today(self) -> Mapping[str, int]:
        """The number of images ordered today, by back end."""
        return self._ordered.get(_day(self._now()), {})

    async def load(self) -> None:
        """Read the counts that earlier processes stored. Raises StorageUnavailable."""
        query = sa.select(spending.c.backend, spending.c.day, spending.c.images)
        for backend, day, images in await self._database.read(lambda connection: connection.execute(query).all()):
            self._ordered[day][backend] = images

    def refusal(self, backend: str, images: int) -> DailyCapReached | None:
        """The reason why an order for this many images may not go to a back end now; None if it may."""
        refusal, today = self.caps.refusal(self.today, backend, images), _day(self._now())
        if refusal and self._logged.get(backend) != today:
            self._logged[backend] = today
            log.warning("daily cap reached", backend=backend, reason=str(refusal))
        return refusal

    def count(self, connection: sa.Connection, step: Step) -> None:
        """Count a step in the step's transaction. Raises DailyCapReached, which undoes the whole step."""
        if (change := change_of(step)) is None:
            return
        if change.images > 0 and self.caps.bind(change.backend):
            ordered = dict(connection.execute(ORDERED, {"on_day": change.day}).all())
            if refusal := self.caps.refusal(ordered, change.backend, change.images):
                raise refusal
        where = {"at_backend": change.backend, "on_day": change.day}
        if not connection.execute(ADD, where | {"more": change.images}).rowcount and change.images > 0:
            row = {"backend": change.backend, "day": change.day, "images": change.images}
            connection.execute(spending.insert(), row)
            connection.execute(PRUNE, {"first_day": _first_day(change.day)})

    def follow(self, step: Step) -> None:
        """Update the copy in memory after a step was committed."""
        if (change := change_of(step)) is None:
            return
        ordered = self._ordered[change.day]
        if ordered[change.backend] + change.images >= 0:  # the same condition as in `ADD`
            ordered[change.backend] += change.images
        first_day = _first_day(change.day)
        self._ordered = defaultdict(Counter, {day: each for day, each in self._ordered.items() if day >= first_day})
