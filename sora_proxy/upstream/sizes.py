"""Sizes: the sizes in pixels that a model accepts if it does not have a fixed list of sizes."""

import math
from dataclasses import dataclass

Size = tuple[int, int]  # width and height in pixels

UNBOUNDED = 2**31


@dataclass(frozen=True, slots=True)
class SizeRule:
    """The bounds of a size. Both sides are multiples of `step`. A size with fewer than `min_pixels` pixels is enlarged
    to about that number of pixels, or to about `grows_to` pixels if `grows_to` is larger."""

    step: int = 1
    min_pixels: int = 0
    max_pixels: int = UNBOUNDED
    grows_to: int = 0
    min_side: int = 1
    max_side: int = UNBOUNDED
    max_ratio: float = UNBOUNDED  # the maximum ratio of the longer side to the shorter one

    def nearest(self, size: Size) -> Size:
        """The allowed size nearest to a requested one: the shape counts first, then the number of pixels."""
        width, height = self._shaped(size)
        pixels, short, long = width * height, min(width, height), max(width, height)
        grow = max(self.min_side / short, 1.0)
        if pixels < self.min_pixels:
            grow = max(grow, math.sqrt(max(self.grows_to, self.min_pixels) / pixels))
        shrink = min(self.max_side / long, math.sqrt(self.max_pixels / pixels), 1.0)
        factor, rounded = (grow, math.ceil) if grow > 1 or shrink == 1 else (shrink, math.floor)
        # The number of steps is rounded first, so that a floating-point error does not make a side one step longer.
        sides = (round(side * factor / self.step, 6) for side in (width, height))
        wide, high = (max(rounded(steps), 1) * self.step for steps in sides)
        return wide, high

    def _shaped(self, size: Size) -> tuple[float, float]:
        """The size itself if its ratio is allowed, else a size with the maximum ratio and the same number of pixels."""
        width, height = size
        if max(size) <= min(size) * self.max_ratio:
            return width, height
        short = math.sqrt(width * height / self.max_ratio)
        return (short * self.max_ratio, short) if width > height else (short, short * self.max_ratio)


ANY = SizeRule()
