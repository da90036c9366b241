"""Converts images to the requested format. This blocks, so it must run on a `Work.media` thread."""

from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

MAX_QUALITY = 95  # also the default; with higher values, files are larger but look the same
EXIF = b"Exif\0\0"
# The kinds of metadata that are copied, and their maximum size in bytes: a JPEG has no room for more EXIF or XMP.
MAX_METADATA_BYTES = {"exif": 65_000, "xmp": 65_000, "icc_profile": 2**20}


def converted(source: Path, target: Path, wanted: str, compression: int | None) -> bool:
    """Write a valid image to `target` as png, webp or jpeg. Returns False if the image already has that format.

    EXIF and XMP, which may state that the image was generated, are copied. C2PA manifests are not copied, because they
    sign the original bytes. `compression` is OpenAI's parameter: 100 is the best quality, and PNG files ignore it.
    Raises Pillow's errors.
    """
    with Image.open(source, formats=["PNG", "JPEG", "WEBP", "GIF"]) as image:
        if image.format == wanted.upper() and (compression is None or wanted == "png"):
            return False
        image.load()
        metadata = _metadata(image, wanted)
        drawn = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if wanted == "jpeg" and drawn.mode == "RGBA":  # JPEG has no transparency, so the background becomes white
        white = Image.new("RGB", drawn.size, "white")
        white.paste(drawn, mask=drawn)
        drawn = white
    quality = MAX_QUALITY if compression is None else min(compression, MAX_QUALITY)
    drawn.info = {}  # otherwise Pillow would write parts of the metadata, whatever their size
    drawn.save(target, wanted.upper(), quality=quality, **metadata)
    return True


def _metadata(image: Image.Image, wanted: str) -> dict[str, Any]:
    """The arguments with which Pillow saves a copy with the same metadata."""
    found = {name: image.info.get(name) for name in MAX_METADATA_BYTES}
    about = {name: value for name, value in found.items() if value and len(value) <= MAX_METADATA_BYTES[name]}
    if "exif" in about:  # depending on the format, Pillow leaves out the prefix, which a JPEG needs
        about["exif"] = EXIF + about["exif"].removeprefix(EXIF)
    if image.mode not in ("RGB", "RGBA", "P"):
        about.pop("icc_profile", None)  # the profile describes colours that the copy does not have
    if wanted == "png" and "xmp" in about:
        about["pnginfo"] = PngInfo()
        about["pnginfo"].add_itxt("XML:com.adobe.xmp", about.pop("xmp"))
    return about
