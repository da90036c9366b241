"""Pictures: the images that nodes pass to each other, and the files made from them. All functions block: call them from
a thread.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from sora_proxy.simulator.drawing import Sketch, draw, preview_of

Colour = tuple[int, int, int]
PREVIEW_SIDE = 256


@dataclass(frozen=True, slots=True)
class Picture:
    """The description of an image that is drawn later, from a text, an uploaded file, both, or a colour. Its first
    pixel has the colour of the uploaded file's first pixel, or a colour that is derived from the text and the variant.
    """

    width: int
    height: int
    text: str = ""
    source: bytes | None = None
    colour: int = 0
    variant: int = 1
    count: int = 1

    @property
    def corner(self) -> Colour:
        """The colour of the first pixel."""
        if self.source is not None:
            return _first_pixel(self.source)
        if self.text:
            red, green, blue = hashlib.blake2b(f"{self.variant} {self.text}".encode(), digest_size=3).digest()
            return red, green, blue
        return self.colour >> 16, self.colour >> 8 & 0xFF, self.colour & 0xFF


def size_of(source: bytes) -> tuple[int, int]:
    """Return the width and height of an uploaded image. Raises Pillow's errors."""
    with Image.open(io.BytesIO(source)) as image:
        image.load()
        return image.size


def png_of(picture: Picture, graph: Any, more: Mapping[str, Any]) -> bytes:
    """Make a PNG whose text chunks contain the graph and `more`, as SaveImage does."""
    info = PngInfo()
    for name, value in {"prompt": graph, **more}.items():
        info.add_text(name, json.dumps(value))
    image = _drawn(picture)
    image.putpixel((0, 0), picture.corner)
    return _saved(image, "PNG", pnginfo=info)


def preview_frame(picture: Picture, share: float) -> bytes:
    """Make a JPEG of an unfinished image; `share` is the finished part of the work, from 0 to 1."""
    scale = min(1.0, PREVIEW_SIDE / max(picture.width, picture.height))
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    red, green, blue = (round(128 + (part - 128) * share) for part in picture.corner)
    return _saved(Image.new("RGB", size, (red, green, blue)), "JPEG")


def small_copy(png: bytes, image_format: str, quality: int) -> bytes:
    """Convert a file to the format of a preview, as `/view` does."""
    with Image.open(io.BytesIO(png)) as image:
        return _saved(image.convert("RGB"), image_format, quality=quality)


def without_texts(png: bytes, channel: str) -> bytes:
    """Return the colours or the alpha channel of a file as a PNG without text chunks."""
    with Image.open(io.BytesIO(png)) as image:
        if channel == "rgb":
            return _saved(image.convert("RGB"), "PNG")
        alpha = image.convert("RGBA").getchannel("A")
    view = Image.new("RGBA", alpha.size)
    view.putalpha(alpha)
    return _saved(view, "PNG")


def _drawn(picture: Picture) -> Image.Image:
    size = (picture.width, picture.height)
    if picture.text:
        small = None if picture.source is None else preview_of(picture.source)
        sketch = Sketch(picture.text, picture.variant, picture.count, *size, picture.source is not None, small)
        drawn = draw(sketch)
    elif picture.source is not None:
        drawn = picture.source
    else:
        return Image.new("RGB", size, picture.corner)
    with Image.open(io.BytesIO(drawn)) as image:
        return image.convert("RGB").resize(size)


def _first_pixel(source: bytes) -> Colour:
    with Image.open(io.BytesIO(source)) as image:
        red, green, blue = image.convert("RGB").crop((0, 0, 1, 1)).tobytes()
    return red, green, blue


def _saved(image: Image.Image, image_format: str, **options: Any) -> bytes:
    target = io.BytesIO()
    image.save(target, image_format, **options)
    return target.getvalue()
