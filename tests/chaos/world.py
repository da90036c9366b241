"""A world: a back end, a server in front of it that is restarted many times, and a record of the orders."""

import asyncio
import contextlib
import random
import shutil
import signal
import sqlite3
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import aiohttp

from tests.benchmarks.programs import CLIENT_KEY, Program, environment, program
from tests.eventually import eventually

SETTLE_SECONDS = 1.2
KEYS = 2
PAGE = 100  # generations in one answer
SETTINGS = {
    "SETTLE_TIME": str(SETTLE_SECONDS),
    "POLL_INTERVAL": "0.1",
    "IMAGE_LOCALIZATION": "False",
    "MAX_QUEUE_WAIT": "3600",
}


@dataclass(slots=True)
class Book:
    """What clients know: the orders that were acknowledged, and the orders whose answer never arrived."""

    acknowledged: dict[str, str] = field(default_factory=dict)  # prompts by id
    unanswered: set[str] = field(default_factory=set)
    _numbers: int = 0

    def new_prompt(self) -> str:
        self._numbers += 1
        return f"order number {self._numbers}"


@dataclass(slots=True)
class Outcome:
    """The outcomes of all orders, and the times of the server's lives."""

    ordered: int = 0
    kills: int = 0
    lost: int = 0  # orders that sora_proxy lost
    doubled: int = 0
    crossed: int = 0
    unfinished: int = 0
    unknown: int = 0  # orders that can't be searched for, and were reported as unknown
    upstream_lost: int = 0  # orders that the back end lost, and that were reported as lost
    starts: list[float] = field(default_factory=list)  # seconds until the server was ready
    # For each order of unknown outcome, the seconds from readiness until the order was made.
    settled: list[float] = field(default_factory=list)

    @property
    def wrong(self) -> int:
        return self.lost + self.doubled + self.crossed + self.unfinished

    def __iadd__(self, other: "Outcome") -> Self:
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))
        return self


class World(ABC):
    """A server that has many lives on the same folder. Each life listens on a new port."""

    model = "sora-1.0"
    module = "sora_proxy"  # the module that is run as the server

    def __init__(self, folder: Path, upstream: str, session: aiohttp.ClientSession, settings: dict[str, str]):
        self.folder = folder
        self.session = session
        self.settings = environment(folder, upstream, KEYS) | SETTINGS | settings
        # All the mutable state.
        self.url = ""  # the address of the current or last life
        self.book = Book()
        self.outcome = Outcome()

    @abstractmethod
    async def warm_up(self) -> None:
        """Prepare the server for the first kill."""

    @abstractmethod
    async def lose_answers(self, dice: random.Random) -> None:
        """Lose some of the next answers on the way."""

    @abstractmethod
    async def release(self) -> None:
        """Let the back end continue after a kill."""

    @abstractmethod
    async def final_outcome(self) -> Outcome:
        """Wait until every order has ended, and compare what clients got with what the back end made."""

    @contextlib.asynccontextmanager
    async def life(self) -> AsyncIterator[Program]:
        """One life of the server. The block begins once the server is ready and every id that a client ever got
        has been checked."""
        begun = time.perf_counter()
        async with program(self.folder, self.module, environment=self.settings) as server:
            self.url = server.url
            await self.until_ready()
            self.outcome.starts.append(time.perf_counter() - begun)
            for generation_id in self.book.acknowledged:
                async with self.session.get(f"{self.url}/v1/generation/{generation_id}") as answer:
                    self.outcome.lost += answer.status != 200
            yield server

    async def kill(self, server: Program) -> None:
        self.outcome.kills += 1
        await server.end(signal.SIGKILL)

    async def order(self, prompt: str | None = None, n: int = 1) -> str | None:
        """Place an order. Returns the id of the order, or None if no answer arrived."""
        prompt = prompt or self.book.new_prompt()
        body = {"model": self.model, "n": n, "background": True, "messages": [{"role": "user", "content": prompt}]}
        try:
            async with self.session.post(f"{self.url}/v1/chat/completions", json=body) as answer:
                assert answer.status == 200, await answer.text()
                generation_id = str((await answer.json())["id"])
        except aiohttp.ClientError:
            self.book.unanswered.add(prompt)
            return None
        self.book.acknowledged[generation_id] = prompt
        return generation_id

    async def made(self, generation_id: str) -> dict[str, Any]:
        """The final answer to an order."""

        async def look() -> dict[str, Any] | None:
            async with self.session.get(f"{self.url}/v1/generation/{generation_id}") as answer:
                completion: dict[str, Any] = await answer.json()
            return None if completion["choices"][0]["finish_reason"] == "processing" else completion

        return await eventually(look)

    async def rows(self) -> dict[str, tuple[str, int]]:
        """The rows in the database of a killed server: status and number of submits, by prompt."""
        return await asyncio.to_thread(_rows, Path(self.settings["DATA_DIR"]))

    async def status_of(self, path: str) -> int:
        async with self.session.get(self.url + path) as answer:
            await answer.read()
            return answer.status

    async def until_ready(self, *, ready: bool = True) -> None:
        """Wait until the server accepts orders; with `ready=False`, until it refuses them."""

        async def look() -> bool:
            return (await self.status_of("/health/ready") == 200) is ready

        await eventually(look)

    async def until_on_disk(self, generation_id: str, status: str) -> None:
        """Wait until the server has stored this status of an order."""
        prompt = self.book.acknowledged[generation_id]

        async def look() -> bool:
            return (await self.rows())[prompt][0] == status

        await eventually(look)

    async def until_quiet(self) -> None:
        """Wait until no order is unfinished, including the orders whose answer never arrived."""
        live = {"queued", "submitting", "unknown", "running", "saving"}

        async def look() -> bool:
            return not any(status in live for status, _ in (await self.rows()).values())

        await eventually(look)

    async def content(self, link: str) -> bytes:
        """The image at a link."""
        async with self.session.get(link) as answer:
            return await answer.read()

    async def ends(self) -> dict[str, dict[str, Any]]:
        """All orders as the server lists them, by id."""
        found: dict[str, dict[str, Any]] = {}
        query, more = {"limit": str(PAGE)}, True
        while more:
            async with self.session.get(f"{self.url}/v1/generations", params=query) as answer:
                page = await answer.json()
            found |= {each["id"]: each for each in page["data"]}
            query["after"], more = page["last_id"], page["has_more"]
        return found


def _rows(folder: Path) -> dict[str, tuple[str, int]]:
    with copied_database(folder) as connection:
        query = "SELECT json_extract(spec, '$.prompt'), status, attempts FROM generations"
        return {prompt: (status, attempts) for prompt, status, attempts in connection.execute(query)}


@contextlib.contextmanager
def copied_database(folder: Path) -> Iterator[sqlite3.Connection]:
    """A copy of the database. SQLite would repair the original files as soon as they were opened."""
    with tempfile.TemporaryDirectory() as temporary:
        for path in folder.glob("sora_proxy.db*"):
            with contextlib.suppress(FileNotFoundError):  # the server has just removed the log
                shutil.copy(path, temporary)
        with contextlib.closing(sqlite3.connect(Path(temporary) / "sora_proxy.db")) as connection:
            yield connection


def client() -> aiohttp.ClientSession:
    """A client that opens a connection for each request, since the server may have been restarted."""
    headers = {"authorization": f"Bearer {CLIENT_KEY}"}
    return aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(force_close=True))
