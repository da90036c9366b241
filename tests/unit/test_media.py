"""Images on disk: only their bytes determine the format, and no incomplete file remains."""

import io
import re
import stat
import struct
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from sora_proxy.blocking import BlockingPool, Work
from sora_proxy.errors import StorageUnavailable
from sora_proxy.media.image_files import CONTENT_TYPES, FORMATS, IMAGE_NAME, MAX_PIXELS, Media, NotAnImage

Save = Any


def image(kind: str, size: tuple[int, int] = (32, 24), **options: Any) -> bytes:
    content = io.BytesIO()
    Image.effect_noise(size, 90).convert("RGB").save(content, kind, **options)
    return content.getvalue()


def c2pa() -> PngInfo:
    """A C2PA chunk, which states the origin of a PNG."""
    chunks = PngInfo()
    chunks.add(b"caBX", b"a manifest")
    return chunks


def frames() -> list[Image.Image]:
    return [Image.effect_noise((32, 24), 90).convert("RGB") for _ in range(2)]


def png_header(width: int, height: int) -> bytes:
    """A PNG whose header claims this size, although it contains only a little image data."""
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(1000))),
        (b"IEND", b""),
    )
    body = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def jpeg_of_scans(number: int) -> bytes:
    """A valid JPEG whose last scan is repeated `number` times."""
    whole = image("JPEG", progressive=True)
    scan = whole[whole.rindex(b"\xff\xda") : -2]
    return whole[:-2] + scan * number + whole[-2:]


def jpeg_of_segments(marker: int, content: bytes, number: int) -> bytes:
    """A valid JPEG with `number` copies of a segment before its image."""
    whole = image("JPEG")
    segment = struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content
    return whole[:2] + segment * number + whole[2:]


EXIF = b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"
GOOD = {
    "png": (image("PNG"), "png"),
    "png with a c2pa manifest": (image("PNG", pnginfo=c2pa()), "png"),
    "animated png": (image("PNG", save_all=True, append_images=frames()), "png"),
    "jpeg": (image("JPEG"), "jpg"),
    "progressive jpeg": (image("JPEG", progressive=True), "jpg"),
    "jpeg of more scans than usual": (jpeg_of_scans(20), "jpg"),
    "jpeg of two exif segments": (jpeg_of_segments(0xE1, EXIF, 2), "jpg"),
    "jpeg of more segments than usual": (jpeg_of_segments(0xEB, bytes(60_000), 100), "jpg"),
    "webp": (image("WEBP"), "webp"),
    "lossless webp": (image("WEBP", lossless=True), "webp"),
    "gif": (image("GIF"), "gif"),
    "animated gif": (image("GIF", save_all=True, append_images=frames()), "gif"),
    "gif and html": (image("GIF") + b"<html><script>alert(1)</script>", "gif"),
}
SVG = (
    b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(1)</script></svg>'
)
BAD = {
    "nothing": b"",
    "one byte": b"\x89",
    "html": b"<!doctype html><title>not found</title>",
    "svg": SVG,
    "json": b'{"error": {"message": "expired"}}',
    "pdf": b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF",
    "eps": image("EPS"),
    "tiff": image("TIFF"),
    "bmp": image("BMP"),
    "ico": image("ICO"),
    "jpeg 2000": image("JPEG2000"),
    "jpeg that takes long to decode": jpeg_of_scans(1000),
    "jpeg that takes long to read": jpeg_of_segments(0xE1, EXIF, 100_000),
    "jpeg that takes much memory": jpeg_of_segments(0xE5, b"", 200_000),
    "zip": b"PK\x03\x04" + bytes(100),
    "mp4": b"\x00\x00\x00\x18ftypmp42" + bytes(100),
    "png header alone": b"\x89PNG\r\n\x1a\n",
    "garbage after a png header": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4,
    "html with a gif's first bytes": b"GIF89a<script>alert(1)</script>",
    "huge png": png_header(60_000, 60_000),
    "too large png": png_header(MAX_PIXELS // 5000 + 1, 5000),
    "huge gif": b"GIF89a\xff\xff\xff\xff\x00\x00\x00" + image("GIF")[13:],
    **{f"half a {name}": content[: len(content) // 2] for name, (content, _) in GOOD.items() if "animated" not in name},
    **{
        f"{name} without its end": content[:-40]
        for name, (content, _) in GOOD.items()
        if "animated" not in name and "html" not in name
    },
    "damaged png": image("PNG")[:60] + b"\x00\xff\x00\xff" + image("PNG")[64:],
}


@pytest.fixture
async def media(tmp_path: Path) -> AsyncIterator[Media]:
    pool = BlockingPool()
    media = Media(tmp_path / "static" / "images", tmp_path / "inputs", pool)
    await media.open()
    yield media
    pool.close()


async def on_thread(media: Media, call: Any, *arguments: Any) -> Any:
    """Run a call on a thread. Even tests do not access files on the event loop."""
    return await media._threads.run(Work.media, call, *arguments)


async def downloaded(media: Media, content: bytes) -> Path:
    path = media.new_download()
    await on_thread(media, path.write_bytes, content)
    return path


async def names(media: Media, folder: Path) -> list[str]:
    found: list[str] = await on_thread(media, lambda: sorted(path.name for path in folder.iterdir()))
    return found


@pytest.mark.parametrize("kind", GOOD)
async def test_an_image_is_stored_under_a_random_name_with_the_extension_of_its_format(
    media: Media, tmp_path: Path, kind: str
) -> None:
    content, ending = GOOD[kind]
    kept = [await media.keep_result(await downloaded(media, content)) for _ in range(2)]
    assert kept[0] != kept[1]
    for name in kept:
        assert re.fullmatch(rf"[0-9a-f]{{32}}\.{ending}", name)
        assert IMAGE_NAME.fullmatch(name)
        assert await on_thread(media, media.image_path(name).read_bytes) == content
        assert await media.has_image(name)
    assert await names(media, tmp_path / "static/images") == sorted(kept)
    assert await names(media, tmp_path / "inputs") == []


@pytest.mark.parametrize("kind", GOOD)
async def test_a_reference_image_is_stored_separately_and_is_not_served(
    media: Media, tmp_path: Path, kind: str
) -> None:
    content, ending = GOOD[kind]
    name = await media.keep_input(content)
    assert IMAGE_NAME.fullmatch(name)
    assert name.endswith(f".{ending}")
    assert await on_thread(media, media.input_path(name).read_bytes) == content
    assert not await media.has_image(name)
    await media.discard(media.input_path(name))
    await media.discard(media.input_path(name))  # a second call does no harm
    assert await names(media, tmp_path / "inputs") == []


@pytest.mark.parametrize("kind", BAD)
async def test_a_bad_image_is_refused_and_removed(media: Media, tmp_path: Path, kind: str) -> None:
    with pytest.raises(NotAnImage):
        await media.keep_input(BAD[kind])
    with pytest.raises(NotAnImage):
        await media.keep_result(await downloaded(media, BAD[kind]))
    assert await names(media, tmp_path / "static/images") == []
    assert await names(media, tmp_path / "inputs") == []


async def test_the_message_about_a_large_image_states_the_maximum_number_of_pixels(media: Media) -> None:
    with pytest.raises(NotAnImage, match="more than 50 million pixels"):
        await media.keep_input(BAD["too large png"])


async def test_a_download_that_does_not_exist_is_reported_as_not_an_image(media: Media) -> None:
    with pytest.raises(NotAnImage):
        await media.keep_result(media.new_download())


async def test_opening_the_folders_removes_only_incomplete_files(media: Media, tmp_path: Path) -> None:
    name = await media.keep_result(await downloaded(media, GOOD["png"][0]))
    reference = await media.keep_input(GOOD["png"][0])
    await downloaded(media, b"half")
    await on_thread(media, (tmp_path / "inputs/.0123.part").write_bytes, b"half")
    await media.open()
    assert await names(media, tmp_path / "static/images") == [name]
    assert await names(media, tmp_path / "inputs") == [reference]


async def test_the_folders_are_readable_only_by_their_owner(media: Media, tmp_path: Path) -> None:
    for folder in ("static/images", "inputs"):
        mode = (await on_thread(media, (tmp_path / folder).stat)).st_mode
        assert stat.S_IMODE(mode) == 0o700


async def test_a_failure_of_the_disk_is_reported_as_unavailable_storage(media: Media, tmp_path: Path) -> None:
    await on_thread(media, (tmp_path / "inputs").rmdir)
    with pytest.raises(StorageUnavailable, match="an image can't be stored: No such file or directory"):
        await media.keep_input(GOOD["png"][0])


async def test_a_removed_image_is_not_found(media: Media) -> None:
    name = await media.keep_result(await downloaded(media, GOOD["gif"][0]))
    await on_thread(media, media.image_path(name).unlink)
    assert not await media.has_image(name)
    assert not await media.has_image("0" * 32 + ".png")


def test_every_format_has_a_content_type_and_a_name_that_is_served() -> None:
    assert set(FORMATS.values()) == set(CONTENT_TYPES)
    assert all(IMAGE_NAME.fullmatch(f"{'0' * 32}.{ending}") for ending in CONTENT_TYPES)


@pytest.mark.parametrize(
    "name",
    ["", "0" * 32, "0" * 31 + ".png", "0" * 33 + ".png", "A" * 32 + ".png", "0" * 32 + ".svg", "0" * 32 + ".png\n",
     "../" + "0" * 32 + ".png", "0" * 32 + ".png/..", "." + "0" * 32 + ".part", "٠" * 32 + ".png"],
)  # fmt: skip
def test_only_names_that_match_the_pattern_of_image_names_are_served(name: str) -> None:
    assert IMAGE_NAME.fullmatch(name) is None


@pytest.mark.parametrize(("wanted", "ending"), [("png", "png"), ("jpeg", "jpg"), ("webp", "webp")])
async def test_an_image_is_stored_only_in_the_requested_format(
    media: Media, tmp_path: Path, wanted: str, ending: str
) -> None:
    name = await media.keep_result(await downloaded(media, GOOD["gif"][0]), wanted)
    assert name.endswith(f".{ending}")
    assert await names(media, tmp_path / "static/images") == [name]


@pytest.mark.parametrize("kind", BAD)
async def test_a_file_that_is_not_an_image_is_removed_instead_of_converted(
    media: Media, tmp_path: Path, kind: str
) -> None:
    with pytest.raises(NotAnImage):
        await media.keep_result(await downloaded(media, BAD[kind]), "webp")
    assert await names(media, tmp_path / "static/images") == []


async def test_an_upload_is_received_in_pieces_and_checked_when_it_is_complete(media: Media, tmp_path: Path) -> None:
    content = GOOD["png"][0]
    upload = await media.new_upload()
    for start in range(0, len(content), 100):
        await media.append(upload, content[start : start + 100])
    name = await media.keep_upload(upload)
    assert await on_thread(media, media.input_path(name).read_bytes) == content
    with pytest.raises(NotAnImage):
        await media.keep_upload(await media.new_upload())
    assert await names(media, tmp_path / "inputs") == [name]
