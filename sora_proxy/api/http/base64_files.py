"""Files as base64, piece by piece: however many answers hold images, none of them is whole in memory."""

from collections.abc import AsyncGenerator
from pathlib import Path

from pybase64 import b64encode

from sora_proxy.blocking import BlockingPool, Work

PIECE = 72 * 2**10  # whole groups of three bytes, so that the encoded pieces join; 96 KiB once encoded


async def base64_pieces(path: Path, threads: BlockingPool) -> AsyncGenerator[bytes, None]:
    """The encoding of a file."""
    offset, more = 0, True
    while more:
        encoded, more = await threads.run(Work.send, _piece, path, offset)
        offset += PIECE
        yield encoded


def _piece(path: Path, offset: int) -> tuple[bytes, bool]:
    """The encoding of one piece, and whether another follows."""
    with path.open("rb", buffering=0) as file:
        file.seek(offset)
        content = file.read(PIECE)
    return b64encode(content), len(content) == PIECE
