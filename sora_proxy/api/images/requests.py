"""What a request for images may hold. What we use is checked; all else is accepted and ignored, whatever it holds."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from sora_proxy.api.http.errors import ClientError
from sora_proxy.api.requests.schemas import MOST_PROMPT, SIZE, Lenient, Metadata, none_is_default

STOCK_PROMPT = "Another variation of this picture: the same subject and style, composed anew."

Format = Literal["png", "webp", "jpeg"]


class PictureOptions(Lenient):
    """How a picture shall be."""

    size: Annotated[str, none_is_default("auto")] = "auto"
    quality: Annotated[
        Literal["auto", "low", "medium", "high", "xhigh", "max", "standard", "hd"], none_is_default("auto")
    ] = "auto"
    output_format: Format | None = None
    output_compression: Annotated[int | None, Field(ge=0, le=100)] = None
    partial_images: Annotated[int, Field(ge=0, le=3), none_is_default(0)] = 0
    metadata: Metadata = Field(default_factory=dict)

    @property
    def dimensions(self) -> tuple[int, int] | None:
        """The size in pixels, if one is asked for. Raises ClientError."""
        if self.size == "auto":
            return None
        found = SIZE.fullmatch(self.size)
        if found is None or not int(found[1]) or not int(found[2]):
            raise ClientError("'size' must be 'auto' or like '1024x1024'.", param="size")
        return int(found[1]), int(found[2])


class ImageRequest(PictureOptions):
    """Pictures from a text."""

    prompt: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MOST_PROMPT)]
    model: Annotated[str | None, Field(max_length=200)] = None
    n: Annotated[int, Field(ge=1), none_is_default(1)] = 1
    response_format: Literal["url", "b64_json"] | None = None
    stream: Annotated[bool, none_is_default(False)] = False


class ImageSource(Lenient):
    """A picture in a JSON body."""

    image_url: Annotated[str, Field(min_length=1)]


class EditRequest(ImageRequest):
    """Pictures from a text and a picture. In a form, the pictures are parts of it and not in here."""

    images: Annotated[list[ImageSource] | None, Field(max_length=16)] = None


class VariationRequest(EditRequest):
    """Pictures from a picture: no prompt comes with it."""

    prompt: Annotated[Any, BeforeValidator(lambda _: STOCK_PROMPT)] = STOCK_PROMPT
