"""Drawing: draws the results of tasks. All functions block: call them from a thread."""

import io
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageOps, UnidentifiedImageError

from sora_proxy.simulator.lettering import Paragraph, fit, font
from sora_proxy.simulator.scenery import Palette, background, mixed

UPLOAD_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
MAX_PIXELS = 40_000_000
PREVIEW_SIDE = 768
LETTER_SIZES = (42, 36, 30, 25, 21, 18)
REFERENCE_SHORT_SIDE = 480  # the shorter side of the image for which LETTER_SIZES are chosen
PAPER = (250, 250, 247)
COMPRESSION = 6
MARK = "simulator"  # drawn on every image, to distinguish simulated images from real ones

Box = tuple[int, int, int, int]


class UnusableImage(Exception):
    """An uploaded file that is not an image of a known kind, or is too large."""


@dataclass(frozen=True, slots=True)
class Sketch:
    """The description of an image. `variant` counts from 1, and `upload` is a small copy that `preview_of` made."""

    prompt: str
    variant: int
    n_variants: int
    width: int
    height: int
    is_remix: bool = False
    upload: bytes | None = None


def draw(sketch: Sketch) -> bytes:
    """Draw a PNG of exactly the size of the sketch."""
    size = (sketch.width, sketch.height)
    image, palette = background(sketch.prompt, sketch.variant, size)
    margin = max(4, min(size) // 24)
    below = _draw_badges(image, f"{sketch.variant} / {sketch.n_variants}", margin, palette)
    room = (margin, below + margin // 2, sketch.width - margin, sketch.height - margin)
    if sketch.is_remix:
        room = _draw_upload(image, sketch.upload, room)
    _draw_prompt(image, sketch.prompt, room, palette, centred=sketch.is_remix)
    return _encoded(image)


def preview_of(upload: bytes) -> bytes:
    """Check an uploaded file, and make the small copy that remixes show."""
    try:
        with Image.open(io.BytesIO(upload), formats=UPLOAD_FORMATS) as image:
            # The size is in the header, so a large image is refused before it is decoded.
            if image.width * image.height > MAX_PIXELS:
                raise UnusableImage(f"The image has more than {MAX_PIXELS} pixels.")
            image.draft("RGB", (PREVIEW_SIDE, PREVIEW_SIDE))
            small = image.convert("RGBA")
    except UnidentifiedImageError as error:
        raise UnusableImage("The file is not a PNG, JPEG, WEBP or GIF image.") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnusableImage(f"The image has more than {MAX_PIXELS} pixels.") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise UnusableImage("The image is damaged.") from error
    small.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    flat = Image.new("RGB", small.size, PAPER)
    flat.paste(small, mask=small.getchannel("A"))
    target = io.BytesIO()
    flat.save(target, "JPEG", quality=88)
    return target.getvalue()


def _draw_upload(image: Image.Image, upload: bytes | None, room: Box) -> Box:
    """Draw the uploaded image with a frame in one half of the box. Returns the other half."""
    left, top, right, bottom = room
    gap = left
    if right - left >= bottom - top:
        middle = left + (right - left) * 11 // 20
        frame, rest = (left, top, middle - gap // 2, bottom), (middle + gap // 2, top, right, bottom)
    else:
        middle = top + (bottom - top) * 11 // 20
        frame, rest = (left, top, right, middle - gap // 2), (left, middle + gap // 2, right, bottom)
    border = max(3, gap // 3)
    inside = (max(1, frame[2] - frame[0] - 2 * border), max(1, frame[3] - frame[1] - 2 * border))
    shown = _fitted(upload, inside)
    x = (frame[0] + frame[2] - shown.width) // 2
    y = (frame[1] + frame[3] - shown.height) // 2
    edge = (x - border, y - border, x + shown.width + border - 1, y + shown.height + border - 1)
    ImageDraw.Draw(image).rounded_rectangle(edge, radius=border, fill=PAPER)
    image.paste(shown, (x, y))
    return rest


def _fitted(upload: bytes | None, size: tuple[int, int]) -> Image.Image:
    if upload is None:  # the upload was dropped, and a grey card replaces it
        return Image.new("RGB", size, (150, 150, 150))
    with Image.open(io.BytesIO(upload), formats=("JPEG",)) as image:
        return ImageOps.contain(image.convert("RGB"), size)


def _draw_prompt(image: Image.Image, prompt: str, room: Box, palette: Palette, *, centred: bool) -> None:
    """Draw the prompt on a card at the bottom of the box, or in its middle."""
    left, top, right, bottom = room
    scale = min(image.size) / REFERENCE_SHORT_SIDE
    sizes = tuple(sorted({max(9, round(size * scale)) for size in LETTER_SIZES}, reverse=True))
    padding = max(3, min(image.size) // 32)
    share = 1.0 if centred else 0.58
    box = (max(1, right - left - 2 * padding), max(1, round((bottom - top) * share) - 2 * padding))
    text = fit(prompt, box, sizes)
    card_height = text.height + 2 * padding
    card_top = top + max(0, (bottom - top - card_height) // 2) if centred else bottom - card_height
    card = (left, card_top, right, min(bottom, card_top + card_height))
    _lay_card(image, card, radius=padding)
    _write(image, text, (left + padding, card_top + padding), mixed(palette.shapes[-1], (20, 20, 28), 0.55))


def _lay_card(image: Image.Image, card: Box, radius: int) -> None:
    """Draw a translucent card on a part of the image."""
    size = (max(1, card[2] - card[0]), max(1, card[3] - card[1]))
    mask = Image.new("L", size, 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, size[0] - 1, size[1] - 1), radius=radius, fill=226)
    image.paste(PAPER, (*card[:2], card[0] + size[0], card[1] + size[1]), mask)


def _write(image: Image.Image, text: Paragraph, corner: tuple[int, int], ink: tuple[int, int, int]) -> None:
    pen = ImageDraw.Draw(image)
    for number, line in enumerate(text.lines):
        middle = corner[1] + number * text.line_height + text.line_height // 2
        pen.text((corner[0], middle), line, font=font(text.size), fill=ink, anchor="lm")


def _draw_badges(image: Image.Image, variant: str, margin: int, palette: Palette) -> int:
    """Draw the mark in the upper left corner, and the variant in the upper right corner if there is room. Returns the
    top of the row below."""
    mark, badge = (_Badge(text, max(9, min(image.size) // part)) for text, part in ((MARK, 32), (variant, 22)))
    mark.draw(image, (margin, margin), palette)
    left = image.width - margin - badge.width
    if left < 2 * margin + mark.width:
        return margin + mark.height
    badge.draw(image, (left, margin), palette)
    return margin + badge.height


@dataclass(frozen=True, slots=True)
class _Badge:
    """A short text on a rounded background; sizes are in pixels."""

    text: str
    size: int

    @property
    def width(self) -> int:
        return round(font(self.size).getlength(self.text)) + self.size

    @property
    def height(self) -> int:
        return round(self.size * 1.6)

    def draw(self, image: Image.Image, corner: tuple[int, int], palette: Palette) -> None:
        left, top = corner
        pen = ImageDraw.Draw(image)
        pill = (left, top, left + self.width, top + self.height)
        pen.rounded_rectangle(pill, radius=self.height // 2, fill=palette.shapes[-1])
        middle = (left + self.width / 2, top + self.height / 2)
        pen.text(middle, self.text, font=font(self.size), fill=palette.accent, anchor="mm")


def _encoded(image: Image.Image) -> bytes:
    target = io.BytesIO()
    image.save(target, "PNG", compress_level=COMPRESSION)
    return target.getvalue()
