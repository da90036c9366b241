"""Encodes images as base64 piece by piece, so that the base64 of a whole image is never in memory."""

from collections.abc import AsyncGenerator
from pathlib import Path

from pybase64 import b64encode

from sora_proxy.blocking import BlockingPool, Work

PIECE_BYTES = 72 * 2**10  # a multiple of three, so that the encoded pieces can be joined; 96 KiB once encoded


async def base64_pieces(image: Path | memoryview, threads: BlockingPool) -> AsyncGenerator[bytes, None]:
    """The base64 of a file, or of bytes in memory."""
    offset, more = 0, True
    while more:
        encoded, more = await threads.run(Work.send, _piece, image, offset)
        offset += PIECE_BYTES
        yield encoded


def _piece(image: Path | memoryview, offset: int) -> tuple[bytes, bool]:
    """The base64 of one piece, and whether another piece may follow."""
    content = image[offset : offset + PIECE_BYTES] if isinstance(image, memoryview) else _read(image, offset)
    return b64encode(content), len(content) == PIECE_BYTES


def _read(path: Path, offset: int) -> bytes:
    with path.open("rb", buffering=0) as file:
        file.seek(offset)
        return file.read(PIECE_BYTES)
