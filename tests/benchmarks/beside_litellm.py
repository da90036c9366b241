"""`python -m tests.benchmarks.beside_litellm COMMAND`: measures sora_proxy and LiteLLM's proxy in turn.

Both are in front of the same server. COMMAND is the path of LiteLLM's command; `make bench-litellm` installs LiteLLM
and passes the path.
"""

import asyncio
import contextlib
import math
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import orjson
from pybase64 import b64decode

from tests.benchmarks.load import clients
from tests.benchmarks.programs import CLIENT_KEY, Folder, Program, foreign_program, own_settings, program
from tests.benchmarks.table import Row, bounded, exactly, show
from tests.eventually import eventually

MODEL, SECONDS, IMAGE_BYTES = "gpt-image-1", 12.0, 1_500_000
REQUESTS = 200
MOST_SECONDS = SECONDS + 1
MOST_SHARE = 0.333  # the maximum share of LiteLLM's CPU and memory
AFTER_SECONDS = 1.0  # time in which a program may finish its work after the last answer
UPSTREAM_KEY = "key-of-the-server"
ORDER = {"model": MODEL, "prompt": "a red fox in the snow, seen from far away"}

EXPLANATION = f"""
{REQUESTS} requests for an image at once, to a simulated server that takes {SECONDS:g} s for each and answers with
1.5 MB as base64. Every program is a separate process, with one worker, on loopback. The clients are in this process,
and read every answer. The first request is not counted, because a program may load modules only then. CPU is user and
system time of the program until {AFTER_SECONDS:g} s after the last answer; memory is the peak since it was started.
LiteLLM runs without a database, retries and debug logs; sora_proxy stores every order and image.
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The results of one program's requests: seconds until each answer, ms of CPU per request, and memory in MiB."""

    answered: list[float]
    cpu: float
    memory: float


def main() -> int:
    """Measure both programs; return 1 if the goal is missed."""
    (command,) = sys.argv[1:]
    rows = asyncio.run(_measure(command))
    show(rows)
    print(EXPLANATION)
    return int(any(row.met is False for row in rows))


async def _measure(command: str) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="sora_proxy-bench-") as temporary:
        folder = Folder(Path(temporary))
        async with _images_server(folder.new()) as upstream:
            async with _sora_proxy(folder.new(), upstream.url) as server:
                ours = await _run("sora_proxy", server)
            async with _litellm(folder.new(), upstream.url, command) as server:
                theirs = await _run("LiteLLM", server)
    return _rows(ours, theirs)


def _images_server(folder: Path) -> AbstractAsyncContextManager[Program]:
    """A server with OpenAI's Images API that makes any number of images at a time. Each image takes 3 ms of CPU."""
    options = {"wire": "images", "port": 0, "seconds": SECONDS, "image-bytes": IMAGE_BYTES}
    return program(folder, "sora_proxy", "simulator", *(f"--{name}={value}" for name, value in options.items()))


@contextlib.asynccontextmanager
async def _sora_proxy(folder: Path, upstream: str) -> AsyncIterator[Program]:
    keys = [{"key": UPSTREAM_KEY, "max_rpm": 10_000}]
    backend = {"name": "images", "kind": "openai_images", "base_url": upstream, "models": [MODEL], "keys": keys}
    settings = own_settings(folder) | {"BACKENDS": orjson.dumps([backend]).decode()}
    async with program(folder, "sora_proxy", environment=settings) as running:
        yield running


@contextlib.asynccontextmanager
async def _litellm(folder: Path, upstream: str, command: str) -> AsyncIterator[Program]:
    """LiteLLM's proxy. The configuration is JSON, which is valid YAML."""
    parameters = {"model": f"openai/{MODEL}", "api_base": upstream, "api_key": UPSTREAM_KEY, "max_retries": 0}
    model = {"model_name": MODEL, "litellm_params": parameters, "model_info": {"mode": "image_generation"}}
    config = {
        "model_list": [model],
        "litellm_settings": {"num_retries": 0, "telemetry": False},
        "general_settings": {"master_key": CLIENT_KEY},
    }
    (folder / "config.yaml").write_bytes(orjson.dumps(config))
    port = _free_port()
    arguments = ("--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1")
    settings = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION", "LITELLM_LOG": "ERROR"}
    url, ready = f"http://127.0.0.1:{port}", "/health/liveliness"
    async with foreign_program(folder, url, ready, (command, *arguments), settings) as running:
        yield running


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _run(name: str, server: Program) -> Outcome:
    print(f"measuring: {name} …", file=sys.stderr, flush=True)
    async with clients() as session:
        image = await _first_image(session, server)
        begun = time.perf_counter()
        with server.measured() as used:
            ends = await asyncio.gather(*(_order(session, server, image) for _ in range(REQUESTS)))
            await asyncio.sleep(AFTER_SECONDS)
    answered = [end - begun for end in ends if end is not None]
    return Outcome(answered, used.process / REQUESTS * 1000, server.peak_memory())


async def _first_image(session: aiohttp.ClientSession, server: Program) -> bytes:
    """The image that the server makes for the order, as base64. After this order, the program in front of the server
    knows the models."""

    async def look() -> bytes | None:
        async with session.post(f"{server.url}/v1/images/generations", json=ORDER) as answer:
            return await answer.read() if answer.status == 200 else None

    encoded: bytes = orjson.loads(await eventually(look))["data"][0]["b64_json"].encode()
    if len(b64decode(encoded)) != IMAGE_BYTES:
        raise RuntimeError("the first image is not the one that the server makes")
    return encoded


async def _order(session: aiohttp.ClientSession, server: Program, image: bytes) -> float | None:
    """The time at which the image arrived; None if the answer is not the image."""
    async with session.post(f"{server.url}/v1/images/generations", json=ORDER) as answer:
        content = await answer.read()
    end = time.perf_counter()
    return end if answer.status == 200 and content.startswith(image, content.find(image[:64])) else None


def _rows(ours: Outcome, theirs: Outcome) -> list[Row]:
    cpu, memory = ours.cpu / theirs.cpu, ours.memory / theirs.memory
    return [
        exactly("sora_proxy: requests answered with the image", len(ours.answered), REQUESTS),
        bounded("  time until the last answer", max(ours.answered, default=math.inf), MOST_SECONDS, "s"),
        Row("  CPU per request", f"{ours.cpu:.1f} ms"),
        Row("  memory, peak", f"{ours.memory:.0f} MiB"),
        Row("LiteLLM: requests answered with the image", str(len(theirs.answered))),
        Row("  time until the last answer", f"{max(theirs.answered, default=math.inf):.1f} s"),
        Row("  CPU per request", f"{theirs.cpu:.1f} ms"),
        Row("  memory, peak", f"{theirs.memory:.0f} MiB"),
        bounded("sora_proxy's share of LiteLLM's CPU", cpu, MOST_SHARE, ""),
        bounded("sora_proxy's share of LiteLLM's memory", memory, MOST_SHARE, ""),
    ]


if __name__ == "__main__":
    sys.exit(main())
