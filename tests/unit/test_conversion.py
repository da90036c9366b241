"""Images in the format that was ordered, looked at with Pillow."""

from pathlib import Path

import pytest
from PIL import Image

from sora_proxy.media.conversion import converted


def drawn(path: Path, kind: str, mode: str = "RGB") -> Path:
    Image.effect_noise((64, 48), 90).convert(mode).save(path, kind)
    return path


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
@pytest.mark.parametrize("wanted", ["png", "jpeg", "webp"])
def test_any_format_becomes_any_other_and_none_is_made_anew(tmp_path: Path, kind: str, wanted: str) -> None:
    source, target = drawn(tmp_path / "source", kind), tmp_path / "target"
    assert converted(source, target, wanted, None) is (kind != wanted.upper())
    if target.exists():
        with Image.open(target) as image:
            assert (image.format, image.size) == (wanted.upper(), (64, 48))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16", "CMYK"])
@pytest.mark.parametrize("wanted", ["jpeg", "webp"])
def test_every_kind_of_pixels_can_be_converted(tmp_path: Path, mode: str, wanted: str) -> None:
    source = tmp_path / "source"
    Image.new(mode, (64, 48)).save(source, "JPEG" if mode == "CMYK" else "PNG")
    assert converted(source, tmp_path / "target", wanted, None) is (mode != "CMYK" or wanted != "jpeg")


def test_what_is_transparent_is_white_in_a_jpeg_and_stays_so_in_a_webp(tmp_path: Path) -> None:
    source = tmp_path / "source"
    Image.new("RGBA", (64, 48), (255, 0, 0, 0)).save(source, "PNG")
    converted(source, tmp_path / "jpeg", "jpeg", None)
    converted(source, tmp_path / "webp", "webp", None)
    with Image.open(tmp_path / "jpeg") as image:
        assert image.getpixel((9, 9)) == (255, 255, 255)
    with Image.open(tmp_path / "webp") as image:
        assert image.convert("RGBA").getchannel("A").getextrema() == (0, 0)


@pytest.mark.parametrize("wanted", ["jpeg", "webp"])
def test_less_quality_is_a_smaller_file_also_in_the_same_format(tmp_path: Path, wanted: str) -> None:
    source, sizes = drawn(tmp_path / "source", wanted.upper()), []
    for compression in (100, 50, 0):
        target = tmp_path / str(compression)
        assert converted(source, target, wanted, compression)
        sizes.append(target.stat().st_size)
    assert sizes[0] > sizes[1] > sizes[2]


def test_compression_says_nothing_to_a_png(tmp_path: Path) -> None:
    assert not converted(drawn(tmp_path / "source", "PNG"), tmp_path / "target", "png", 10)
