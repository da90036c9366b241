"""Scenery: draws the backgrounds of images. The prompt and the variant determine the palette and the pattern."""

import hashlib
import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image, ImageDraw

OVERSAMPLING = 2  # shapes are drawn larger and scaled down, for smooth edges

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of one image: the sky from top to bottom, the shapes on it, and one accent."""

    top: Colour
    bottom: Colour
    shapes: tuple[Colour, ...]
    accent: Colour


PALETTES = (
    Palette((255, 190, 120), (214, 74, 92), ((170, 52, 88), (116, 38, 84), (62, 24, 66)), (255, 240, 200)),
    Palette((120, 210, 226), (28, 92, 150), ((22, 116, 150), (18, 78, 122), (10, 42, 80)), (255, 236, 170)),
    Palette((206, 226, 150), (58, 132, 96), ((46, 116, 92), (28, 84, 76), (14, 50, 54)), (255, 250, 214)),
    Palette((200, 176, 246), (86, 62, 158), ((94, 60, 160), (62, 40, 124), (34, 22, 78)), (255, 206, 232)),
    Palette((255, 214, 208), (226, 112, 132), ((206, 92, 120), (150, 60, 100), (92, 34, 74)), (255, 255, 236)),
    Palette((246, 220, 166), (206, 136, 66), ((184, 104, 48), (128, 66, 38), (72, 38, 30)), (255, 250, 226)),
    Palette((44, 62, 112), (12, 16, 44), ((36, 70, 124), (26, 46, 92), (16, 26, 58)), (250, 232, 160)),
)


@dataclass(frozen=True, slots=True)
class Scene:
    """The canvas of one pattern, with its source of random numbers."""

    draw: ImageDraw.ImageDraw
    width: int
    height: int
    palette: Palette
    dice: random.Random

    @property
    def short(self) -> int:
        """The shorter side in pixels."""
        return min(self.width, self.height)

    def disc(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """Draw a filled circle."""
        self.draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def mixed(one: Colour, other: Colour, share: float) -> Colour:
    """Blend two colours; `share` is the share of the second one, from 0 to 1."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _sun(scene: Scene) -> None:
    x, y = scene.width * scene.dice.uniform(0.25, 0.75), scene.height * scene.dice.uniform(0.24, 0.4)
    palette = scene.palette
    sky = mixed(palette.top, palette.bottom, y / scene.height)
    for radius, share in ((0.34, 0.12), (0.27, 0.28), (0.2, 1.0)):
        scene.disc(x, y, scene.short * radius, mixed(sky, palette.accent, share))


def hills(scene: Scene) -> None:
    """Draw a sun over three ranges of hills."""
    _sun(scene)
    for row, colour in enumerate(scene.palette.shapes):
        base = scene.height * (0.5 + 0.16 * row)
        waves = [(scene.dice.uniform(0.6, 2.2), scene.dice.uniform(0, math.tau)) for _ in range(3)]
        ridge = [(x, base + scene.height * 0.045 * _sway(x / scene.width, waves)) for x in _steps(scene.width)]
        scene.draw.polygon([(0, scene.height), *ridge, (scene.width, scene.height)], fill=colour)


def peaks(scene: Scene) -> None:
    """Draw a sun over jagged mountains with snow on them."""
    _sun(scene)
    for row, colour in enumerate(scene.palette.shapes):
        for place in range(5 - row):
            x = scene.width * (place + scene.dice.uniform(-0.1, 0.9)) / (4 - row)
            tall = scene.height * scene.dice.uniform(0.3, 0.46) * (1 - 0.18 * row)
            _mountain(scene, (x, scene.height * (0.72 + 0.14 * row)), tall, colour)
        scene.draw.rectangle((0, scene.height * (0.72 + 0.14 * row) - 1, scene.width, scene.height), fill=colour)


def _mountain(scene: Scene, foot: tuple[float, float], tall: float, colour: Colour) -> None:
    x, y = foot
    half = tall * 0.85
    scene.draw.polygon([(x - half, y), (x, y - tall), (x + half, y)], fill=colour)
    snow = mixed(colour, scene.palette.accent, 0.6)
    ragged = [(x - half * 0.24, 0.76), (x - half * 0.08, 0.7), (x + half * 0.06, 0.79), (x + half * 0.24, 0.76)]
    scene.draw.polygon([(x, y - tall), *((a, y - tall * b) for a, b in ragged)], fill=snow)


def waves(scene: Scene) -> None:
    """Draw bands of sea under a sun."""
    _sun(scene)
    bands = 7
    for band in range(bands):
        base = scene.height * (0.46 + 0.085 * band)
        swell = [(2.0 + band * 0.35, scene.dice.uniform(0, math.tau)), (5.0, scene.dice.uniform(0, math.tau))]
        crest = [(x, base + scene.height * 0.022 * _sway(x / scene.width, swell)) for x in _steps(scene.width)]
        shallow = mixed(scene.palette.shapes[0], scene.palette.top, 0.35)
        colour = mixed(shallow, scene.palette.shapes[-1], band / (bands - 1))
        scene.draw.polygon([(0, scene.height), *crest, (scene.width, scene.height)], fill=colour)


def rays(scene: Scene) -> None:
    """Draw beams around a low sun."""
    x, y = scene.width * scene.dice.uniform(0.35, 0.65), scene.height * 0.58
    reach, beams = scene.width + scene.height, 28
    palette, turn = scene.palette, scene.dice.random()
    for beam in range(0, beams, 2):
        start, end = ((beam + turn + edge) * math.tau / beams for edge in (0, 1))
        corners = [(x + reach * math.cos(angle), y + reach * math.sin(angle)) for angle in (start, end)]
        scene.draw.polygon([(x, y), *corners], fill=mixed(palette.top, palette.bottom, 0.62))
    scene.disc(x, y, scene.short * 0.3, mixed(palette.bottom, palette.accent, 0.45))
    scene.disc(x, y, scene.short * 0.24, palette.accent)
    scene.draw.rectangle((0, y + scene.short * 0.1, scene.width, scene.height), fill=palette.shapes[-1])


def bubbles(scene: Scene) -> None:
    """Draw many overlapping discs, large ones behind small ones."""
    colours = (*scene.palette.shapes, scene.palette.accent, scene.palette.top)
    for number in range(46):
        radius = scene.short * (0.26 - 0.005 * number) * scene.dice.uniform(0.5, 1.0)
        x, y = scene.width * scene.dice.random(), scene.height * scene.dice.random()
        colour = scene.dice.choice(colours)
        scene.disc(x, y, radius, mixed(scene.palette.bottom, colour, 0.35 + 0.012 * number))


def facets(scene: Scene) -> None:
    """Draw a mosaic of triangles that darkens downwards."""
    side = scene.short / 5
    columns, rows = math.ceil(scene.width / side) + 1, math.ceil(scene.height / side) + 1
    grid = [[_shaken(scene, column, row, side) for column in range(columns + 1)] for row in range(rows + 1)]
    for row in range(rows):
        for column in range(columns):
            a, b = grid[row][column], grid[row][column + 1]
            c, d = grid[row + 1][column], grid[row + 1][column + 1]
            for corners in ((a, b, c), (b, d, c)):
                depth = min(1.0, max(0.0, (row + scene.dice.uniform(-0.8, 1.2)) / rows))
                tint = scene.dice.choice((*scene.palette.shapes, scene.palette.accent))
                colour = mixed(mixed(scene.palette.top, scene.palette.bottom, depth), tint, 0.22)
                scene.draw.polygon(corners, fill=colour)


def _shaken(scene: Scene, column: int, row: int, side: float) -> tuple[float, float]:
    shake = side * 0.28
    return (
        (column - 0.5) * side + scene.dice.uniform(-shake, shake),
        (row - 0.5) * side + scene.dice.uniform(-shake, shake),
    )


def _sway(share: float, swell: list[tuple[float, float]]) -> float:
    return sum(math.sin(share * frequency * math.tau + phase) for frequency, phase in swell)


def _steps(width: int) -> list[float]:
    return [width * step / 60 for step in range(61)]


PATTERNS: tuple[Callable[[Scene], None], ...] = (hills, waves, facets, peaks, rays, bubbles)


def background(prompt: str, variant: int, size: tuple[int, int]) -> tuple[Image.Image, Palette]:
    """Draw the scenery of one variant (1 and up) in the exact size; the same input gives the same image."""
    seed = int.from_bytes(hashlib.blake2b(prompt.encode("utf-8", "replace"), digest_size=8).digest(), "big")
    palette = PALETTES[(seed + variant) % len(PALETTES)]
    pattern = PATTERNS[(seed // len(PALETTES) + variant) % len(PATTERNS)]
    width, height = size[0] * OVERSAMPLING, size[1] * OVERSAMPLING
    image = _gradient(palette, (width, height))
    dice = random.Random(seed + variant)  # noqa: S311
    pattern(Scene(ImageDraw.Draw(image), width, height, palette, dice))
    return image.reduce(OVERSAMPLING), palette


def _gradient(palette: Palette, size: tuple[int, int]) -> Image.Image:
    column = Image.new("RGB", (1, 64))
    for row in range(64):
        column.putpixel((0, row), mixed(palette.top, palette.bottom, row / 63))
    return column.resize(size, Image.Resampling.BILINEAR)
