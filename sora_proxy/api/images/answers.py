"""Makes the answers of the Images API from a generation: JSON in pieces, some of which are image files."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sora_proxy.api.http.pieces import Piece, event_pieces, json_pieces
from sora_proxy.api.image_results import FORMATS, SIZES, UNKNOWN, ImageResult, image_results, ordered_size
from sora_proxy.api.images.requests import ImageRequest
from sora_proxy.api.token_usage import token_usage_of
from sora_proxy.event_log import Failed, Preview
from sora_proxy.generation import Generation
from sora_proxy.media.image_files import Media

NOT_HERE = Failed("result_unavailable", "This image could not be fetched, or it is no longer stored here.")


@dataclass(frozen=True, slots=True)
class ImageAnswer:
    """A completed generation in the form that the client requested."""

    generation: Generation
    order: ImageRequest
    images: list[ImageResult]

    def whole(self) -> Iterator[Piece]:
        """The answer's JSON."""
        data = [self._whole_image(image) for image in self.images]
        return json_pieces({"created": int(self.generation.created_at), "data": data, **self._about()})

    def events(self) -> Iterator[Piece]:
        """The last events of a stream, one per image that is stored here."""
        about = self._about()
        for image in self.images:
            if image.file:
                output_format = FORMATS.get(image.file.suffix, "png")
                fields = {"output_format": output_format, "b64_json": image.file, "url": image.url}
                yield from _event("completed", self.generation, about | fields)

    def _whole_image(self, image: ImageResult) -> dict[str, Any]:
        if self.order.response_format == "url":
            return {"url": image.url}
        content = {"b64_json": image.file} if image.file else {}
        with_url = not image.file or self.order.response_format is None
        return content | ({"url": image.url} if with_url else {})

    def _about(self) -> dict[str, Any]:
        """All fields except the images. Fields that OpenAI defines have only values that strict clients accept."""
        spec = self.generation.spec
        size = ordered_size(self.generation)
        fields: dict[str, Any] = {"id": self.generation.id, "model": spec.model, "ordered_size": size}
        fields |= self.generation.made_by
        if size in SIZES:
            fields["size"] = size
        formats = {FORMATS.get(image.file.suffix) for image in self.images if image.file}
        if len(formats) == 1 and (output_format := formats.pop()):
            fields["output_format"] = output_format
        if faults := list(self._faults()):
            fields["errors"] = faults
        return fields | {"usage": self._usage()}

    def _faults(self) -> Iterator[dict[str, Any]]:
        """The errors of images that were not made, or that are not stored although their bytes are wanted."""
        for index, failed in self.generation.missing.items():
            yield _fault(index, failed)
        for image in self.images:
            if self._wants_bytes and image.file is None:
                yield _fault(image.index, NOT_HERE)

    def _usage(self) -> dict[str, Any]:
        usage = token_usage_of(self.generation)
        details = {"text_tokens": usage.text_tokens, "image_tokens": usage.image_tokens}
        return usage.more | {
            "input_tokens": usage.input_tokens,
            "input_tokens_details": details,
            "output_tokens": usage.output_tokens,
            "total_tokens": usage.total_tokens,
        }

    @property
    def _wants_bytes(self) -> bool:
        return self.order.stream or self.order.response_format != "url"


async def answer_to(generation: Generation, order: ImageRequest, media: Media, origin: str) -> ImageAnswer:
    """The answer to an order whose generation is completed. Links to stored images begin with `origin`."""
    return ImageAnswer(generation, order, await image_results(generation, media, origin))


def preview_event(generation: Generation, preview: Preview) -> Iterator[Piece]:
    """The stream's event for an unfinished image."""
    fields = {"partial_image_index": preview.number, "output_format": preview.format}
    return _event("partial_image", generation, fields | {"b64_json": memoryview(preview.content)})


def _event(kind: str, generation: Generation, fields: dict[str, Any]) -> Iterator[Piece]:
    """An event with all fields that strict clients require."""
    route = "image_edit" if generation.spec.images else "image_generation"
    common = {"created_at": int(generation.created_at), "size": UNKNOWN, "quality": UNKNOWN, "background": UNKNOWN}
    return event_pieces(f"{route}.{kind}", common | fields)


def _fault(index: int, failed: Failed) -> dict[str, Any]:
    return {"index": index, "code": failed.code, "message": failed.message}
