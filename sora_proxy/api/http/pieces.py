"""Answers that hold images: JSON in pieces, some of which are still files.

Bytes are sent as they are. A path stands for the base64 of its file, which is read while it is sent; a view of bytes
stands for their base64.
"""

import secrets
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

import orjson

from sora_proxy.api.http.base64_files import base64_pieces
from sora_proxy.blocking import BlockingPool

Piece = bytes | Path | memoryview


def json_pieces(body: Any) -> Iterator[Piece]:
    """The JSON of a body in which a path stands for a file, and a view for bytes."""
    files: list[Path | memoryview] = []
    mark = secrets.token_hex(16)  # which no text in the body can hold

    def name(file: Any) -> str:
        if not isinstance(file, Path | memoryview):
            raise TypeError
        files.append(file)
        return mark

    first, *rest = orjson.dumps(body, default=name).split(mark.encode())
    yield first
    for file, text in zip(files, rest, strict=True):
        yield file
        yield text


def event_pieces(kind: str, fields: Mapping[str, Any]) -> Iterator[Piece]:
    """A server-sent event that has its kind in both places where clients look for it."""
    yield b"event: %b\ndata: " % kind.encode()
    yield from json_pieces({"type": kind, **fields})
    yield b"\n\n"


async def write_pieces(
    pieces: Iterable[Piece], threads: BlockingPool, write: Callable[[bytes], Awaitable[None]]
) -> None:
    """Write the pieces; files and views are encoded on `threads`, piece by piece."""
    text: list[bytes] = []
    for piece in pieces:
        if isinstance(piece, bytes):
            text.append(piece)
            continue
        await write(b"".join(text))
        text.clear()
        async with aclosing(base64_pieces(piece, threads)) as everything:
            async for data in everything:
                await write(data)
    if text:
        await write(b"".join(text))
