"""Removing all data from images except the data that is needed to show them."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageCms, ImageSequence
from PIL.PngImagePlugin import PngInfo

from sora_proxy.upstream.comfyui.metadata import Damaged, strip

SECRET = "a secret prompt, with sk-a-key"
SIZE = (40, 30)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def drawn(mode: str = "RGB", turn: int = 0) -> Image.Image:
    return Image.radial_gradient("L").resize(SIZE).rotate(turn).convert(mode)


def exif() -> Image.Exif:
    made = Image.Exif()
    made[0x010E] = made[0x010F] = SECRET
    return made


def saved(kind: str, mode: str = "RGB", *, frames: int = 1, **options: object) -> bytes:
    out = io.BytesIO()
    more = {"save_all": True, "append_images": [drawn(mode, 10 * turn) for turn in range(1, frames)], "duration": 50}
    drawn(mode).save(out, kind, **(more if frames > 1 else {}), **options)
    return out.getvalue()


def png(*, frames: int = 1) -> bytes:
    """A PNG with a text in each kind of text chunk, and in a private chunk after the image, as in SaveAnimatedPNG."""
    info = PngInfo()
    info.add_text("prompt", SECRET)
    info.add_text("workflow", SECRET, zip=True)
    info.add_itxt("more", SECRET)
    content = saved("PNG", frames=frames, pnginfo=info, exif=exif())
    return content[:-12] + chunk(b"comf", b"prompt\0" + SECRET.encode()) + content[-12:] + SECRET.encode()


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_with(kind: bytes, data: bytes) -> bytes:
    """A PNG with a chunk before the pixels."""
    content = saved("PNG")
    return content[:33] + chunk(kind, data) + content[33:]


def jpeg_with(marker: int, data: bytes) -> bytes:
    """A JPEG with an additional segment before all other segments."""
    content = saved("JPEG")
    return content[:2] + struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data + content[2:]


def webp_with(data: bytes, *, in_frame: bool) -> bytes:
    """A WebP with a private chunk at the end of the file or, with `in_frame`, at the end of the last frame."""
    content = saved("WEBP", frames=2)
    chunk = struct.pack("<4sI", b"text", len(data)) + data + b"\0" * (len(data) % 2)
    if in_frame:
        size_at = content.rindex(b"ANMF") + 4
        (size,) = struct.unpack_from("<I", content, size_at)
        content = content[:size_at] + struct.pack("<I", size + len(chunk)) + content[size_at + 4 :]
    content += chunk
    return content[:4] + struct.pack("<I", len(content) - 8) + content[8:]


def gif_with(label: int, *blocks: bytes) -> bytes:
    """A GIF with an extension before the first frame."""
    content = saved("GIF", "P", frames=2, loop=0)
    at = content.index(b"!\xff\x0bNETSCAPE2.0")
    rows = b"".join(bytes([len(block)]) + block for block in blocks)
    return content[:at] + b"!" + bytes([label]) + rows + b"\0" + content[at:]


def gif(*, frames: int = 1) -> bytes:
    content = saved("GIF", "P", frames=frames, comment=SECRET.encode(), loop=0)
    text = SECRET.encode()
    extension = b"!\xff\x0bXMP DataXMP" + bytes([len(text)]) + text + b"\0"
    return content[:-1] + extension + b";" + text


FILES: dict[str, Callable[[], bytes]] = {
    "png": png,
    "animated png": lambda: png(frames=3),
    "webp": lambda: saved("WEBP", exif=exif(), xmp=SECRET.encode()),
    "webp without losses": lambda: saved("WEBP", "RGBA", lossless=True, exif=exif(), xmp=SECRET.encode()),
    "animated webp": lambda: saved("WEBP", frames=3, exif=exif(), xmp=SECRET.encode()),
    "jpeg": lambda: saved("JPEG", exif=exif(), comment=SECRET.encode()) + SECRET.encode(),
    "progressive jpeg": lambda: saved("JPEG", progressive=True, exif=exif(), comment=SECRET.encode()),
    "gif": gif,
    "animated gif": lambda: gif(frames=3),
}


TEXT = SECRET.encode()
HIDDEN = {
    "in a text chunk": png_with(b"zTXt", b"prompt\0\0" + TEXT),
    "as the name of a profile": png_with(b"iCCP", TEXT + b"\0\0" + zlib.compress(PROFILE)),
    "as a profile of many megabytes": png_with(b"iCCP", TEXT + b"\0\0" + bytes(5 * 2**20)),
    **{f"in segment {marker:X}": jpeg_with(marker, TEXT) for marker in (*range(0xE0, 0xF0), 0xFE)},
    "behind the numbers of JFIF": jpeg_with(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0" + TEXT),
    "as the thumbnail of JFIF": jpeg_with(0xE0, b"JFIF\0\1\1\0\0\1\0\1\x0a\1" + TEXT),
    "in an extension of JFIF": jpeg_with(0xE0, b"JFXX\0\x13" + TEXT),
    "behind the numbers of Adobe": jpeg_with(0xEE, b"Adobe\0\x64\0\0\0\0\1" + TEXT),
    "in a chunk of a WebP": webp_with(TEXT, in_frame=False),
    "in a frame of a WebP": webp_with(TEXT, in_frame=True),
    "in a comment of a GIF": gif_with(0xFE, TEXT),
    "in a text of a GIF": gif_with(0x01, bytes(12), TEXT),
    "in an extension without a name": gif_with(0xFF, TEXT),
    "in an extension of a program": gif_with(0xFF, b"COMFYUI 1.0", TEXT),
    "in the extension of repetitions": gif_with(0xFF, b"NETSCAPE2.0", b"\1\0\0", TEXT),
    "in the extension of a frame": gif_with(0xF9, b"\4\5\0\0", TEXT),
    "in an unknown extension": gif_with(0x77, TEXT, TEXT),
}


def pixels(content: bytes) -> list[bytes]:
    with Image.open(io.BytesIO(content)) as image:
        return [frame.convert("RGBA").tobytes() for frame in ImageSequence.Iterator(image)]


def texts_in(content: bytes) -> str:
    """All data that Pillow finds in an image, except for its pixels."""
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        return f"{image.info} {dict(image.getexif())} {getattr(image, 'text', '')}"


@pytest.mark.parametrize("make", FILES.values(), ids=list(FILES))
def test_texts_are_removed_and_no_pixel_is_changed(tmp_path: Path, make: Callable[[], bytes]) -> None:
    file, content = tmp_path / "image", make()
    assert SECRET in texts_in(content)
    file.write_bytes(content)
    strip(file)
    clean = file.read_bytes()
    assert SECRET.encode() not in clean
    assert SECRET not in texts_in(clean)
    assert pixels(clean) == pixels(content)
    assert list(tmp_path.iterdir()) == [file]
    strip(file)
    assert file.read_bytes() == clean


@pytest.mark.parametrize("content", HIDDEN.values(), ids=list(HIDDEN))
def test_a_text_is_removed_whatever_part_of_the_file_contains_it(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "image"
    file.write_bytes(content)
    assert TEXT in content
    strip(file)
    clean = file.read_bytes()
    assert TEXT not in clean
    assert pixels(clean) == pixels(content)


@pytest.mark.parametrize(("marker", "data"), [(0xF0, TEXT), (0xFD, TEXT), (0x02, TEXT), (0xE2, b"MPF\0" + TEXT)])
def test_a_jpeg_segment_that_pillow_cannot_read_is_removed(tmp_path: Path, marker: int, data: bytes) -> None:
    files = [tmp_path / "with", tmp_path / "without"]
    for file, content in zip(files, (jpeg_with(marker, data), saved("JPEG")), strict=True):
        file.write_bytes(content)
        strip(file)
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        (saved("PNG", icc_profile=PROFILE, dpi=(90, 90)), {"icc_profile", "dpi"}),
        (saved("JPEG", icc_profile=PROFILE, dpi=(90, 90)), {"icc_profile", "dpi", "jfif_version"}),
        (saved("JPEG", "CMYK", icc_profile=bytes(70_000)), {"icc_profile", "adobe", "adobe_transform"}),
        (saved("WEBP", icc_profile=PROFILE), {"icc_profile"}),
        (saved("WEBP", frames=2, icc_profile=PROFILE, loop=3), {"icc_profile", "loop"}),
        (saved("GIF", "P", frames=2, loop=3), {"loop", "duration"}),
    ],
    ids=["png", "jpeg", "jpeg of four colours", "webp", "animated webp", "gif"],
)
def test_data_that_affects_the_look_of_an_image_is_not_removed(tmp_path: Path, content: bytes, kept: set[str]) -> None:
    file = tmp_path / "image"
    file.write_bytes(content)
    strip(file)
    clean = file.read_bytes()
    with Image.open(io.BytesIO(content)) as before, Image.open(io.BytesIO(clean)) as after:
        assert kept <= set(before.info)
        assert {name: after.info.get(name) for name in kept} == {name: before.info[name] for name in kept}
    assert pixels(clean) == pixels(content)


@pytest.mark.slow
@pytest.mark.parametrize("make", FILES.values(), ids=list(FILES))
def test_a_truncated_file_loses_its_texts_or_is_reported_as_damaged(tmp_path: Path, make: Callable[[], bytes]) -> None:
    file, content = tmp_path / "image", make()
    for length in range(12, len(content), 7):
        file.write_bytes(content[:length])
        try:
            strip(file)
        except Damaged:
            assert list(tmp_path.iterdir()) == [file]
        else:
            assert SECRET.encode() not in file.read_bytes()


def test_a_file_that_is_not_an_image_is_left_unchanged(tmp_path: Path) -> None:
    file = tmp_path / "video"
    file.write_bytes(b"\0\0\0\x20ftypisom")
    strip(file)
    assert file.read_bytes() == b"\0\0\0\x20ftypisom"
