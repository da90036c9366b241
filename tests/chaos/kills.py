"""SIGKILL, at random and aimed. Each function is one way to die, any number of times, and gives what became of all."""

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.chaos.world import SETTLE_SECONDS, Outcome, World, world

LAG = ("--list-lag", "0.4")
NAMELESS = ("--list-without-prompts",)


async def at_random(folder: Path, *, kills: int, orders: int, options: tuple[str, ...] = LAG) -> Outcome:
    """Kill it after a random time, with orders at every stage; now and then an answer gets lost on the way too."""
    dice = random.Random(kills)
    async with world(folder, *options) as it:
        await _warm_up(it)
        for _ in range(kills):
            async with it.life() as server:
                await _lose_answers(it, dice)
                placing = asyncio.gather(*(_order_soon(it, dice) for _ in range(orders)))
                await asyncio.sleep(dice.uniform(0.1, 0.9))
                await it.kill(server)
                await placing
        async with it.life():
            return await it.reckon()


async def _warm_up(it: World) -> None:
    """Two orders in peace: where lists tell no prompts, the first of them can't be told from others yet."""
    async with it.life():
        for _ in range(2):
            generation_id = await it.order()
            assert generation_id is not None
            await it.made(generation_id)


async def _lose_answers(it: World, dice: random.Random) -> None:
    await it.no_faults()
    for fault in ("drop", "server_error"):
        await it.fault(fault, endpoint="submit", registered=dice.random() < 0.5, times=1, skip=dice.randrange(6))


async def _order_soon(it: World, dice: random.Random) -> None:
    await asyncio.sleep(dice.uniform(0, 0.5))
    await it.order(n=dice.choice((1, 1, 2)))


# --- Aimed at the submit ----------------------------------------------------------------------------------------------

Aim = Callable[[World], Awaitable[None]]


async def on_the_wire(it: World) -> None:
    """The back end has the order before it, and has not registered it."""
    await _struck_by(it, "hang", registered=False)


async def registered(it: World) -> None:
    """It is registered, and the answer is not on its way yet."""
    await _struck_by(it, "hang", registered=True)


async def answered(it: World) -> None:
    """The answer went out up to 40 ms ago."""
    before = (await it.stats())["registered"]
    await it.order()
    await it.seen(registered=before + 1)
    await asyncio.sleep(random.uniform(0, 0.04))


async def standing_still(it: World) -> None:
    """The order lies in the back end's socket; it is read, and registered, only when we are dead."""
    it.upstream.send(signal.SIGSTOP)
    generation_id = await it.order()
    assert generation_id is not None
    await it.until_on_disk(generation_id, "submitting")
    await asyncio.sleep(0.05)  # from the intent to the socket


AIMS: dict[str, Aim] = {
    "on the wire": on_the_wire,
    "registered": registered,
    "answered": answered,
    "standing still": standing_still,
}


async def aimed(folder: Path, *aims: Aim, options: tuple[str, ...] = ()) -> Outcome:
    """Kill it at each of these points, and see how long the next life takes to settle the order."""
    async with world(folder, *options) as it:
        await _warm_up(it)
        for aim in aims:
            async with it.life() as server:
                await aim(it)
                await it.kill(server)
                generation_id, prompt = list(it.book.acknowledged.items())[-1]
                status = (await it.rows())[prompt][0]
                # A kill that missed its point proves nothing.
                assert status == "submitting" or aim is answered, (aim, status)
                it.upstream.send(signal.SIGCONT)
                await it.no_faults()
            async with it.life():
                begun = time.perf_counter()
                await it.made(generation_id)
                it.outcome.settled.append(time.perf_counter() - begun)
        async with it.life():
            return await it.reckon()


async def _struck_by(it: World, fault: str, **fields: object) -> None:
    before = await it.struck()
    await it.fault(fault, endpoint="submit", times=1, **fields)
    await it.order()
    await it.seen(struck=before + 1)


# --- Elsewhere --------------------------------------------------------------------------------------------------------


async def while_an_image_comes_in(folder: Path, *, kills: int) -> Outcome:
    """Kill it before the first byte of an image and in its middle; the next life fetches it again, whole."""
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
                    assert (await image.read())[-8:-4] == b"IEND", "half an image was served"
                parts = await asyncio.to_thread(lambda: list((it.folder / "data/images").glob(".*")))
                assert parts == []
        async with it.life():
            return await it.reckon()


async def in_a_crash_loop(folder: Path, *, kills: int) -> Outcome:
    """Kill it soon after each start: an order of unknown outcome is not sent by any of the boots, nor counted up."""
    async with world(folder, "--list-lag", "0.4") as it:
        it.settings["SETTLE_TIME"] = "600"  # no boot lives long enough to know
        async with it.life() as server:
            await on_the_wire(it)
            await it.kill(server)
        submits, rows = await _submits(it), await it.rows()
        for _ in range(kills):
            async with it.life() as server:
                await it.kill(server)
            assert await _submits(it) == submits, "a boot sent an order"
            assert {prompt: attempts for prompt, (_, attempts) in (await it.rows()).items()} == {
                prompt: attempts for prompt, (_, attempts) in rows.items()
            }
        it.settings["SETTLE_TIME"] = str(SETTLE_SECONDS)
        async with it.life():
            return await it.reckon()


async def stopped_and_continued(folder: Path, *, seconds: float) -> Outcome:
    """Let it stand still in the middle of everything, as a moved machine does, and go on."""
    async with world(folder, SUBMIT_TIMEOUT="2") as it, it.life() as server:
        await _lose_answers(it, random.Random(1))
        await it.fault("hang", endpoint="submit", registered=True, seconds=1, times=1)
        await asyncio.gather(*(it.order() for _ in range(12)))
        await asyncio.sleep(0.1)
        server.send(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        server.send(signal.SIGCONT)
        return await it.reckon()


async def _submits(it: World) -> int:
    return sum((await it.stats())["ordering"].get("submit", {}).values())
