"""The fields of a request for images. Known fields are checked; all others are accepted and ignored."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from sora_proxy.api.ordering.image_options import ImageOptions, ImageSource
from sora_proxy.api.ordering.schemas import MAX_PROMPT_LENGTH, ModelName, none_is_default

STOCK_PROMPT = "Another variation of this image: the same subject and style, composed anew."


class ImageRequest(ImageOptions):
    """A request for images from a text."""

    prompt: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_PROMPT_LENGTH)]
    model: ModelName = None
    n: Annotated[int, Field(ge=1), none_is_default(1)] = 1
    response_format: Literal["url", "b64_json"] | None = None
    stream: Annotated[bool, none_is_default(False)] = False


class VariationForm(ImageRequest):
    """A request for variations of an image, without a prompt."""

    prompt: Annotated[Any, BeforeValidator(lambda _: STOCK_PROMPT)] = STOCK_PROMPT


class EditRequest(ImageRequest):
    """A request for images from a text and images, as JSON. In a form, the images are separate parts."""

    images: list[ImageSource] | None = None
    mask: Annotated[ImageSource | None, Field(description="An image whose transparent parts mark what may change.")] = (
        None
    )
    markup: Annotated[Any, Field(description="Not supported: requests with this field are refused.")] = None


class VariationRequest(VariationForm, EditRequest):
    """A request for variations of an image, as JSON."""
