"""Images as base64 in answers: the throughput, the memory for slow readers, and the longest turn of the event loop."""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import orjson

from tests.benchmarks.programs import CLIENT_KEY, Folder, Program, environment, program, simulator
from tests.benchmarks.table import Row, at_least, bounded
from tests.benchmarks.watched import LONGEST_TURN

IMAGES, READERS, SLOW_READERS = 640, 16, 1000
SETTLED_SECONDS = 8.0  # time until the kernel's buffers are full
LEAST_PER_SECOND, LONGEST_MS, MOST_KIB = 150.0, 20.0, 128.0
ORDER = {"prompt": "a red fox in the snow", "response_format": "b64_json"}
KEY = {"idempotency-key": "the image of the benchmarks"}


async def measure(folder: Folder) -> list[Row]:
    """Order one image, replace the file of the image, and request the image."""
    watched, slow = folder.new(), folder.new()
    async with simulator(folder, seconds=0.5) as upstream, _client() as session:
        async with program(
            watched, "tests.benchmarks.watched", environment=environment(watched, upstream.url, 1)
        ) as server:
            await _keep(session, server, watched, 2**20)
            begun = time.perf_counter()
            await asyncio.gather(*(_reader(session, server) for _ in range(READERS)))
            rate = IMAGES / (time.perf_counter() - begun)
        async with program(slow, "sora_proxy", environment=environment(slow, upstream.url, 1)) as server:
            await _keep(session, server, slow, 2**22)
            each = await _slow_readers(server)
    longest = float((watched / LONGEST_TURN).read_text()) * 1000
    return [
        at_least("images: 1 MiB as base64, whole requests", rate, LEAST_PER_SECOND, "/s"),
        bounded("  CPU of the longest turn of the event loop meanwhile", longest, LONGEST_MS, "ms"),
        bounded(f"  memory for each of {SLOW_READERS} clients that leave 4 MiB unread", each, MOST_KIB, "KiB"),
    ]


def _client() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(headers={"authorization": f"Bearer {CLIENT_KEY}"})


async def _keep(session: aiohttp.ClientSession, server: Program, folder: Path, size: int) -> None:
    """Replace the file of the image that was ordered under the idempotency key with a file of this size."""
    await _encoded_bytes(session, server)
    (kept,) = (folder / "data" / "images").glob("*.png")
    kept.write_bytes(os.urandom(size))


async def _reader(session: aiohttp.ClientSession, server: Program) -> None:
    for _ in range(IMAGES // READERS):
        if await _encoded_bytes(session, server) < 4 / 3 * 2**20:
            raise RuntimeError("an answer does not contain the image")


async def _encoded_bytes(session: aiohttp.ClientSession, server: Program) -> int:
    async with session.post(f"{server.url}/v1/images/generations", json=ORDER, headers=KEY) as answer:
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {(await answer.text())[:300]}")
        return sum([len(data) async for data in answer.content.iter_any()])


async def _slow_readers(server: Program) -> float:
    """The memory for each client that does not read, in KiB."""
    before = server.memory()
    with contextlib.ExitStack() as connections:
        for _ in range(SLOW_READERS):
            connection = connections.enter_context(_connection(server))
            await asyncio.get_running_loop().sock_sendall(connection, _request())
        await asyncio.sleep(SETTLED_SECONDS)
        return (server.memory() - before) * 1024 / SLOW_READERS


@contextlib.contextmanager
def _connection(server: Program) -> Iterator[socket.socket]:
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        address = urlsplit(server.url)
        connection.connect((address.hostname or "", address.port or 0))
        connection.setblocking(False)
        yield connection


def _request() -> bytes:
    body = orjson.dumps(ORDER)
    headers = KEY | {"host": "x", "authorization": f"Bearer {CLIENT_KEY}", "content-length": str(len(body))}
    lines = ["POST /v1/images/generations HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode() + body
