"""Waiting: waits for a key in the lines of one or several pools at the same time."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence

from sora_proxy.errors import NoUpstreamKey, Rerouted
from sora_proxy.scheduling.key_pool import KeyPool
from sora_proxy.scheduling.lease import Lease
from sora_proxy.scheduling.line import Place

OnWait = Callable[[int, int | None], Awaitable[None]]  # takes a position in line and the expected wait in seconds
PlaceIn = tuple[KeyPool, Place[Lease]]


async def first_lease(places: Sequence[PlaceIn], on_wait: OnWait) -> tuple[KeyPool, Lease]:
    """Wait until a pool has a key for an order. If several pools have one, the pool that comes first in `places` is
    used.

    `on_wait` is called when the position in the line with the shortest wait has changed noticeably, at most about once
    a second. Raises NoUpstreamKey if no pool has a key left that can serve, Rerouted if the pools have to be chosen
    again, or, if all pools refused the order, the error of the first pool.
    """
    updated = asyncio.Event()
    entered: list[PlaceIn] = []
    taken: PlaceIn | None = None
    try:
        for pool, place in places:
            place.updated = updated
            entered.append((pool, place))
            pool.enter(place)
            if place.grant is not None:
                break
        while (taken := next((each for each in entered if each[1].grant is not None), None)) is None:
            if (refusal := _refusal(entered)) is not None:
                raise refusal
            await updated.wait()
            updated.clear()
            await _show(entered, on_wait)
    finally:
        for each in entered:
            if each is not taken:
                each[0].leave(each[1])
    pool, place = taken
    assert place.grant is not None  # noqa: S101 - the loop ends with a granted place
    return pool, place.grant


def _refusal(entered: Sequence[PlaceIn]) -> Exception | None:
    """The error that makes the order leave the lines; None while it is waiting in one of them."""
    refusals = [place.refusal for _, place in entered if place.refusal is not None]
    rerouted = next((each for each in refusals if isinstance(each, Rerouted)), None)
    if rerouted is not None or len(refusals) < len(entered):
        return rerouted
    return next(iter(refusals), NoUpstreamKey())


async def _show(entered: Sequence[PlaceIn], on_wait: OnWait) -> None:
    waits = [
        (pool.queue.expected_wait(place.model, place.position), place.position)
        for pool, place in entered
        if place.waiting
    ]
    if len(waits) == len(entered):  # otherwise one of the places has a grant or a refusal
        seconds, position = min(waits)
        await on_wait(position, math.ceil(seconds) if math.isfinite(seconds) else None)
