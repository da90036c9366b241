"""Metadata: removes the texts from an image file. ComfyUI saves the whole graph in them, including the prompt.

Only the parts that affect the look of the image are kept, because a node may store texts in any other part. Texts
inside a colour profile are not removed. Formats: PNG (W3C, third edition), the WebP container (RFC 9649), JPEG (ITU
T.81, annex B; T.871; T.872, 6.5.3), GIF89a.
"""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

# The PNG chunks for colours, transparency, the shape of pixels and animation.
PNG_CHUNKS = frozenset(
    b"IHDR PLTE IDAT IEND tRNS cHRM gAMA sBIT sRGB cICP mDCV cLLI bKGD hIST pHYs acTL fcTL fdAT".split()
)
PNG_PROFILE, PROFILE_NAME = b"iCCP", b"icc\0"  # the name of a profile in a PNG is free text, so it is replaced
MAX_PROFILE_BYTES = 2**22
WEBP_FRAME_CHUNKS = frozenset([b"VP8 ", b"VP8L", b"ALPH"])
WEBP_CHUNKS = WEBP_FRAME_CHUNKS | {b"VP8X", b"ANIM", b"ANMF", b"ICCP"}
WEBP_FLAGS = 0xFF & ~0x0C  # the flags of VP8X without those for EXIF and XMP
WEBP_FRAME_HEAD_BYTES = 16
JPEG_SCAN, JPEG_END = 0xDA, 0xD9
JPEG_CODING = frozenset([*range(0xC0, 0xD0), JPEG_SCAN, 0xDB, 0xDC, 0xDD])  # frames, and what is needed to decode them
JPEG_PROFILE = b"ICC_PROFILE\0"
GIF_GRAPHIC_CONTROL, GIF_APPLICATION = 0xF9, 0xFF
GIF_LOOPS = (b"\x0bNETSCAPE2.0", b"\x0bANIMEXTS1.0")
GIF_CONTROL_BYTES, GIF_LOOP_BYTES = 4, 3
PIECE = 2**16


class Damaged(ValueError):
    """The file begins like a known format, but the rest does not follow that format."""


def strip(file: Path) -> None:
    """Replace a PNG, WebP, JPEG or GIF file with a copy without texts. Other files stay unchanged.

    This function blocks. Raises Damaged or OSError.
    """
    clean = file.with_name(f"{file.name}.part")  # after a crash, files with this extension are removed at startup
    try:
        with file.open("rb") as source:
            head = source.read(12)
            copy = _copier(head)
            if copy is None:
                return
            source.seek(0)
            with clean.open("wb") as target:
                copy(source, target)
        clean.replace(file)
    finally:
        clean.unlink(missing_ok=True)


def _copier(head: bytes) -> Callable[[BinaryIO, BinaryIO], None] | None:
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return _copy_png
    if head[:4] == b"RIFF" and head[8:] == b"WEBP":
        return _copy_webp
    if head.startswith(b"\xff\xd8"):
        return _copy_jpeg
    return _copy_gif if head.startswith((b"GIF87a", b"GIF89a")) else None


def _copy_png(source: BinaryIO, target: BinaryIO) -> None:
    target.write(_read(source, 8))
    kind = b""
    while kind != b"IEND":  # the bytes after this chunk are not part of the image
        head = _read(source, 8)
        length, kind = struct.unpack(">I4s", head)
        if kind == PNG_PROFILE and length <= MAX_PROFILE_BYTES:
            _, _, profile = _read(source, length).partition(b"\0")
            _skip(source, 4)
            data = kind + PROFILE_NAME + profile
            target.write(struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data)))
        elif kind in PNG_CHUNKS:
            target.write(head)
            _copy(source, target, length + 4)
        else:
            _skip(source, length + 4)


def _copy_webp(source: BinaryIO, target: BinaryIO) -> None:
    _, size, _ = struct.unpack("<4sI4s", _read(source, 12))
    target.write(b"RIFF\0\0\0\0WEBP")
    _copy_chunks(source, target, size - 4, WEBP_CHUNKS)
    _write_size(target, 0)


def _copy_chunks(source: BinaryIO, target: BinaryIO, left: int, kinds: frozenset[bytes]) -> None:
    """Copy the chunks of these kinds from the next `left` bytes, and skip all other chunks."""
    while left >= 8:
        head = _read(source, 8)
        kind, length = struct.unpack("<4sI", head)
        padded = length + length % 2
        left -= 8 + padded
        if kind not in kinds:
            _skip(source, padded)
            continue
        start = target.tell()
        target.write(head)
        if kind == b"VP8X" and length:
            target.write(bytes([_read(source, 1)[0] & WEBP_FLAGS]))
            _copy(source, target, padded - 1)
        elif kind == b"ANMF":
            _copy(source, target, WEBP_FRAME_HEAD_BYTES)
            _copy_chunks(source, target, padded - WEBP_FRAME_HEAD_BYTES, WEBP_FRAME_CHUNKS)
            _write_size(target, start)
        else:
            _copy(source, target, padded)
    if left < 0:
        raise Damaged("a chunk is longer than the part that contains it")
    _skip(source, left)


def _write_size(target: BinaryIO, start: int) -> None:
    """Write the size of the chunk that begins at `start` and ends at the current position."""
    end = target.tell()
    target.seek(start + 4)
    target.write(struct.pack("<I", end - start - 8))
    target.seek(end)


def _copy_jpeg(source: BinaryIO, target: BinaryIO) -> None:
    target.write(_read(source, 2))
    while (marker := _marker(source)) != JPEG_END:
        (length,) = struct.unpack(">H", _read(source, 2))
        data = _needed(marker, _read(source, max(length - 2, 0)))
        if data is not None:
            target.write(struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data)
        if marker == JPEG_SCAN:
            _copy_scan(source, target)
    target.write(bytes([0xFF, JPEG_END]))


def _needed(marker: int, data: bytes) -> bytes | None:
    """The part of a segment that the image needs; None if it needs nothing of the segment, as with a thumbnail."""
    if marker in JPEG_CODING or (marker == 0xE2 and data.startswith(JPEG_PROFILE)):
        return data
    if marker == 0xE0 and data.startswith(b"JFIF\0"):
        return data[:12] + b"\0\0"
    return data[:12] if marker == 0xEE and data.startswith(b"Adobe") else None


def _copy_scan(source: BinaryIO, target: BinaryIO) -> None:
    """Copy coded data up to the next marker. Restart markers are copied too, and 0xFF with a stuffed zero is data."""
    before = b""
    while piece := source.read(PIECE):
        data, at = before + piece, 0
        while (at := data.find(b"\xff", at)) >= 0 and at + 1 < len(data):
            if data[at + 1] not in (0x00, 0xFF, *range(0xD0, 0xD8)):
                target.write(data[:at])
                source.seek(at - len(data), 1)
                return
            at += 1 if data[at + 1] == 0xFF else 2
        before = b"\xff" if data.endswith(b"\xff") else b""
        target.write(data[: len(data) - len(before)])
    raise Damaged("the image is cut off")


def _marker(source: BinaryIO) -> int:
    """The next marker; fill bytes before it are skipped."""
    if _read(source, 1) != b"\xff":
        raise Damaged("there is no marker where one should be")
    while (marker := _read(source, 1)[0]) == 0xFF:
        pass
    return marker


def _copy_gif(source: BinaryIO, target: BinaryIO) -> None:
    head = _read(source, 13)
    target.write(head)
    _copy(source, target, _table_size(head[10]))
    while (block := _read(source, 1)) != b";":
        if block == b",":
            place = _read(source, 9)
            target.write(block + place)
            _copy(source, target, _table_size(place[8]) + 1)
            _copy_blocks(source, target)
        elif block == b"!":
            _copy_extension(source, target)
        else:
            raise Damaged("there is no block where one should be")
    target.write(b";")


def _table_size(flags: int) -> int:
    return 3 * 2 ** (flags % 8 + 1) if flags & 0x80 else 0


def _copy_extension(source: BinaryIO, target: BinaryIO) -> None:
    """Copy an extension if it controls how frames are shown, but leave out blocks of an unexpected size. Skip other
    extensions."""
    label, block = _read(source, 1), _block(source)
    kept_bytes = 0
    if label[0] == GIF_GRAPHIC_CONTROL:
        kept_bytes = GIF_CONTROL_BYTES
        target.write(b"!" + label)
    elif label[0] == GIF_APPLICATION and block in GIF_LOOPS:
        kept_bytes = GIF_LOOP_BYTES
        target.write(b"!" + label + block)
    while block != b"\0":
        if block[0] == kept_bytes:
            target.write(block)
        block = _block(source)
    if kept_bytes:
        target.write(block)


def _copy_blocks(source: BinaryIO, target: BinaryIO) -> None:
    block = b""
    while block != b"\0":
        block = _block(source)
        target.write(block)


def _block(source: BinaryIO) -> bytes:
    """The next block, with its size in front of it. A block of size 0 ends a sequence of blocks."""
    size = _read(source, 1)
    return size + _read(source, size[0])


def _read(source: BinaryIO, count: int) -> bytes:
    data = source.read(count)
    if len(data) < count:
        raise Damaged("the image is cut off")
    return data


def _copy(source: BinaryIO, target: BinaryIO, count: int) -> None:
    while count > 0:
        piece = _read(source, min(count, PIECE))
        target.write(piece)
        count -= len(piece)


def _skip(source: BinaryIO, count: int) -> None:
    source.seek(max(count, 0), 1)
