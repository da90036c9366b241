"""Answers that contain images: JSON in pieces, some of which are files.

Bytes are sent unchanged. A path is replaced by the base64 of its file, which is read while it is sent. A memoryview
is replaced by the base64 of its bytes.
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
    """The pieces of a body's JSON. Paths and memoryviews in the body become separate pieces."""
    files: list[Path | memoryview] = []
    mark = secrets.token_hex(16)  # can't be guessed, so no text in the body contains it

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
    """A server-sent event, with its kind in the `event:` line and in `type`, since some clients look for the kind in
    the line, and others in the field `type`."""
    yield b"event: %b\ndata: " % kind.encode()
    yield from json_pieces({"type": kind, **fields})
    yield b"\n\n"


async def write_pieces(
    pieces: Iterable[Piece], threads: BlockingPool, write: Callable[[bytes], Awaitable[None]]
) -> None:
    """Write the pieces. Files and memoryviews are encoded on `threads`, in parts."""
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
