"""Kills of a server in front of two ComfyUI servers, each of which runs one job at a time.

Every order has to be made exactly once.
"""

import contextlib
import random
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp

from sora_proxy.simulator.comfyui import ComfyUIOptions, serve_comfyui_simulator
from tests.chaos.kills import killed_at_random
from tests.chaos.world import Outcome, World, client
from tests.eventually import eventually

OPTIONS = ComfyUIOptions(seconds=0.3, steps=3)


class Farm(World):
    """A world whose back end is two ComfyUI servers, which lose some answers to submits."""

    model = "text-to-image"

    def __init__(self, folder: Path, servers: list[str], session: aiohttp.ClientSession) -> None:
        super().__init__(folder, servers[0], session, {"IMAGE_LOCALIZATION": "True"})
        for name in ("UPSTREAM", "SORA_BASE_URL", "API_KEYS"):
            del self.settings[name]
        self.settings["COMFYUI_URL"] = ",".join(servers)
        self.servers = servers

    async def warm_up(self) -> None:
        """Wait until the server lists the model."""
        async with self.life():

            async def listed() -> bool:
                async with self.session.get(f"{self.url}/v1/models") as answer:
                    return any(each["id"] == self.model for each in (await answer.json())["data"])

            await eventually(listed)

    async def lose_answers(self, dice: random.Random) -> None:
        for server in self.servers:
            fault = {"fault": "drop", "endpoint": "submit", "times": 1, "takes_effect": dice.random() < 0.5}
            async with self.session.post(f"{server}/simulator/faults", json=[fault]) as answer:
                assert answer.status == 201, await answer.text()

    async def release(self) -> None:
        """Do nothing, since no answer is held back."""

    async def final_outcome(self) -> Outcome:
        outcome = self.outcome
        for generation_id in self.book.acknowledged:
            await self.made(generation_id)
        await self.until_quiet()
        ends, queued = await self.ends(), await self._queued()
        outcome.ordered += len(self.book.acknowledged)
        for generation_id, prompt in self.book.acknowledged.items():
            end = ends[generation_id]
            outcome.unfinished += end["status"] != "completed"
            outcome.lost += queued[prompt] == 0
        outcome.doubled += sum(times > 1 for times in queued.values())
        return outcome

    async def _queued(self) -> Counter[str]:
        """The number of jobs for each prompt."""
        prompts: Counter[str] = Counter()
        for server in self.servers:
            async with self.session.get(f"{server}/simulator/stats") as answer:
                submits: list[dict[str, Any]] = (await answer.json())["submits"]
            for submit in submits:
                texts = [node["inputs"].get("text") for node in submit["prompt"].values()]
                prompts.update(text for text in texts if isinstance(text, str) and text.startswith("order number"))
        return prompts


async def at_random(folder: Path, *, kills: int, orders: int) -> Outcome:
    """Kill the server at random times, while orders are at different steps. Some answers are lost on the way."""
    async with contextlib.AsyncExitStack() as stack:
        running = [await stack.enter_async_context(serve_comfyui_simulator(OPTIONS)) for _ in range(2)]
        session = await stack.enter_async_context(client())
        farm = Farm(folder, [each.url for each in running], session)
        return await killed_at_random(farm, kills=kills, orders=orders)
