"""The event log of a generation, which any number of followers can read."""

import asyncio

import pytest

from sora_proxy.event_log import Cancelled, Completed, Event, EventLog, Failed, Image, Progress, Queued
from tests.unit.scheduling.virtual_time import VirtualTimeLoop

SOME_EVENTS: list[Event] = [
    Queued(3, 12),
    Queued(1),
    Progress(42, 7, 30),
    Progress(),
    Image(0, name="0" * 32 + ".png"),
    Image(3, url="https://media.example/x?sig=%20"),
    Completed(),
    Failed("generation_failed", 'with "quotes", 中文 and\nlines'),
    Cancelled(),
]


async def collect(log: EventLog[Event], after: int = 0) -> list[Event]:
    return [event async for events in log.follow(after) for event in events]


async def test_a_late_follower_sees_all_events_from_the_beginning() -> None:
    log = EventLog[Event]()
    log.append(*SOME_EVENTS)
    log.close()
    assert await collect(log) == SOME_EVENTS
    assert await collect(log) == SOME_EVENTS
    assert list(log) == SOME_EVENTS
    assert len(log) == len(SOME_EVENTS)
    assert log.last == Cancelled()


async def test_an_empty_log_has_no_last_event() -> None:
    assert EventLog[Event]().last is None


@pytest.mark.parametrize("after", range(len(SOME_EVENTS) + 3))
async def test_following_after_a_number_yields_only_later_events(after: int) -> None:
    log = EventLog[Event](SOME_EVENTS)
    log.close()
    assert await collect(log, after) == SOME_EVENTS[after:]


async def test_all_followers_see_all_events_no_matter_when_they_joined() -> None:
    log = EventLog[Event]()
    followers = []
    for event in SOME_EVENTS:
        followers.append(asyncio.create_task(collect(log)))
        await asyncio.sleep(0)
        log.append(event)
    log.close()
    assert await asyncio.gather(*followers) == [SOME_EVENTS] * len(SOME_EVENTS)


async def test_a_follower_does_not_miss_events_while_it_handles_another_event() -> None:
    log = EventLog[Event]([Queued(1)])
    seen: list[Event] = []
    async for events in log.follow():
        seen.extend(events)
        if len(seen) == 1:  # the follower is suspended at a yield and does not wait for events
            log.append(Progress(1))
            log.append(Progress(2), Progress(3))
            log.close()
    assert seen == [Queued(1), Progress(1), Progress(2), Progress(3)]


async def test_a_waiting_follower_is_woken_by_an_event_and_ended_by_close() -> None:
    log = EventLog[Event]()
    follower = asyncio.create_task(collect(log))
    await asyncio.sleep(0)
    log.append(Progress(1))
    await asyncio.sleep(0)
    assert not follower.done()
    log.close()
    assert await follower == [Progress(1)]


async def test_a_follower_can_ask_for_the_events_after_an_event_that_does_not_exist_yet() -> None:
    log = EventLog[Event]()
    follower = asyncio.create_task(collect(log, after=2))
    for percent in (1, 2, 3):
        await asyncio.sleep(0)
        log.append(Progress(percent))
    log.close()
    assert await follower == [Progress(3)]


async def test_a_follower_gets_empty_ticks_until_the_next_event() -> None:
    log = EventLog[Event]([Queued(1)])
    ticks = log.follow(idle=0.001)
    assert [list(await anext(ticks)) for _ in range(4)] == [[Queued(1)], [], [], []]
    log.append(Completed())
    assert list(await anext(ticks)) == [Completed()]
    log.close()
    assert [events async for events in ticks] == []


async def test_a_nudge_wakes_only_the_followers_that_asked_for_nudges() -> None:
    log = EventLog[Event]()
    log.nudge()
    asked, other = log.follow(nudged=True), asyncio.ensure_future(anext(log.follow()))
    assert list(await anext(asked)) == []  # the nudge came before the follower joined
    waiting = asyncio.ensure_future(anext(asked))
    await asyncio.sleep(0)
    log.nudge()
    assert list(await waiting) == []
    assert not other.done()
    log.append(Completed())
    assert list(await anext(asked)) == list(await other) == [Completed()]


def test_a_nudge_does_not_delay_the_ticks_of_other_followers() -> None:
    async def listen() -> None:
        loop = asyncio.get_running_loop()
        log = EventLog[Event]()
        for seconds in (1, 2, 3, 4):
            loop.call_later(seconds, log.nudge)
        begun = loop.time()
        assert list(await anext(log.follow(idle=5))) == []
        assert loop.time() - begun == 5

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(listen())


async def test_events_that_are_available_together_are_delivered_together() -> None:
    log = EventLog[Event]([Queued(1)])
    follower = log.follow()
    assert list(await anext(follower)) == [Queued(1)]
    log.append(Progress(1), Completed())
    assert list(await anext(follower)) == [Progress(1), Completed()]


def test_the_idle_time_is_measured_from_the_last_event() -> None:
    async def listen() -> None:
        loop = asyncio.get_running_loop()
        log = EventLog[Event]()
        ticks = log.follow(idle=5)
        first = asyncio.ensure_future(anext(ticks))
        loop.call_later(3, log.append, Progress(1))
        assert list(await first) == [Progress(1)]
        heard = loop.time()
        assert list(await anext(ticks)) == []
        assert loop.time() - heard == 5

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(listen())


async def test_a_follower_without_an_idle_time_gets_no_ticks() -> None:
    log = EventLog[Event]()
    news = asyncio.ensure_future(anext(log.follow()))
    done, _ = await asyncio.wait([news], timeout=0.02)
    assert not done
    log.append(Completed())
    assert list(await news) == [Completed()]


async def test_cancelled_followers_are_removed_from_the_log() -> None:
    log = EventLog[Event]()
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


async def test_cancelling_a_follower_that_is_handling_an_event_does_not_affect_other_followers() -> None:
    log = EventLog[Event]()
    one, other = (asyncio.create_task(collect(log)) for _ in range(2))
    await asyncio.sleep(0)
    log.append(Progress(1))
    one.cancel()
    log.append(Progress(2))
    log.close()
    assert await other == [Progress(1), Progress(2)]
    with pytest.raises(asyncio.CancelledError):
        await one
