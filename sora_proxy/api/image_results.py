"""Finds the images of a generation for an answer: a link to each image, and its file if it is stored here."""

from dataclasses import dataclass
from pathlib import Path

from sora_proxy.event_log import Image
from sora_proxy.generation import Generation
from sora_proxy.media.image_files import Media

SIZES = ("1024x1024", "1024x1536", "1536x1024")  # the only sizes that strict OpenAI clients accept
FORMATS = {".png": "png", ".jpg": "jpeg", ".webp": "webp"}  # from the suffix of a stored file to its format
UNKNOWN = "auto"  # replaces a value that strict clients would not accept


@dataclass(frozen=True, slots=True)
class ImageResult:
    """One image: its number in the order, a link to it, and its file if it is stored here."""

    index: int
    url: str
    file: Path | None


def ordered_size(generation: Generation) -> str | None:
    """The size sent to the back end, such as `1024x1024`; None if the back end chooses the size."""
    return None if "size" in generation.state.ignored else "{}x{}".format(*generation.size)


async def image_results(generation: Generation, media: Media, origin: str) -> list[ImageResult]:
    """The images that a generation has so far. Links to them begin with `origin`."""
    results = []
    for image in generation.events_of(Image):
        stored = image.name is not None and await media.has_image(image.name)
        file = media.image_path(image.name) if image.name and stored else None
        results.append(ImageResult(image.index, image.link(origin), file))
    return results
