"""Reading streams, byte by byte."""

import asyncio
import json
import re
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.eventually import PATIENCE


@dataclass
class StreamRead:
    """A complete SSE answer."""

    headers: dict[str, str]
    raw: bytes
    chunks: list[dict[str, Any]] = field(default_factory=list)

    @property
    def done(self) -> bool:
        return self.raw.endswith(b"data: [DONE]\n\n")

    @property
    def content(self) -> str:
        return "".join(self._deltas("content"))

    @property
    def reasoning(self) -> list[str]:
        return self._deltas("reasoning_content")

    @property
    def error(self) -> dict[str, Any] | None:
        return next((chunk["error"] for chunk in self.chunks if "error" in chunk), None)

    def _deltas(self, name: str) -> list[str]:
        choices = [choice for chunk in self.chunks for choice in chunk.get("choices", [])]
        return [choice["delta"][name] for choice in choices if name in choice["delta"]]


async def read_until(answer: aiohttp.ClientResponse, *marks: bytes, times: int = 1) -> bytes:
    """Read an answer until each mark has occurred `times` times; returns what was read."""
    begun = b""
    async with asyncio.timeout(PATIENCE):
        while any(begun.count(mark) < times for mark in marks):
            piece = await answer.content.readany()
            assert piece, f"the answer ended before {marks} occurred: {begun!r}"
            begun += piece
    return begun


async def read_stream(answer: aiohttp.ClientResponse, begun: bytes = b"") -> StreamRead:
    """Read the rest of a stream, and check the form of each of its lines."""
    assert answer.status == 200, await answer.text()
    raw = begun + await answer.read()
    read = StreamRead({name.lower(): value for name, value in answer.headers.items()}, raw)
    for line in raw.split(b"\n"):
        assert line == b"" or line.startswith((b"data: ", b": ping")), line
        if line.startswith(b"data: {"):
            read.chunks.append(json.loads(line[6:]))
    return read


def blocks_of(raw: bytes) -> list[bytes]:
    """The blocks between the empty lines of a stream, without heartbeats."""
    assert raw == b"" or raw.endswith(b"\n\n")
    return [block for block in raw.split(b"\n\n") if block and not block.startswith(b":")]


def numbers_of(blocks: list[bytes]) -> list[int]:
    """The sequence numbers of a chat stream's chunks."""
    return [json.loads(block[6:])["sequence_number"] for block in blocks if b'"sequence_number"' in block]


def named_event(block: bytes) -> tuple[str, dict[str, Any]]:
    """The name and the data of an event."""
    found = re.fullmatch(rb"event: (\S+)\ndata: (.*)", block)
    assert found is not None, block
    return found[1].decode(), json.loads(found[2])
