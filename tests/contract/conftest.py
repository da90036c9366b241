"""A back end, its server, and ours in front of it: in this process, or as one that can be killed."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sora_proxy.upstream import Identity
from sora_proxy.upstream.registry import BACKENDS
from tests.conftest import CLIENT_KEY, Proxy, StartProxy, upstream_keys
from tests.contract.program import TOYS
from tests.contract.stages import STAGES, Stage
from tests.e2e.conftest import CHECKOUT, LISTENS, clean_environment
from tests.eventually import PATIENCE

SEARCHABLE = (Identity.named, Identity.listed)
MODELS = {"sora": "sora-1.0"}


@dataclass
class Contract:
    """One back end under test."""

    kind: str
    stage: Stage

    @property
    def model(self) -> str:
        return MODELS.get(self.kind, "toy")

    @property
    def identity(self) -> Identity:
        return Identity.listed if self.kind == "sora" else TOYS[self.kind].identity

    @property
    def searchable(self) -> bool:
        return self.identity in SEARCHABLE

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "upstream": self.kind,
            "sora_base_url": self.stage.url,
            "api_keys": upstream_keys(),
            "image_localization": True,
        }


@pytest.fixture(params=STAGES)
async def contract(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Contract]:
    for name, toy in TOYS.items():
        monkeypatch.setitem(BACKENDS, name, toy)
    stage = STAGES[request.param]()
    runner = await stage.start()
    yield Contract(request.param, stage)
    await runner.cleanup()


@pytest.fixture
def start(contract: Contract, start_proxy: StartProxy) -> Callable[..., AbstractAsyncContextManager[Proxy]]:
    """Start our server in front of the back end, with more settings."""
    return lambda **settings: start_proxy(**contract.settings | settings)


@dataclass
class Killable:
    """Our server as a process of its own."""

    process: subprocess.Popen[bytes]
    url: str
    client: aiohttp.ClientSession

    async def order(self, model: str) -> str:
        """Place an order without waiting for it; returns its id."""
        body = {"model": model, "background": True, "messages": [{"role": "user", "content": "a red fox"}]}
        async with self.client.post(f"{self.url}/v1/chat/completions", json=body) as answer:
            assert answer.status == 200, await answer.text()
            return str(answer.headers["x-generation-id"])

    async def ended(self, generation_id: str) -> dict[str, Any]:
        """How a generation is, once it has ended."""
        async with asyncio.timeout(PATIENCE):
            while True:
                async with self.client.get(f"{self.url}/v1/generations") as answer:
                    (found,) = [each for each in (await answer.json())["data"] if each["id"] == generation_id]
                if found["status"] in ("completed", "failed", "cancelled"):
                    return dict(found)
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(self.process.wait)


StartKillable = Callable[[], AbstractAsyncContextManager[Killable]]


@pytest.fixture
def start_killable(contract: Contract, tmp_path: Path) -> StartKillable:
    """Start our server as a process on the folder of the test."""
    settings = {
        "API_HOST": "127.0.0.1",
        "API_PORT": "0",
        "API_AUTH_TOKEN": CLIENT_KEY,
        "UPSTREAM": contract.kind,
        "SORA_BASE_URL": contract.stage.url,
        "API_KEYS": '[{"key": "upstream-token-of-the-tests"}]',
        "IMAGE_LOCALIZATION": "True",
        "POLL_INTERVAL": "0.1",
        "SETTLE_TIME": "1",
        "PYTHONPATH": os.fspath(CHECKOUT),
    }

    @contextlib.asynccontextmanager
    async def start() -> AsyncIterator[Killable]:
        process = await asyncio.to_thread(_popen, tmp_path, settings)
        try:
            banner = await asyncio.to_thread(_banner, process)
            headers = {"authorization": f"Bearer {CLIENT_KEY}"}
            async with aiohttp.ClientSession(headers=headers) as client:
                yield Killable(process, banner, client)
        finally:
            process.kill()
            await asyncio.to_thread(process.communicate)

    return start


def _popen(folder: Path, settings: dict[str, str]) -> subprocess.Popen[bytes]:
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.contract.program"],
            cwd=folder,
            env=clean_environment(**settings),
            stdout=subprocess.PIPE,
            stderr=log,
        )


def _banner(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if found := LISTENS.search(line.decode()):
            return found[1]
    raise AssertionError("no banner")
