"""Kills of a server in front of a toy, which does not identify orders in the same way as the simulator."""

import asyncio
import random
from pathlib import Path

from aiohttp import web

from tests.chaos.kills import Aim, killed_at, killed_at_random
from tests.chaos.toy_world import ToyWorld, toy_world
from tests.chaos.world import Outcome
from tests.contract.script import Script, Step

LONGEST_STEP = 0.25  # seconds


class SlowScript(Script):
    """A script in which every step takes some time, so that orders are at different steps when the server is killed."""

    def __init__(self, dice: random.Random) -> None:
        super().__init__()
        self._dice = dice

    async def at(self, step: Step, request: web.Request | None) -> None:
        await asyncio.sleep(self._dice.uniform(0, LONGEST_STEP))
        await super().at(step, request)


async def at_random(folder: Path, kind: str, *, kills: int, orders: int) -> Outcome:
    """Kill the server at random times, while orders are at different steps. Some answers are lost on the way."""
    async with toy_world(folder, kind, SlowScript(random.Random(orders))) as it:
        return await killed_at_random(it, kills=kills, orders=orders)


# --- At each step -----------------------------------------------------------------------------------------------------


async def _arrived(it: ToyWorld) -> None:
    await _wait_at(it, Step.arrived)


async def _lost_on_the_wire(it: ToyWorld) -> None:
    it.stage.script.cut(Step.arrived)
    await _wait_at(it, Step.arrived)


async def _registered(it: ToyWorld) -> None:
    await _wait_at(it, Step.registered)


async def _answered(it: ToyWorld) -> None:
    await _wait_at(it, Step.registered)
    it.stage.script.release()
    await asyncio.sleep(random.uniform(0, 0.04))


async def _polled(it: ToyWorld) -> None:
    await _wait_at(it, Step.polled)


async def _fetched(it: ToyWorld) -> None:
    await _wait_at(it, Step.fetched)


async def _wait_at(it: ToyWorld, step: Step) -> None:
    """Place an order, and wait until it is paused at a step. It is released after the kill."""
    it.stage.script.pause(step)
    await it.order()
    await it.stage.script.reach(step)


ARRIVED = Aim(_arrived)  # the toy registers the order after the kill
LOST_ON_THE_WIRE = Aim(_lost_on_the_wire)  # the toy never registers the order
REGISTERED = Aim(_registered)  # the order is registered, but the answer has not been sent yet
ANSWERED = Aim(_answered, leaves=None)  # the answer was sent up to 40 ms ago
POLLED = Aim(_polled, leaves="running")
FETCHED = Aim(_fetched, leaves="saving")
AIMS = {
    "named": (ARRIVED, LOST_ON_THE_WIRE, REGISTERED, ANSWERED, POLLED, FETCHED),
    "synchronous": (ARRIVED, LOST_ON_THE_WIRE, REGISTERED, ANSWERED),
}


async def aimed(folder: Path, kind: str, *aims: Aim) -> Outcome:
    """Kill the server at each of these points."""
    async with toy_world(folder, kind) as it:
        return await killed_at(it, *aims)


# --- A back end that loses jobs ---------------------------------------------------------------------------------------


async def forgotten(folder: Path, *, kills: int, orders: int, on_lost: str) -> Outcome:
    """Kill the server while orders are running. Before or after the kill, the back end loses its jobs in a restart."""
    async with toy_world(folder, "named", ON_LOST=on_lost) as it:
        for number in range(kills):
            async with it.life() as server:
                it.stage.script.tasks_end = False
                placed = [await it.order() for _ in range(orders)]
                for generation_id in placed:
                    assert generation_id is not None
                    await it.until_on_disk(generation_id, "running")
                if number % 2:
                    it.forget()
                await it.kill(server)
                it.forget()
                it.stage.script.tasks_end = True
            async with it.life():
                for generation_id in placed:
                    await it.made(generation_id or "")
        async with it.life():
            return await it.final_outcome()
