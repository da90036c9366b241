"""Converting images to the requested format, checked with Pillow."""

from pathlib import Path
from typing import Any

import pytest
from PIL import ExifTags, Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from sora_proxy.media.conversion import converted


def drawn(path: Path, kind: str, mode: str = "RGB") -> Path:
    Image.effect_noise((64, 48), 90).convert(mode).save(path, kind)
    return path


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
@pytest.mark.parametrize("wanted", ["png", "jpeg", "webp"])
def test_an_image_is_converted_to_any_requested_format_except_its_own(tmp_path: Path, kind: str, wanted: str) -> None:
    source, target = drawn(tmp_path / "source", kind), tmp_path / "target"
    assert converted(source, target, wanted, None) is (kind != wanted.upper())
    if target.exists():
        with Image.open(target) as image:
            assert (image.format, image.size) == (wanted.upper(), (64, 48))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16", "CMYK"])
@pytest.mark.parametrize("wanted", ["jpeg", "webp"])
def test_images_of_every_colour_mode_can_be_converted(tmp_path: Path, mode: str, wanted: str) -> None:
    source = tmp_path / "source"
    Image.new(mode, (64, 48)).save(source, "JPEG" if mode == "CMYK" else "PNG")
    assert converted(source, tmp_path / "target", wanted, None) is (mode != "CMYK" or wanted != "jpeg")


def test_transparent_pixels_become_white_in_a_jpeg_and_stay_transparent_in_a_webp(tmp_path: Path) -> None:
    source = tmp_path / "source"
    Image.new("RGBA", (64, 48), (255, 0, 0, 0)).save(source, "PNG")
    converted(source, tmp_path / "jpeg", "jpeg", None)
    converted(source, tmp_path / "webp", "webp", None)
    with Image.open(tmp_path / "jpeg") as image:
        assert image.getpixel((9, 9)) == (255, 255, 255)
    with Image.open(tmp_path / "webp") as image:
        assert image.convert("RGBA").getchannel("A").getextrema() == (0, 0)


@pytest.mark.parametrize("wanted", ["jpeg", "webp"])
def test_lower_quality_makes_a_smaller_file_even_in_the_same_format(tmp_path: Path, wanted: str) -> None:
    source, sizes = drawn(tmp_path / "source", wanted.upper()), []
    for compression in (100, 50, 0):
        target = tmp_path / str(compression)
        assert converted(source, target, wanted, compression)
        sizes.append(target.stat().st_size)
    assert sizes[0] > sizes[1] > sizes[2]


def test_compression_is_ignored_for_a_png(tmp_path: Path) -> None:
    assert not converted(drawn(tmp_path / "source", "PNG"), tmp_path / "target", "png", 10)


# --- Metadata and colour profiles -------------------------------------------------------------------------------------

MADE_BY_AI = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
XMP = f"""<?xpacket begin=""?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description
 xmlns:e="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" e:DigitalSourceType="{MADE_BY_AI}"/></rdf:RDF>
 </x:xmpmeta>""".encode()
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def labelled(path: Path, kind: str, mode: str = "RGB", **metadata: Any) -> Path:
    """An image with metadata, given under Pillow's names. In a PNG, XMP is a text chunk."""
    if kind == "PNG" and "xmp" in metadata:
        metadata["pnginfo"] = PngInfo()
        metadata["pnginfo"].add_itxt("XML:com.adobe.xmp", metadata.pop("xmp"))
    Image.new(mode, (64, 48)).save(path, kind, **metadata)
    return path


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("wanted", ["png", "jpeg", "webp"])
def test_exif_xmp_and_colour_profiles_survive_a_conversion(tmp_path: Path, kind: str, wanted: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Software] = "an AI model"
    source = labelled(tmp_path / "source", kind, exif=exif, xmp=XMP, icc_profile=SRGB)
    target = tmp_path / "target"
    converted(source, target, wanted, None if kind != wanted.upper() else 90)
    with Image.open(target if target.exists() else source) as image:
        assert image.info["xmp"] == XMP
        assert image.getexif()[ExifTags.Base.Software] == "an AI model"
        assert image.info["icc_profile"] == SRGB


def test_a_colour_profile_for_another_colour_mode_is_dropped(tmp_path: Path) -> None:
    source, target = labelled(tmp_path / "source", "JPEG", "CMYK", icc_profile=b"of inks", xmp=XMP), tmp_path / "target"
    for wanted in ("png", "webp"):
        converted(source, target, wanted, None)
        with Image.open(target) as image:
            assert image.info["xmp"] == XMP
            assert "icc_profile" not in image.info


@pytest.mark.parametrize("wanted", ["png", "jpeg", "webp"])
def test_an_image_with_huge_metadata_is_converted_without_the_metadata(tmp_path: Path, wanted: str) -> None:
    huge = bytes(2**20 + 1)
    source = labelled(tmp_path / "source", "WEBP", exif=b"Exif\0\0" + huge, xmp=huge, icc_profile=huge)
    converted(source, tmp_path / "target", wanted, 90)
    assert (tmp_path / "target").stat().st_size < 10_000
    Image.new("P", (64, 48)).save(tmp_path / "gif", "GIF", comment=bytes(70_000))
    converted(tmp_path / "gif", tmp_path / "target", wanted, None)
    assert (tmp_path / "target").stat().st_size < 10_000
