"""Conversion: an image in the format that was ordered. It is work for a `Work.media` thread."""

from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

QUALITY = 95  # where the order says nothing; above it files grow and nobody sees why
EXIF = b"Exif\0\0"
# What is carried over, and up to how many bytes: a JPEG has no room for more EXIF or XMP.
CARRIED = {"exif": 65_000, "xmp": 65_000, "icc_profile": 2**20}


def converted(source: Path, target: Path, wanted: str, compression: int | None) -> bool:
    """Write a sound image to `target` as png, webp or jpeg. Returns False if it is in that form already.

    Its EXIF and XMP, which may say that it was generated, go along. C2PA manifests can't: they sign the bytes as they
    were. `compression` is OpenAI's: 100 is the best, and it says nothing to a PNG. Raises what Pillow raises.
    """
    with Image.open(source, formats=["PNG", "JPEG", "WEBP", "GIF"]) as image:
        if image.format == wanted.upper() and (compression is None or wanted == "png"):
            return False
        image.load()
        metadata = _metadata(image, wanted)
        drawn = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if wanted == "jpeg" and drawn.mode == "RGBA":  # which knows no transparency: on white, as a page would show it
        white = Image.new("RGB", drawn.size, "white")
        white.paste(drawn, mask=drawn)
        drawn = white
    quality = QUALITY if compression is None else min(compression, QUALITY)
    drawn.info = {}  # of which Pillow writes what it likes, whatever its size
    drawn.save(target, wanted.upper(), quality=quality, **metadata)
    return True


def _metadata(image: Image.Image, wanted: str) -> dict[str, Any]:
    """The arguments for saving a copy that says the same about itself."""
    about = {name: value for name in CARRIED if (value := image.info.get(name)) and len(value) <= CARRIED[name]}
    if "exif" in about:  # which Pillow gives with this prefix or without, by format, and writes as it is into a JPEG
        about["exif"] = EXIF + about["exif"].removeprefix(EXIF)
    if image.mode not in ("RGB", "RGBA", "P"):
        about.pop("icc_profile", None)  # it describes colours that the copy does not have
    if wanted == "png" and "xmp" in about:
        about["pnginfo"] = PngInfo()
        about["pnginfo"].add_itxt("XML:com.adobe.xmp", about.pop("xmp"))
    return about
