"""Conversion: an image in the format that was ordered. It is work for a `Work.media` thread."""

from pathlib import Path

from PIL import Image

QUALITY = 95  # where the order says nothing; above it files grow and nobody sees why


def converted(source: Path, target: Path, wanted: str, compression: int | None) -> bool:
    """Write a sound image to `target` as png, webp or jpeg. Returns False if it is in that form already.

    `compression` is OpenAI's: 100 is the best, and it says nothing to a PNG. Raises what Pillow raises.
    """
    with Image.open(source, formats=["PNG", "JPEG", "WEBP", "GIF"]) as image:
        if image.format == wanted.upper() and (compression is None or wanted == "png"):
            return False
        image.load()
        drawn = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if wanted == "jpeg" and drawn.mode == "RGBA":  # which knows no transparency: on white, as a page would show it
        white = Image.new("RGB", drawn.size, "white")
        white.paste(drawn, mask=drawn)
        drawn = white
    quality = QUALITY if compression is None else min(compression, QUALITY)
    drawn.save(target, wanted.upper(), quality=quality)
    return True
