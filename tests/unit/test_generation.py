"""The table of arrows, and the log that every follower reads."""

import asyncio
import itertools
from dataclasses import FrozenInstanceError

import orjson
import pytest

from sora_proxy.generation import (
    ARROWS,
    EVENTS,
    FINAL,
    Asset,
    Cancelled,
    Completed,
    Event,
    EventLog,
    Failed,
    Generation,
    GenerationSpec,
    Picture,
    Progress,
    Queued,
    State,
    Status,
    event_from_record,
    event_to_record,
    new_generation_id,
)

# Written out a second time: a change of the table must be meant.
ALLOWED = {
    "queued": "submitting failed cancelled",
    "submitting": "running unknown queued failed",
    "unknown": "running queued failed",
    "running": "saving failed cancelled",
    "saving": "completed failed cancelled",
    "completed": "",
    "failed": "",
    "cancelled": "",
}
SOME_EVENTS: list[Event] = [
    Queued(3, 12),
    Queued(1),
    Progress(42, 7, 30),
    Progress(),
    Picture(0, name="0" * 32 + ".png"),
    Picture(3, url="https://media.example/x?sig=%20"),
    Completed(),
    Failed("generation_failed", 'with "quotes", 中文 and\nlines'),
    Cancelled(),
]


@pytest.mark.parametrize(("start", "end"), list(itertools.product(Status, Status)))
def test_exactly_the_arrows_of_the_table_can_be_taken(start: Status, end: Status) -> None:
    state = State(start, key_id="k", attempts=2)
    if end.value in ALLOWED[start].split():
        assert state.to(end, task_id="t") == State(end, key_id="k", attempts=2, task_id="t")
    else:
        with pytest.raises(ValueError, match=f"from {start} to {end}"):
            state.to(end)
    assert state.status is start


def test_nothing_leads_out_of_a_final_status_and_every_other_status_leads_to_failed() -> None:
    assert {status for status in Status if not ARROWS[status]} == FINAL
    assert all(Status.failed in ARROWS[status] for status in Status if status not in FINAL)


def test_what_the_upstream_accepted_can_never_be_queued_or_submitted_again() -> None:
    reached, wave = {Status.running}, {Status.running}
    while wave:
        wave = {after for status in wave for after in ARROWS[status]} - reached
        reached |= wave
    assert reached.isdisjoint({Status.queued, Status.submitting, Status.unknown})


def test_a_state_can_not_be_changed_behind_the_back_of_the_store() -> None:
    state = State()
    with pytest.raises(FrozenInstanceError):
        state.status = Status.completed  # type: ignore[misc]


def test_a_generation_ends_with_its_status_and_tells_its_failure_and_its_events() -> None:
    generation = Generation("id", "client", GenerationSpec("m", "p"))
    assert (generation.ended, generation.failure) == (False, None)
    generation.log.append(*SOME_EVENTS)
    generation.state = State(Status.failed, assets=(Asset("https://x"),))
    assert (generation.ended, generation.failure) == (True, SOME_EVENTS[7])
    assert generation.events_of(Picture) == SOME_EVENTS[4:6]


@pytest.mark.parametrize("event", SOME_EVENTS, ids=repr)
def test_an_event_survives_its_record_and_json(event: Event) -> None:
    kind, fields = event_to_record(event)
    assert event_from_record(kind, orjson.loads(orjson.dumps(fields))) == event


def test_every_kind_of_event_has_a_record() -> None:
    assert {type(event) for event in SOME_EVENTS} == set(EVENTS.values())


def test_ids_are_url_safe_and_hold_128_random_bits() -> None:
    ids = {new_generation_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(bytes.fromhex(name.removeprefix("chatcmpl-"))) == 16 for name in ids)


# --- EventLog ---------------------------------------------------------------------------------------------------------


async def collect(log: EventLog, after: int = 0) -> list[Event]:
    return [event async for events in log.follow(after) for event in events]


async def test_a_late_follower_sees_everything_from_the_beginning() -> None:
    log = EventLog()
    log.append(*SOME_EVENTS)
    log.close()
    assert await collect(log) == SOME_EVENTS
    assert await collect(log) == SOME_EVENTS
    assert list(log) == SOME_EVENTS
    assert len(log) == len(SOME_EVENTS)
    assert log.last == Cancelled()


async def test_an_empty_log_has_no_last_event() -> None:
    assert EventLog().last is None


@pytest.mark.parametrize("after", range(len(SOME_EVENTS) + 3))
async def test_following_after_a_number_yields_the_events_above_it(after: int) -> None:
    log = EventLog(SOME_EVENTS)
    log.close()
    assert await collect(log, after) == SOME_EVENTS[after:]


async def test_all_followers_see_the_same_wherever_they_came_in() -> None:
    log = EventLog()
    followers = []
    for event in SOME_EVENTS:
        followers.append(asyncio.create_task(collect(log)))
        await asyncio.sleep(0)
        log.append(event)
    log.close()
    assert await asyncio.gather(*followers) == [SOME_EVENTS] * len(SOME_EVENTS)


async def test_events_appended_while_a_follower_is_busy_with_another_are_not_missed() -> None:
    log = EventLog([Queued(1)])
    seen: list[Event] = []
    async for events in log.follow():
        seen.extend(events)
        if len(seen) == 1:  # suspended at a yield: nobody waits for news now
            log.append(Progress(1))
            log.append(Progress(2), Progress(3))
            log.close()
    assert seen == [Queued(1), Progress(1), Progress(2), Progress(3)]


async def test_a_waiting_follower_is_woken_by_an_event_and_ended_by_close() -> None:
    log = EventLog()
    follower = asyncio.create_task(collect(log))
    await asyncio.sleep(0)
    log.append(Progress(1))
    await asyncio.sleep(0)
    assert not follower.done()
    log.close()
    assert await follower == [Progress(1)]


async def test_a_follower_that_counts_ahead_waits_for_the_event_after_its_number() -> None:
    log = EventLog()
    follower = asyncio.create_task(collect(log, after=2))
    for percent in (1, 2, 3):
        await asyncio.sleep(0)
        log.append(Progress(percent))
    log.close()
    assert await follower == [Progress(3)]


async def test_silence_yields_nothing_again_and_again_and_then_the_event() -> None:
    log = EventLog([Queued(1)])
    ticks = log.follow(idle=0.001)
    assert [list(await anext(ticks)) for _ in range(4)] == [[Queued(1)], [], [], []]
    log.append(Completed())
    assert list(await anext(ticks)) == [Completed()]
    log.close()
    assert [events async for events in ticks] == []


async def test_events_that_are_there_together_come_together() -> None:
    log = EventLog([Queued(1)])
    follower = log.follow()
    assert list(await anext(follower)) == [Queued(1)]
    log.append(Progress(1), Completed())
    assert list(await anext(follower)) == [Progress(1), Completed()]


async def test_silence_is_counted_from_the_last_event() -> None:
    loop = asyncio.get_running_loop()
    log = EventLog()
    ticks = log.follow(idle=0.05)
    first = asyncio.ensure_future(anext(ticks))
    loop.call_later(0.03, log.append, Progress(1))
    assert list(await first) == [Progress(1)]
    heard = loop.time()
    assert list(await anext(ticks)) == []
    assert loop.time() - heard >= 0.049


async def test_without_idle_time_there_is_no_tick() -> None:
    log = EventLog()
    news = asyncio.ensure_future(anext(log.follow()))
    done, _ = await asyncio.wait([news], timeout=0.02)
    assert not done
    log.append(Completed())
    assert list(await news) == [Completed()]


async def test_followers_that_leave_are_forgotten() -> None:
    log = EventLog()
    followers = [asyncio.create_task(collect(log)) for _ in range(20)]
    await asyncio.sleep(0)
    assert len(log._waiters) == 20
    for follower in followers[:10]:
        follower.cancel()
    await asyncio.wait(followers[:10])
    assert len(log._waiters) == 10
    log.close()
    await asyncio.wait(followers)
    assert not log._waiters


async def test_a_follower_that_was_cancelled_just_as_news_came_takes_nothing_from_the_others() -> None:
    log = EventLog()
    one, other = (asyncio.create_task(collect(log)) for _ in range(2))
    await asyncio.sleep(0)
    log.append(Progress(1))
    one.cancel()
    log.append(Progress(2))
    log.close()
    assert await other == [Progress(1), Progress(2)]
    with pytest.raises(asyncio.CancelledError):
        await one
