"""Kills in front of the simulator, at random times and at chosen points.

Each function ends the server in one way, and returns the outcome.
"""

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos.simulator_world import SimulatorWorld, world
from tests.chaos.world import SETTLE_SECONDS, Outcome, World

LAG = ("--list-lag", "0.4")
NAMELESS = ("--list-without-prompts",)


async def at_random(folder: Path, *, kills: int, orders: int, options: tuple[str, ...] = LAG) -> Outcome:
    """Kill the server at random times, while orders are at different steps. Some answers are lost on the way."""
    async with world(folder, *options) as it:
        return await killed_at_random(it, kills=kills, orders=orders)


async def killed_at_random(it: World, *, kills: int, orders: int) -> Outcome:
    """Kill the server of any world at random times."""
    dice = random.Random(kills)
    await it.warm_up()
    for _ in range(kills):
        async with it.life() as server:
            await it.lose_answers(dice)
            placing = asyncio.gather(*(_order_soon(it, dice) for _ in range(orders)))
            await asyncio.sleep(dice.uniform(0.1, 0.9))
            await it.kill(server)
            await placing
    async with it.life():
        return await it.final_outcome()


async def _order_soon(it: World, dice: random.Random) -> None:
    await asyncio.sleep(dice.uniform(0, 0.5))
    await it.order(n=dice.choice((1, 1, 2)))


# --- At chosen points of the submit -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Aim:
    """A point in the course of an order at which the server is killed. `leaves` is the status that the order then has
    on disk; None: any status."""

    reach: Callable[[Any], Awaitable[None]]  # places an order in a world, and waits until the order is at the point
    leaves: str | None = "submitting"


async def _on_the_wire(it: SimulatorWorld) -> None:
    await _struck_by(it, "hang", registered=False)


async def _registered(it: SimulatorWorld) -> None:
    await _struck_by(it, "hang", registered=True)


async def _answered(it: SimulatorWorld) -> None:
    before = (await it.stats())["registered"]
    await it.order()
    await it.seen(registered=before + 1)
    await asyncio.sleep(random.uniform(0, 0.04))


async def _stopped(it: SimulatorWorld) -> None:
    it.upstream.send(signal.SIGSTOP)
    generation_id = await it.order()
    assert generation_id is not None
    await it.until_on_disk(generation_id, "submitting")
    await asyncio.sleep(0.05)  # time for the order to get from the intent to the socket


ON_THE_WIRE = Aim(_on_the_wire)  # the back end has read the order, but has not registered it
REGISTERED = Aim(_registered)  # the order is registered, but the answer has not been sent yet
ANSWERED = Aim(_answered, leaves=None)  # the answer was sent up to 40 ms ago
STOPPED = Aim(_stopped)  # the order is in the back end's socket, and is read after the kill
# STOPPED does not work if lists have no prompts: the server would still wait for a list, and send no order.
NAMELESS_AIMS = (ON_THE_WIRE, REGISTERED, ANSWERED)
AIMS = (*NAMELESS_AIMS, STOPPED)


async def aimed(folder: Path, *aims: Aim, options: tuple[str, ...] = ()) -> Outcome:
    """Kill the server at each of these points, and measure how long its next life takes to settle the order."""
    async with world(folder, *options) as it:
        return await killed_at(it, *aims)


async def killed_at(it: World, *aims: Aim) -> Outcome:
    """Kill the server of any world at each of these points."""
    await it.warm_up()
    for aim in aims:
        async with it.life() as server:
            await aim.reach(it)
            await it.kill(server)
            generation_id, prompt = list(it.book.acknowledged.items())[-1]
            status = (await it.rows())[prompt][0]
            # A kill at another point would prove nothing.
            assert status == aim.leaves or aim.leaves is None, (aim, status)
            await it.release()
        async with it.life():
            begun = time.perf_counter()
            ended = await it.made(generation_id)
            if status == "submitting" and ended["choices"][0]["finish_reason"] == "stop":
                it.outcome.settled.append(time.perf_counter() - begun)
    async with it.life():
        return await it.final_outcome()


async def _struck_by(it: SimulatorWorld, fault: str, **fields: object) -> None:
    before = await it.struck()
    await it.fault(fault, endpoint="submit", times=1, **fields)
    await it.order()
    await it.seen(struck=before + 1)


# --- Elsewhere --------------------------------------------------------------------------------------------------------


async def during_a_download(folder: Path, *, kills: int) -> Outcome:
    """Kill the server during downloads: alternately before the first byte of an image arrives, and in the middle of the
    image. The next life has to fetch the whole image."""
    async with world(folder, IMAGE_LOCALIZATION="True") as it:
        for number in range(kills):
            before = await it.struck()
            async with it.life() as server:
                fault = {"fault": "slow_body", "bytes": 64} if number % 2 else {"fault": "hang"}
                await it.fault(**fault, endpoint="media", times=1, seconds=30)
                generation_id = await it.order()
                assert generation_id is not None
                await it.seen(struck=before + 1)
                await asyncio.sleep(0.05)
                await it.kill(server)
            async with it.life():
                content = (await it.made(generation_id))["choices"][0]["message"]["content"]
                async with it.session.get(content.split("](")[1].rstrip(")")) as image:
                    assert (await image.read())[-8:-4] == b"IEND", "a part of an image was served"
                parts = await asyncio.to_thread(lambda: list((it.folder / "data/images").glob(".*")))
                assert parts == []
        async with it.life():
            return await it.final_outcome()


async def in_a_crash_loop(folder: Path, *, kills: int) -> Outcome:
    """Kill the server again and again, soon after it is ready. No life may send the order of unknown outcome again, or
    count another submit."""
    async with world(folder, "--list-lag", "0.4") as it:
        it.settings["SETTLE_TIME"] = "600"  # no life is long enough to settle the order
        async with it.life() as server:
            await ON_THE_WIRE.reach(it)
            await it.kill(server)
        submits, rows = await _submits(it), await it.rows()
        for _ in range(kills):
            async with it.life() as server:
                await it.kill(server)
            assert await _submits(it) == submits, "a restart sent an order"
            assert {prompt: attempts for prompt, (_, attempts) in (await it.rows()).items()} == {
                prompt: attempts for prompt, (_, attempts) in rows.items()
            }
        it.settings["SETTLE_TIME"] = str(SETTLE_SECONDS)
        async with it.life():
            return await it.final_outcome()


async def stopped_and_continued(folder: Path, *, seconds: float) -> Outcome:
    """Suspend the process while orders are running, as happens when a virtual machine is moved, and let it continue."""
    async with world(folder, SUBMIT_TIMEOUT="2") as it, it.life() as server:
        await it.lose_answers(random.Random(1))
        await it.fault("hang", endpoint="submit", registered=True, seconds=1, times=1)
        await asyncio.gather(*(it.order() for _ in range(12)))
        await asyncio.sleep(0.1)
        server.send(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        server.send(signal.SIGCONT)
        return await it.final_outcome()


async def _submits(it: SimulatorWorld) -> int:
    return sum((await it.stats())["requests"].get("submit", {}).values())
