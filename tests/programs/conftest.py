"""Programs of other people from PyPI, and sora_proxy in front of them. `make test-programs` installs these programs."""

import asyncio
import contextlib
import json
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from openai import AsyncOpenAI

from tests.conftest import CLIENT_KEY
from tests.e2e.conftest import CHECKOUT, Program, clean_environment, running_program
from tests.eventually import PATIENCE, eventually

MUSEQ = CHECKOUT / ".programs" / "museq" / "bin"
MODELS = Path(__file__).parent / "models"
MODEL = "pillow"


@dataclass(frozen=True, slots=True)
class Museq:
    """A running `muse serve` with the model of `models/`, which makes one image at a time and lets one order wait."""

    url: str
    folder: Path

    async def order(self, prompt: str) -> int:
        """Order an image for this prompt. Returns the status."""
        body = {"model": MODEL, "prompt": prompt, "size": "64x64"}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.url}/images/generations", json=body) as answer,
        ):
            await answer.read()
            return answer.status

    async def calls(self, prompt: str) -> list[dict[str, Any]]:
        """The calls of the model with this prompt."""
        text = await asyncio.to_thread((self.folder / "calls").read_text)
        return [note for note in map(json.loads, text.splitlines()) if note["prompt"] == prompt]

    async def called(self, prompt: str) -> dict[str, Any]:
        """The first call of the model with this prompt. Waits for the call."""

        async def look() -> list[dict[str, Any]]:
            return await self.calls(prompt)

        return (await eventually(look))[0]

    async def works(self) -> bool:
        """Whether museq makes an image now. The first order starts its worker, which takes some seconds."""
        with contextlib.suppress(aiohttp.ClientConnectionError):
            return await self.order("whether it works") == 200
        return False

    async def end(self, prompt: str) -> None:
        """End the waiting call with this prompt."""
        await asyncio.to_thread((self.folder / f"end {prompt}").touch)


@pytest.fixture(scope="session")
def museq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Museq]:
    if not (MUSEQ / "muse").exists():
        pytest.fail("museq is not installed; make test-programs installs it", pytrace=False)
    folder = tmp_path_factory.mktemp("museq")
    (folder / "calls").touch()
    (folder / "catalog.json").write_text(json.dumps({MODEL: catalogue_entry(folder)}))
    port = free_port()
    museq = Museq(f"http://127.0.0.1:{port}/v1", folder)
    command = [str(MUSEQ / "muse"), "serve", "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment(folder), stdout=log, stderr=log)
    try:
        asyncio.run(eventually(museq.works))
        yield museq
    finally:
        process.terminate()
        process.wait(PATIENCE)


def catalogue_entry(folder: Path) -> dict[str, Any]:
    """The entry that museq writes for a model that it has installed."""
    return {
        "pulled_at": "2026-11-27T00:00:00+00:00",
        "hf_repo": f"local/{MODEL}",
        "local_dir": str(folder),
        "venv_path": str(MUSEQ.parent),
        "python_path": str(MUSEQ / "python"),
        "enabled": True,
    }


def environment(folder: Path) -> dict[str, str]:
    return clean_environment(
        HOME=str(folder),
        MUSE_CATALOG_DIR=str(folder),
        MUSE_MODELS_DIR=str(MODELS),
        MUSE_DEFAULT_MAX_CONCURRENCY="1",
        MUSE_MAX_QUEUE_DEPTH="1",
        PILLOW_MODEL_FOLDER=str(folder),
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def program(museq: Museq, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """sora_proxy in front of museq, as an operator starts it."""
    settings = {"UPSTREAM": "openai", "OPENAI_BASE_URL": museq.url, "OPENAI_PROFILE": "museq"}
    with running_program(tmp_path_factory.mktemp("program"), API_AUTH_TOKEN=CLIENT_KEY, **settings) as program:
        yield program


@pytest.fixture
async def client(program: Program) -> AsyncIterator[AsyncOpenAI]:
    # The SDK's constructor reads the CA bundle, so the client is made on a thread.
    client = await asyncio.to_thread(AsyncOpenAI, base_url=f"{program.url}/v1", api_key=CLIENT_KEY, max_retries=0)
    async with client:
        yield client
