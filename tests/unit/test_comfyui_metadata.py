"""What is taken out of images: everything that is not needed to show them."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageSequence
from PIL.PngImagePlugin import PngInfo

from sora_proxy.upstream.comfyui.metadata import Damaged, strip

SECRET = "a secret prompt, with sk-a-key"
SIZE = (40, 30)


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
    """With texts in each of their chunks, and in one of a private kind behind the image, as SaveAnimatedPNG does."""
    info = PngInfo()
    info.add_text("prompt", SECRET)
    info.add_text("workflow", SECRET, zip=True)
    info.add_itxt("more", SECRET)
    content = saved("PNG", frames=frames, pnginfo=info, exif=exif())
    kind, data = b"comf", b"prompt\0" + SECRET.encode()
    chunk = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return content[:-12] + chunk + content[-12:] + SECRET.encode()


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


def pixels(content: bytes) -> list[bytes]:
    with Image.open(io.BytesIO(content)) as image:
        return [frame.convert("RGBA").tobytes() for frame in ImageSequence.Iterator(image)]


def texts_in(content: bytes) -> str:
    """All that Pillow finds beside the pixels."""
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        return f"{image.info} {dict(image.getexif())} {getattr(image, 'text', '')}"


@pytest.mark.parametrize("make", FILES.values(), ids=list(FILES))
def test_the_texts_go_and_every_pixel_stays(tmp_path: Path, make: Callable[[], bytes]) -> None:
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


@pytest.mark.parametrize("make", FILES.values(), ids=list(FILES))
def test_a_file_that_is_cut_off_is_damaged_or_has_no_texts_either(tmp_path: Path, make: Callable[[], bytes]) -> None:
    file, content = tmp_path / "image", make()
    for length in range(12, len(content), 7):
        file.write_bytes(content[:length])
        try:
            strip(file)
        except Damaged:
            assert list(tmp_path.iterdir()) == [file]
        else:
            assert SECRET.encode() not in file.read_bytes()


def test_what_is_no_image_stays(tmp_path: Path) -> None:
    file = tmp_path / "video"
    file.write_bytes(b"\0\0\0\x20ftypisom")
    strip(file)
    assert file.read_bytes() == b"\0\0\0\x20ftypisom"
