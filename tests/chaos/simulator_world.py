"""The world whose back end is the simulator, which knows what was really ordered."""

import contextlib
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from tests.benchmarks.programs import Folder, Program, simulator
from tests.chaos.world import Outcome, World, client
from tests.eventually import PATIENCE, eventually

TASK_SECONDS = 0.3


class SimulatorWorld(World):
    """A world whose back end is the simulator, in a separate process."""

    def __init__(self, folder: Path, upstream: Program, session: aiohttp.ClientSession, settings: dict[str, str]):
        super().__init__(folder, upstream.url, session, settings)
        self.upstream = upstream

    async def warm_up(self) -> None:
        """Make two orders without a kill. After a kill, a list without prompts would not show which task belongs to the
        very first order."""
        async with self.life():
            for _ in range(2):
                generation_id = await self.order()
                assert generation_id is not None
                await self.made(generation_id)

    async def lose_answers(self, dice: random.Random) -> None:
        await self.no_faults()
        for fault in ("drop", "server_error"):
            await self.fault(fault, endpoint="submit", registered=dice.random() < 0.5, times=1, skip=dice.randrange(6))

    async def release(self) -> None:
        self.upstream.send(signal.SIGCONT)
        await self.no_faults()

    async def fault(self, fault: str, **fields: Any) -> None:
        """Make the simulator produce a fault."""
        rule = {"fault": fault, **fields}
        async with self.session.post(f"{self.upstream.url}/simulator/faults", json=rule) as answer:
            assert answer.status == 201, await answer.text()

    async def no_faults(self) -> None:
        async with self.session.delete(f"{self.upstream.url}/simulator/faults") as answer:
            assert answer.status == 200

    async def seen(self, **facts: int | str) -> None:
        """Wait until the simulator has this many orders, calls or faults."""
        query = {"timeout": str(PATIENCE), **{name: str(value) for name, value in facts.items()}}
        async with self.session.get(f"{self.upstream.url}/simulator/wait", params=query) as answer:
            assert answer.status == 200, await answer.text()

    async def stats(self) -> dict[str, Any]:
        async with self.session.get(f"{self.upstream.url}/stats") as answer:
            stats: dict[str, Any] = await answer.json()
            return stats

    async def struck(self) -> int:
        return sum((await self.stats())["faults_struck"].values())

    async def final_outcome(self) -> Outcome:
        await self.no_faults()
        outcome, book = self.outcome, self.book
        told = {generation_id: await self.made(generation_id) for generation_id in book.acknowledged}
        await self.until_quiet()
        tasks = (await self.stats())["tasks"]
        made = {task["id"]: task["prompt"] for task in tasks}
        outcome.ordered += len(book.acknowledged)
        for generation_id, completion in told.items():
            choice, prompt = completion["choices"][0], book.acknowledged[generation_id]
            outcome.unfinished += choice["finish_reason"] != "stop"
            if self.settings["IMAGE_LOCALIZATION"] == "False":  # the link then contains the id of the task
                shown = {made[task_id] for task_id in made if f"/media/{task_id}/" in choice["message"]["content"]}
                outcome.crossed += shown != {prompt}
        orders = Counter(task["prompt"] for task in tasks)
        outcome.doubled += sum(times > 1 for times in orders.values())
        outcome.lost += sum(prompt not in orders for prompt in book.acknowledged.values())
        return outcome

    async def until_all_is_made(self) -> None:
        """Wait until the back end has nothing left to do."""

        async def look() -> bool:
            return bool((await self.stats())["unfinished"] == 0)

        await eventually(look)


@contextlib.asynccontextmanager
async def world(
    folder: Path, *simulator_options: str, seconds: float = TASK_SECONDS, **settings: str
) -> AsyncIterator[SimulatorWorld]:
    """A new world in an empty folder. A task takes `seconds`."""
    own = Folder(folder)
    async with simulator(own, seconds=seconds, more=simulator_options) as upstream, client() as session:
        yield SimulatorWorld(own.new(), upstream, session, settings)
