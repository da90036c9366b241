"""Selects the previews that one stream shows."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from sora_proxy.event_log import Preview
from sora_proxy.generation import Generation


class Previews:
    """Shows the newest previews of a generation, each only once, and at most `maximum` previews per image."""

    def __init__(self, generation: Generation, maximum: int) -> None:
        self.wanted = maximum > 0
        self._generation = generation
        self._maximum = maximum
        # All the mutable state, by the number of the image: how many of its previews were shown, and the last of them.
        self._shown: Counter[int] = Counter()
        self._last: dict[int, Preview] = {}

    def new(self) -> Iterator[Preview]:
        """The previews to show now. Their `number` counts the previews of the image in this stream, from 0."""
        for index, preview in list(self._generation.previews.items()):
            if preview is not self._last.get(index) and self._shown[index] < self._maximum:
                self._last[index] = preview
                self._shown[index] += 1
                yield replace(preview, number=self._shown[index] - 1)
