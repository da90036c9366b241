"""Drawing: makes the files of an order's images. All functions block, but a plain image takes less than 1 ms."""

import functools
import hashlib
import io
import os
import struct
import zlib

from PIL import Image

from sora_proxy.simulator.drawing import Sketch, UnusableImage, draw, preview_of
from sora_proxy.simulator.images.orders import Order
from sora_proxy.simulator.images.reading import File
from sora_proxy.simulator.images.refusals import Reason, Refused

SIGNATURE = b"\x89PNG\r\n\x1a\n"
VARIATION = "a variation"  # the text in an image without a prompt
BLURS = (48, 24, 12)  # how strongly the first, the second and all later partial images are blurred


def image_of(order: Order, variant: int, preview: bytes | None) -> bytes:
    """Draw an image of an order. `variant` counts from 1, and `preview` is a small copy of a reference image."""
    width, height = order.size
    sketch = Sketch(order.prompt or VARIATION, variant, order.n, width, height, bool(order.references), preview)
    return _in_format(draw(sketch), order.output_format)


def partial_of(image: bytes, number: int, output_format: str) -> bytes:
    """Make the blurred image that stands for an unfinished one; `number` counts from 0."""
    with Image.open(io.BytesIO(image)) as whole:
        size, blur = whole.size, BLURS[min(number, len(BLURS) - 1)]
        small = whole.convert("RGB").resize((max(1, size[0] // blur), max(1, size[1] // blur)))
    target = io.BytesIO()
    small.resize(size, Image.Resampling.BICUBIC).save(target, output_format.upper())
    return target.getvalue()


def small_form_of(file: File) -> bytes:
    """Check a reference image, and make the small copy that is drawn into the results. Raises Refused."""
    try:
        return preview_of(file.content)
    except UnusableImage as error:
        raise Refused(Reason.bad_image, file.field, str(error)) from error


def plain_image(order: Order, variant: int, size: int) -> bytes:
    """Make a PNG of at least `size` bytes in a single colour, which is derived from the prompt and the variant."""
    width, height = order.size
    colour = hashlib.blake2b(f"{variant} {order.prompt}".encode(), digest_size=3).digest()
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 3, 0, 0, 0))
    start = SIGNATURE + header + _chunk(b"PLTE", colour) + _pixels(width, height)
    return padded(start + _chunk(b"IEND", b""), size)


def padded(image: bytes, size: int) -> bytes:
    """Enlarge a file to `size` bytes: a PNG with a chunk that readers skip, any other format with zeros at the end."""
    missing = size - len(image)
    if missing <= 0:
        return image
    if not image.startswith(SIGNATURE) or missing < 12:
        return image + bytes(missing)
    return image[:-12] + _padding(missing - 12) + image[-12:]


@functools.lru_cache(maxsize=16)
def _pixels(width: int, height: int) -> bytes:
    return _chunk(b"IDAT", zlib.compress(bytes((width + 7) // 8 + 1) * height, 1))


@functools.lru_cache(maxsize=4)
def _padding(size: int) -> bytes:
    return _chunk(b"siMu", os.urandom(size))


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _in_format(png: bytes, output_format: str) -> bytes:
    if output_format == "png":
        return png
    target = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        image.convert("RGB").save(target, output_format.upper())
    return target.getvalue()
