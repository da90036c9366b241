"""The clients: chats that are streamed, and chats in the background. Each chat uses a connection of its own."""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.benchmarks.programs import CLIENT_KEY, Program

LONGEST_SECONDS = 120.0
LOOK_SECONDS = 0.2
DONE = b"data: [DONE]\n\n"
LINK = re.compile(rb"!\[[^\]]*\]\((http[^)]+)\)")
PNG = b"\x89PNG\r\n\x1a\n"
PROMPT = "a red fox in the snow, seen from far away"
# The server itself adds this part to every answer.
OWN_HEADERS = frozenset({"transfer-encoding", "content-length", "content-type", "date", "server", "connection"})


@dataclass(slots=True)
class Stream:
    """The results of one streamed chat. Times are in seconds since the request was sent."""

    headers: dict[str, str] = field(default_factory=dict)
    chunks: list[tuple[float, bytes]] = field(default_factory=list)

    @property
    def body(self) -> bytes:
        return b"".join(data for _, data in self.chunks)

    @property
    def first_byte(self) -> float:
        return self.chunks[0][0]

    @property
    def seconds(self) -> float:
        return self.chunks[-1][0]

    @property
    def whole(self) -> bool:
        """Whether the stream is complete."""
        return self.body.startswith(b"data: ") and self.body.endswith(DONE)

    @property
    def link(self) -> str | None:
        found = LINK.search(self.body)
        return found[1].decode() if found else None


@contextlib.asynccontextmanager
async def clients() -> AsyncIterator[aiohttp.ClientSession]:
    """Any number of clients that share nothing but this process."""
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    headers = {"authorization": f"Bearer {CLIENT_KEY}"}
    timeout = aiohttp.ClientTimeout(total=LONGEST_SECONDS)
    async with aiohttp.ClientSession(connector=connector, headers=headers, timeout=timeout) as session:
        yield session


async def streamed(session: aiohttp.ClientSession, server: Program, count: int) -> list[Stream]:
    """Stream this many chats at once, and read each to the end."""
    return await asyncio.gather(*(_stream(session, server) for _ in range(count)))


async def ordered(session: aiohttp.ClientSession, server: Program, count: int) -> list[bytes]:
    """Place this many orders at once in the background, without any further request about them."""
    return await asyncio.gather(*(_order(session, server) for _ in range(count)))


async def is_png(session: aiohttp.ClientSession, link: str | None) -> bool:
    """Whether there is a PNG at the address."""
    if link is None:
        return False
    async with session.get(link) as answer:
        return answer.status == 200 and (await answer.read()).startswith(PNG)


async def stats(session: aiohttp.ClientSession, upstream: Program) -> dict[str, Any]:
    """The statistics of the simulator."""
    async with session.get(f"{upstream.url}/simulator/stats", params={"tasks": "0"}) as answer:
        seen: dict[str, Any] = await answer.json()
        return seen


async def all_finished(session: aiohttp.ClientSession, upstream: Program, registered: int) -> None:
    """Wait until the simulator has registered this many orders since its start, and is idle."""
    async with session.get(
        f"{upstream.url}/simulator/wait", params={"registered": registered, "timeout": LONGEST_SECONDS}
    ) as answer:
        if answer.status != 200:
            raise RuntimeError(f"some orders did not reach the simulator: {await answer.text()}")
    while (await stats(session, upstream))["unfinished"]:  # noqa: ASYNC110 — another process can't set an event
        await asyncio.sleep(LOOK_SECONDS)


async def _stream(session: aiohttp.ClientSession, server: Program) -> Stream:
    stream, part, begun = Stream(), b"", time.perf_counter()
    async with session.post(_url(server), json=_chat() | {"stream": True}) as answer:
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {(await answer.text())[:300]}")
        stream.headers = {str(name): value for name, value in answer.headers.items() if name.lower() not in OWN_HEADERS}
        async for data, ends in answer.content.iter_chunks():
            part += data
            if ends and part:
                stream.chunks.append((time.perf_counter() - begun, part))
                part = b""
    return stream


async def _order(session: aiohttp.ClientSession, server: Program) -> bytes:
    async with session.post(_url(server), json=_chat() | {"background": True}) as answer:
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {(await answer.text())[:300]}")
        return await answer.read()


def _url(server: Program) -> str:
    return f"{server.url}/v1/chat/completions"


def _chat() -> dict[str, Any]:
    return {"model": "sora-1.0", "messages": [{"role": "user", "content": PROMPT}]}
