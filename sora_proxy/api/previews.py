"""The previews that one stream shows, as far as its client wants them."""

from collections import Counter
from dataclasses import replace

from sora_proxy.events import Preview
from sora_proxy.generation import Generation


class Previews:
    """Shows the newest preview of a generation, each once, and at most `most` of each image."""

    def __init__(self, generation: Generation, most: int) -> None:
        self.wanted = most > 0
        self._generation = generation
        self._most = most
        # All the mutable state: how many were shown of each image, and the last one.
        self._shown: Counter[int] = Counter()
        self._last: Preview | None = None

    def next(self) -> Preview | None:
        """The preview to show now, if there is one. Its `number` counts those of its image in this stream, from 0."""
        preview = self._generation.preview
        if preview is None or preview is self._last or self._shown[preview.index] >= self._most:
            return None
        self._last = preview
        number = self._shown[preview.index]
        self._shown[preview.index] += 1
        return replace(preview, number=number)
