"""The image options that several routes accept."""

from typing import Annotated, Literal

from pydantic import Field

from sora_proxy.api.http.refusals import ClientError
from sora_proxy.api.ordering.parameters import Parameters
from sora_proxy.api.ordering.schemas import SIZE, Lenient, Metadata, none_is_default

Format = Literal["png", "webp", "jpeg"]


class ImageSource(Lenient):
    """An image in a JSON body."""

    image_url: Annotated[str, Field(min_length=1)]


class ImageOptions(Parameters):
    """The options for the images of an order."""

    size: Annotated[str, none_is_default("auto")] = "auto"
    output_format: Format | None = None
    output_compression: Annotated[int | None, Field(ge=0, le=100)] = None
    partial_images: Annotated[int, Field(ge=0, le=3), none_is_default(0)] = 0
    metadata: Metadata = Field(default_factory=dict)

    @property
    def dimensions(self) -> tuple[int, int] | None:
        """Width and height in pixels; None for `auto`. Raises ClientError."""
        if self.size == "auto":
            return None
        found = SIZE.fullmatch(self.size)
        if found is None or not int(found[1]) or not int(found[2]):
            raise ClientError("'size' must be 'auto' or WIDTHxHEIGHT, such as '1024x1024'.", param="size")
        return int(found[1]), int(found[2])
