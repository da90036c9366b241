"""Kills of a server in front of a back end with the Images API that makes only one image in each call."""

import asyncio
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from tests.chaos.kills import killed_at_random
from tests.chaos.toy_kills import SlowScript
from tests.chaos.world import Outcome, World, client, copied_database
from tests.contract.openai_server import MODEL, OpenAIServer
from tests.contract.script import Step
from tests.contract.toy_server import image_of

IMAGES = 4  # the number of images of each order


class CountingServer(OpenAIServer):
    """A server that counts calls by prompt. `arrived` counts the calls that were read, and `made` the calls that were
    paid for."""

    def __init__(self, dice: random.Random) -> None:
        super().__init__()
        self.script = SlowScript(dice)
        self.arrived: Counter[str] = Counter()
        self.made: Counter[str] = Counter()

    async def _read(self, request: web.Request) -> dict[str, Any]:
        order = await super()._read(request)
        self.arrived[order["prompt"]] += 1
        return order

    def register(self, order: dict[str, Any]) -> None:
        super().register(order)
        self.made[order["prompt"]] += 1


class SingleCalls(World):
    """A world whose keys have room for two calls each, so some calls of an order wait for other calls."""

    model = MODEL

    def __init__(self, folder: Path, server: CountingServer, session: aiohttp.ClientSession) -> None:
        super().__init__(folder, server.url, session, {})
        for name in ("UPSTREAM", "SORA_BASE_URL", "API_KEYS"):
            del self.settings[name]
        keys = [{"key": name, "max_concurrent": 2} for name in ("one", "two", "three")]
        place = {"name": "images", "kind": "openai_images", "base_url": server.url, "models": [MODEL]}
        self.settings["BACKENDS"] = json.dumps([{**place, "keys": keys, "options": {"profile": "zhipu"}}])
        self.server = server
        # All the mutable state: by prompt, the number of images that an order had on disk at the last kill.
        self.arrived: dict[str, int] = {}

    async def warm_up(self) -> None:
        """Do nothing, since no order has to be made first."""

    async def lose_answers(self, dice: random.Random) -> None:
        for step in (Step.arrived, Step.registered):
            self.server.script.cut(step, times=dice.randrange(2))

    async def release(self) -> None:
        """Do nothing, since no answer is held back."""

    async def order(self, prompt: str | None = None, n: int = IMAGES) -> str | None:  # noqa: ARG002
        return await super().order(prompt, IMAGES)

    async def kill(self, server: Any) -> None:
        await super().kill(server)
        self.arrived |= await asyncio.to_thread(_arrived, Path(self.settings["DATA_DIR"]))

    async def final_outcome(self) -> Outcome:
        outcome, server = self.outcome, self.server
        for generation_id in self.book.acknowledged:
            await self.made(generation_id)
        await self.until_quiet()
        outcome.ordered += len(self.book.acknowledged)
        ends = await self.ends()
        for generation_id, prompt in self.book.acknowledged.items():
            await self._judge(prompt, ends[generation_id])
        outcome.doubled += sum(calls > IMAGES for calls in server.arrived.values())
        return outcome

    async def _judge(self, prompt: str, end: dict[str, Any]) -> None:
        pictures, code = end["pictures"], (end["error"] or {}).get("code")
        if end["status"] not in ("completed", "failed") or code not in (None, "outcome_unknown"):
            self.outcome.unfinished += 1
        self.outcome.lost += len(pictures) < self.arrived.get(prompt, 0) or len(pictures) > self.server.made[prompt]
        self.outcome.unknown += len(pictures) < IMAGES
        contents = {await self.content(link) for link in pictures}
        self.outcome.crossed += bool(contents - {image_of(prompt)})


def _arrived(folder: Path) -> dict[str, int]:
    """By prompt, the number of images that a killed server had stored for the order."""
    with copied_database(folder) as connection:
        query = "SELECT json_extract(spec, '$.prompt'), calls FROM generations"
        return {prompt: _images(json.loads(calls)) for prompt, calls in connection.execute(query)}


def _images(calls: list[dict[str, Any]]) -> int:
    return sum(call["asset"] is not None for call in calls)


async def at_random(folder: Path, *, kills: int, orders: int) -> Outcome:
    """Kill the server at random times, while calls are at different steps. Some answers are lost on the way."""
    server = CountingServer(random.Random(orders))
    runner = await server.start()
    try:
        async with client() as session:
            return await killed_at_random(SingleCalls(folder, server, session), kills=kills, orders=orders)
    finally:
        await runner.cleanup()
