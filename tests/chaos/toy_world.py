"""The world in front of a toy, whose server runs in this process."""

import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from sora_proxy.orders.backend import MAX_SENDS
from tests.chaos.world import Outcome, World, client
from tests.contract.script import Script, Step
from tests.contract.toy_server import ToyServer, image_of


class ToyWorld(World):
    """A world whose back end is a toy. `kind` is the toy's name."""

    model = "toy"
    module = "tests.chaos.impatient"

    def __init__(
        self, kind: str, folder: Path, stage: ToyServer, session: aiohttp.ClientSession, settings: dict[str, str]
    ) -> None:
        super().__init__(folder, stage.url, session, {"UPSTREAM": kind} | settings)
        self.stage = stage
        self.max_sends = MAX_SENDS if kind == "named" else 1
        # All the mutable state: the number of times that the toy lost each order.
        self.forgotten: Counter[str] = Counter()

    async def warm_up(self) -> None:
        """Do nothing, since no order has to be made first."""

    async def lose_answers(self, dice: random.Random) -> None:
        for step in (Step.arrived, Step.registered):
            self.stage.script.cut(step, times=dice.randrange(2))

    async def release(self) -> None:
        self.stage.script.release()

    def forget(self) -> None:
        """Lose every job, as a restart of the back end does."""
        self.forgotten.update(job["prompt"] for job in self.stage.jobs.values())
        self.stage.forget()

    async def final_outcome(self) -> Outcome:
        outcome, acknowledged = self.outcome, self.book.acknowledged
        for generation_id in acknowledged:
            await self.made(generation_id)
        await self.until_quiet()
        ends = await self.ends()
        outcome.ordered += len(acknowledged)
        for generation_id, prompt in acknowledged.items():
            await self._judge(prompt, ends[generation_id])
        outcome.doubled += sum(times - self.forgotten[prompt] > 1 for prompt, times in self.stage.made.items())
        return outcome

    async def _judge(self, prompt: str, end: dict[str, Any]) -> None:
        """Compare the answer to the client with the jobs of the toy."""
        outcome, stage = self.outcome, self.stage
        match end["status"], (end["error"] or {}).get("code"):
            case "completed", None:
                outcome.lost += stage.made[prompt] == 0
                outcome.crossed += {await self.content(link) for link in end["pictures"]} != {image_of(prompt)}
            case "failed", "outcome_unknown":
                outcome.unknown += 1
                outcome.doubled += stage.arrived[prompt] > self.max_sends
            case "failed", "upstream_lost" if self.forgotten[prompt]:
                outcome.upstream_lost += 1
            case _:
                outcome.unfinished += 1


@contextlib.asynccontextmanager
async def toy_world(folder: Path, kind: str, script: Script | None = None, **settings: str) -> AsyncIterator[ToyWorld]:
    """A new world in an empty folder."""
    stage = ToyServer()
    stage.script = script or stage.script
    runner = await stage.start()
    try:
        async with client() as session:
            yield ToyWorld(kind, folder, stage, session, settings)
    finally:
        stage.script.release()
        await runner.cleanup()
