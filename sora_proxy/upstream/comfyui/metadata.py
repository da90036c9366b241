"""Metadata: removes the texts from an image file, where ComfyUI saves the whole graph including the prompt.

Only the parts that affect the look of the image are kept, since nodes choose freely where they store texts. Formats:
PNG (W3C, third edition), the WebP container (RFC 9649), JPEG (ITU T.81, annex B), GIF89a.
"""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

# For colours, transparency, the shape of pixels and animation.
PNG_CHUNKS = frozenset(
    b"IHDR PLTE IDAT IEND tRNS cHRM gAMA iCCP sBIT sRGB cICP mDCV cLLI bKGD hIST pHYs acTL fcTL fdAT".split()
)
WEBP_CHUNKS = frozenset([b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"])
WEBP_FLAGS = 0xFF & ~0x0C  # the flags of VP8X without those for EXIF and XMP
JPEG_APPS = frozenset([0xE0, 0xE2, 0xEE])  # JFIF, colour profile, Adobe's colours
JPEG_COMMENT, JPEG_SCAN, JPEG_END = 0xFE, 0xDA, 0xD9
GIF_GRAPHIC_CONTROL, GIF_APPLICATION = 0xF9, 0xFF
GIF_LOOPS = (b"\x0bNETSCAPE2.0", b"\x0bANIMEXTS1.0")
PIECE = 2**16


class Damaged(ValueError):
    """The file does not match the format of its first bytes."""


def strip(file: Path) -> None:
    """Replace a PNG, WebP, JPEG or GIF file with one without texts; any other file stays. It blocks.

    Raises Damaged or OSError.
    """
    clean = file.with_name(f"{file.name}.part")  # an ending by which the next start removes it after a crash
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
    while kind != b"IEND":  # the bytes behind it are not part of the image
        head = _read(source, 8)
        length, kind = struct.unpack(">I4s", head)
        if kind in PNG_CHUNKS:
            target.write(head)
            _copy(source, target, length + 4)
        else:
            _skip(source, length + 4)


def _copy_webp(source: BinaryIO, target: BinaryIO) -> None:
    _, size, _ = struct.unpack("<4sI4s", _read(source, 12))
    target.write(b"RIFF\0\0\0\0WEBP")
    left = size - 4
    while left >= 8:
        head = _read(source, 8)
        kind, length = struct.unpack("<4sI", head)
        padded = length + length % 2
        left -= 8 + padded
        if kind == b"VP8X" and length:
            flags = _read(source, 1)[0] & WEBP_FLAGS
            target.write(head + bytes([flags]))
            _copy(source, target, padded - 1)
        elif kind in WEBP_CHUNKS:
            target.write(head)
            _copy(source, target, padded)
        else:
            _skip(source, padded)
    written = target.tell()
    target.seek(4)
    target.write(struct.pack("<I", written - 8))


def _copy_jpeg(source: BinaryIO, target: BinaryIO) -> None:
    target.write(_read(source, 2))
    while True:
        marker = _marker(source)
        if marker == JPEG_END:
            target.write(bytes([0xFF, marker]))
            return
        size = _read(source, 2)
        length = struct.unpack(">H", size)[0] - 2
        is_app = 0xE0 <= marker <= 0xEF
        if marker == JPEG_COMMENT or (is_app and marker not in JPEG_APPS):
            _skip(source, length)
            continue
        target.write(bytes([0xFF, marker]) + size)
        _copy(source, target, length)
        if marker == JPEG_SCAN:
            _copy_scan(source, target)


def _copy_scan(source: BinaryIO, target: BinaryIO) -> None:
    """Copy coded data up to the next marker other than a restart. A stuffed zero is not a marker."""
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
    label = _read(source, 1)
    if label[0] == GIF_GRAPHIC_CONTROL:
        target.write(b"!" + label)
        _copy_blocks(source, target)
        return
    name = _read(source, 12) if label[0] == GIF_APPLICATION else b""
    if name in GIF_LOOPS:
        target.write(b"!" + label + name)
    _copy_blocks(source, target if name in GIF_LOOPS else None)


def _copy_blocks(source: BinaryIO, target: BinaryIO | None) -> None:
    size = b"\xff"
    while size != b"\0":
        size = _read(source, 1)
        block = size + _read(source, size[0])
        if target is not None:
            target.write(block)


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
