"""Writing answers that contain images."""

import json
import os
from base64 import b64encode
from pathlib import Path

import pytest

from sora_proxy.api.http.base64_files import PIECE_BYTES
from sora_proxy.api.http.pieces import event_pieces, json_pieces, write_pieces
from sora_proxy.blocking import BlockingPool


@pytest.fixture
def images(tmp_path: Path) -> dict[Path, bytes]:
    """Files of various sizes, some close to the size of a piece, with their contents."""
    sizes = (0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES + 7)
    contents = {tmp_path / f"{size}.png": os.urandom(size) for size in sizes}
    for path, content in contents.items():
        path.write_bytes(content)
    return contents


async def test_a_body_is_written_as_json_in_small_pieces_with_its_files_in_base64(
    images: dict[Path, bytes],
) -> None:
    threads, written = BlockingPool(), []

    async def write(data: bytes) -> None:
        written.append(data)

    files = [{"result": path, "name": path.name} for path in images]
    in_memory = [{"result": memoryview(content), "name": path.name} for path, content in images.items()]
    body = {"text": '"ü\n', "data": [*files, *in_memory]}
    await write_pieces(json_pieces(body), threads, write)
    threads.close()

    data = [{"result": b64encode(content).decode(), "name": path.name} for path, content in images.items()]
    assert json.loads(b"".join(written)) == body | {"data": data * 2}
    assert max(len(each) for each in written) <= PIECE_BYTES // 3 * 4


async def test_a_body_without_files_is_written_in_one_piece() -> None:
    written = []

    async def write(data: bytes) -> None:
        written.append(data)

    threads = BlockingPool()
    await write_pieces(event_pieces("a.kind", {"n": 1}), threads, write)
    threads.close()
    assert written == [b'event: a.kind\ndata: {"type":"a.kind","n":1}\n\n']
