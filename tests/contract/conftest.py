"""A back end under test, the server that it calls, and our server in this process or in one that can be killed."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sora_proxy.api.admin.backend_context import DISCOVERY
from sora_proxy.api.context import BACKENDS_IN_USE
from sora_proxy.upstream import Identity
from sora_proxy.upstream.registry import BACKENDS
from tests.conftest import ADMIN_KEY, CLIENT_KEY, Proxy, StartProxy, upstream_keys
from tests.contract.forked import Forked, forked_program
from tests.contract.stage import Stage
from tests.contract.stages import STAGES
from tests.contract.toys import TOYS
from tests.eventually import eventually

KEYS = upstream_keys(max_concurrent=8)  # replaces the default limit of the back end
SEARCHABLE = (Identity.named, Identity.listed)


@dataclass
class Contract:
    """One back end under test."""

    kind: str
    stage: Stage

    @property
    def model(self) -> str:
        return self.stage.model

    @property
    def identity(self) -> Identity:
        return self.stage.identity

    @property
    def searchable(self) -> bool:
        return self.identity in SEARCHABLE

    @property
    def backends(self) -> list[dict[str, Any]]:
        """The option BACKENDS of a server in front of this back end."""
        place = {"name": self.kind, "kind": self.kind, "base_url": self.stage.url, "keys": KEYS}
        return [place | {"models": [self.model], "options": self.stage.options}]

    async def abilities(self, proxy: Proxy) -> dict[str, Any]:
        """The abilities of the model, as our server describes them to clients."""
        return dict((await proxy.get(f"/v1/models/{self.model}"))["capabilities"])


@pytest.fixture(params=STAGES)
async def contract(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Contract]:
    for name, toy in TOYS.items():
        monkeypatch.setitem(BACKENDS, name, toy)
    stage = STAGES[request.param]()
    runner = await stage.start()
    yield Contract(request.param.partition(" ")[0], stage)
    await runner.cleanup()


@pytest.fixture
def start(contract: Contract, start_proxy: StartProxy) -> Callable[..., AbstractAsyncContextManager[Proxy]]:
    """Start our server in front of the back end, with extra settings, and let it ask for the back end's abilities."""

    @contextlib.asynccontextmanager
    async def start(**settings: Any) -> AsyncIterator[Proxy]:
        async with start_proxy(backends=contract.backends, image_localization=True, **settings) as proxy:
            for backend in proxy.app[BACKENDS_IN_USE].all:
                await proxy.app[DISCOVERY].ask(backend)
            yield proxy

    return start


@dataclass
class Killable:
    """Our server in a separate process."""

    program: Forked
    client: aiohttp.ClientSession

    async def order(self, model: str, n: int = 1) -> str:
        """Place an order without waiting for its result; returns its id."""
        messages = [{"role": "user", "content": "a red fox"}]
        body = {"model": model, "n": n, "background": True, "messages": messages}
        async with self.client.post(f"{self.program.url}/v1/chat/completions", json=body) as answer:
            assert answer.status == 200, await answer.text()
            return str(answer.headers["x-generation-id"])

    async def ended(self, generation_id: str) -> dict[str, Any]:
        """Wait until a generation has ended; returns its entry in the list of generations."""

        async def look() -> dict[str, Any] | None:
            async with self.client.get(f"{self.program.url}/v1/generations?limit=100") as answer:
                (found,) = [each for each in (await answer.json())["data"] if each["id"] == generation_id]
            return dict(found) if found["status"] in ("completed", "failed", "cancelled") else None

        return await eventually(look)

    async def images_today(self) -> int:
        """The number of images that count today against a daily cap."""
        headers = {"authorization": f"Bearer {ADMIN_KEY}"}
        async with self.client.get(f"{self.program.url}/admin/api/queue", headers=headers) as answer:
            return int((await answer.json())["in_all"]["images_today"])

    async def kill(self) -> None:
        await asyncio.to_thread(self.program.kill)


@contextlib.asynccontextmanager
async def killable(folder: Path, **settings: str) -> AsyncIterator[Killable]:
    """Run our server as a process in a folder. Several processes may use the same folder, one after the other."""
    settings = {"API_AUTH_TOKEN": CLIENT_KEY, "POLL_INTERVAL": "0.1"} | settings
    # On threads, because starting or ending a process blocks.
    running = forked_program(folder, **settings)
    program = await asyncio.to_thread(running.__enter__)
    try:
        headers = {"authorization": f"Bearer {CLIENT_KEY}"}
        async with aiohttp.ClientSession(headers=headers) as client:
            yield Killable(program, client)
    finally:
        await asyncio.to_thread(running.__exit__, None, None, None)


StartKillable = Callable[[], AbstractAsyncContextManager[Killable]]


@pytest.fixture
def start_killable(contract: Contract, tmp_path: Path) -> StartKillable:
    """Start our server as a process in the test's folder."""
    settings = {
        "ADMIN_KEY": ADMIN_KEY,
        "BACKENDS": json.dumps(contract.backends),
        "IMAGE_LOCALIZATION": "True",
        "SETTLE_TIME": "1",
    }
    return lambda: killable(tmp_path, **settings)
