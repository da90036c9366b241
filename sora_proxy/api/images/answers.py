"""How a generation looks to clients of the Images API: JSON in which the pictures' bytes are still files."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from sora_proxy.api.http.context import MEDIA
from sora_proxy.api.http.links import picture_link
from sora_proxy.api.http.pieces import Piece, event_pieces, json_pieces
from sora_proxy.api.images.requests import ImageRequest
from sora_proxy.generation import Generation, Picture

SIZES = ("1024x1024", "1024x1536", "1536x1024")  # all that strict clients of OpenAI know
FORMATS = {".png": "png", ".jpg": "jpeg", ".webp": "webp"}  # the same, by the endings of our files
UNKNOWN = "auto"


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture: where it can be had, and its file if it is here."""

    index: int
    url: str
    file: Path | None


@dataclass(frozen=True, slots=True)
class ImageAnswer:
    """A completed generation, told to one who asked for it in a certain way."""

    generation: Generation
    asked: ImageRequest
    pictures: list[Shown]

    def whole(self) -> Iterator[Piece]:
        """The answer's JSON."""
        data = [self._whole_picture(picture) for picture in self.pictures]
        return json_pieces({"created": int(self.generation.created_at), "data": data, **self._about()})

    def events(self) -> Iterator[Piece]:
        """The last events of a stream, one per picture that is here."""
        kind = "image_edit.completed" if self.generation.spec.image else "image_generation.completed"
        unknown = {"size": UNKNOWN, "quality": UNKNOWN, "background": UNKNOWN}
        told = {"created_at": int(self.generation.created_at), **unknown, **self._about()}
        for picture in self.pictures:
            if picture.file:
                output_format = FORMATS.get(picture.file.suffix, "png")
                shown = {"output_format": output_format, "b64_json": picture.file, "url": picture.url}
                yield from event_pieces(kind, told | shown)

    def _whole_picture(self, picture: Shown) -> dict[str, Any]:
        if self.asked.response_format == "url":
            return {"url": picture.url}
        shown = {"b64_json": picture.file} if picture.file else {}
        with_url = not picture.file or self.asked.response_format is None
        return shown | ({"url": picture.url} if with_url else {})

    def _about(self) -> dict[str, Any]:
        """What is told beside the pictures. OpenAI's own fields only with values that its strict clients know."""
        spec = self.generation.spec
        size = f"{spec.width}x{spec.height}"
        told: dict[str, Any] = {"id": self.generation.id, "model": spec.model, "ordered_size": size}
        told["backend"] = self.generation.state.backend
        if size in SIZES:
            told["size"] = size
        formats = {FORMATS.get(picture.file.suffix) for picture in self.pictures if picture.file}
        if len(formats) == 1 and (output_format := formats.pop()):
            told["output_format"] = output_format
        if faults := list(self._faults()):
            told["errors"] = faults
        return told | {"usage": self._usage()}

    def _faults(self) -> Iterator[dict[str, Any]]:
        """The pictures that there is something to tell about."""
        made = {picture.index: picture for picture in self.pictures}
        for index in range(self.generation.spec.n):
            if index not in made:
                yield _fault(index, "The back end did not make this picture.")
            elif self._wants_bytes and made[index].file is None:
                yield _fault(index, "This picture could not be fetched or is no longer stored here.")

    def _usage(self) -> dict[str, Any]:
        """Words and pictures in, pictures out."""
        spec, made = self.generation.spec, len(self.pictures)
        words, references = max(len(spec.prompt.split()), 1), int(spec.image is not None)
        return {
            "input_tokens": words + references,
            "input_tokens_details": {"text_tokens": words, "image_tokens": references},
            "output_tokens": made,
            "total_tokens": words + references + made,
        }

    @property
    def _wants_bytes(self) -> bool:
        return self.asked.stream or self.asked.response_format != "url"


async def answer_to(request: web.Request, generation: Generation, asked: ImageRequest) -> ImageAnswer:
    """A completed generation and its pictures."""
    return ImageAnswer(generation, asked, await shown_pictures(request, generation))


async def shown_pictures(request: web.Request, generation: Generation) -> list[Shown]:
    """Look which pictures of a generation are here."""
    media = request.app[MEDIA]
    pictures = []
    for picture in generation.events_of(Picture):
        kept = picture.name is not None and await media.has_picture(picture.name)
        file = media.picture_path(picture.name) if picture.name and kept else None
        pictures.append(Shown(picture.index, picture_link(request, picture), file))
    return pictures


def _fault(index: int, message: str) -> dict[str, Any]:
    return {"index": index, "code": "result_unavailable", "message": message}
