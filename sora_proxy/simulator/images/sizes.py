"""Sizes: the sizes that a server accepts, and whether it refuses or changes other sizes."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Size = tuple[int, int]  # width and height in pixels

SIZE = re.compile(r"([0-9]{1,5})x([0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of a model. Sides, steps and the total are in pixels."""

    sent_as: str = "size"
    default: Size = (1024, 1024)
    names: Mapping[str, Size] = field(default_factory=dict)  # words that stand for sizes
    only_names: bool = False
    sides: tuple[int, int] = (1, 4096)
    step: int = 1  # each side is a multiple of this number
    rounds_up: bool = False  # whether other sides are rounded up to a multiple of `step`
    pixels: tuple[int, int] = (1, 4096 * 4096)
    max_ratio: float = math.inf
    forgives: bool = False  # whether the default replaces an unreadable value; otherwise the value is refused

    def size_of(self, value: Any) -> Size | None:
        """Return the size for the value of the field (None: the field is missing), or None if the server refuses the
        value."""
        if value is None:
            return self.default
        if isinstance(value, str) and value in self.names:
            return self.names[value]
        found = SIZE.fullmatch(value) if isinstance(value, str) and not self.only_names else None
        if found is None:
            return self.default if self.forgives else None
        width, height = int(found[1]), int(found[2])
        if self.rounds_up:
            width, height = (math.ceil(side / self.step) * self.step for side in (width, height))
        return (width, height) if self._fits(width, height) else None

    def _fits(self, width: int, height: int) -> bool:
        shorter, longer = sorted((width, height))
        in_steps = width % self.step == 0 and height % self.step == 0
        in_bounds = self.sides[0] <= shorter and longer <= self.sides[1]
        in_total = self.pixels[0] <= width * height <= self.pixels[1]
        return in_steps and in_bounds and in_total and longer <= shorter * self.max_ratio
