"""Lettering: sets the text in images. It breaks a text into lines, and finds a letter size in which the lines fit a
box."""

import functools
import re
from dataclasses import dataclass
from pathlib import Path

from PIL import ImageFont

FONT = Path(__file__).parent / "fonts" / "NotoSansCJKsc-subset.otf"
ELLIPSIS = "…"
LETTERS_MEASURED = 600  # later letters of a prompt are ignored, because no image has room for them
LINE_HEIGHT = 1.32  # as a multiple of the letter size
GLYPHS_REMEMBERED = 4096

# A line may break after a blank, and before or after every letter of a script that is written without blanks.
_PIECES = re.compile(
    r"[ \u3000]|[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]|[^ \u3000\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]+"
)
_NEVER_FIRST = "，。、！？；：）】》」』”’…,.!?;:)]}%"


@functools.lru_cache(maxsize=32)
def font(size: int) -> ImageFont.FreeTypeFont:
    """Load the font in a size in pixels."""
    return ImageFont.truetype(str(FONT), size, layout_engine=ImageFont.Layout.BASIC)


@functools.lru_cache(maxsize=GLYPHS_REMEMBERED)
def has_glyph(letter: str) -> bool:
    """Return whether the font can draw the letter."""
    face = font(24)
    missing = face.getmask("\U0010fffd")
    drawn = face.getmask(letter)
    return drawn.size != missing.size or bytes(drawn) != bytes(missing)


def legible(text: str) -> str:
    """Remove characters that can't be drawn, such as emoji, but keep letters and digits. Collapse white space."""
    letters = [
        letter for letter in text[: 2 * LETTERS_MEASURED] if letter.isspace() or letter.isalnum() or has_glyph(letter)
    ]
    return " ".join("".join(letters).split())


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Lines of text that fit their box, with the letter size and the width in pixels."""

    lines: tuple[str, ...]
    size: int
    width: int

    @property
    def line_height(self) -> int:
        """The distance from line to line in pixels."""
        return round(self.size * LINE_HEIGHT)

    @property
    def height(self) -> int:
        """The height of all lines in pixels."""
        return self.line_height * len(self.lines)


def fit(text: str, box: tuple[int, int], sizes: tuple[int, ...]) -> Paragraph:
    """Set a text in the first size in which it fits the box. If it fits in none, set it in the last size and cut off
    its end."""
    letters = legible(text)
    cut = len(letters) > LETTERS_MEASURED
    letters = letters[:LETTERS_MEASURED]
    for size in sizes:
        room = max(1, int(box[1] / (size * LINE_HEIGHT)))
        lines = wrap(letters, font(size), box[0], room + 1)
        if len(lines) <= room and not cut:
            return _paragraph(lines, size)
    lines = lines[:room]
    lines[-1] = _shortened(lines[-1], font(size), box[0])
    return _paragraph(lines, size)


def _paragraph(lines: list[str], size: int) -> Paragraph:
    return Paragraph(tuple(lines), size, round(max(font(size).getlength(line) for line in lines)))


def wrap(text: str, face: ImageFont.FreeTypeFont, width: int, max_lines: int) -> list[str]:
    """Break a text into lines of at most `width` pixels; stop after `max_lines`."""
    lines: list[str] = []
    line, used = "", 0.0
    for piece in _pieces(text, face, width):
        length = face.getlength(piece)
        if line and used + length > width and piece not in _NEVER_FIRST:
            lines.append(line.rstrip())
            if len(lines) >= max_lines:
                return lines
            line, used = "", 0.0
        if line or piece.strip():
            line, used = line + piece, used + length
    return [*lines, line.rstrip()]


def _pieces(text: str, face: ImageFont.FreeTypeFont, width: int) -> list[str]:
    pieces: list[str] = []
    for piece in _PIECES.findall(text):
        # A word that is wider than a line may be broken between any two letters.
        pieces.extend([piece] if len(piece) == 1 or face.getlength(piece) <= width else list(piece))
    return pieces


def _shortened(line: str, face: ImageFont.FreeTypeFont, width: int) -> str:
    while line and face.getlength(line + ELLIPSIS) > width:
        line = line[:-1]
    return line.rstrip(" ,.，。、") + ELLIPSIS
