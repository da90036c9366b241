"""The fields of a chat request. Known fields are checked strictly; all others are accepted and ignored."""

from typing import Annotated, Any, get_args

from pydantic import BeforeValidator, Field

from sora_proxy.api.http.refusals import ClientError
from sora_proxy.api.ordering.parameters import Background, Parameters
from sora_proxy.api.ordering.schemas import (
    MAX_MESSAGES,
    SIZE,
    Lenient,
    Message,
    Metadata,
    ModelName,
    none_is_default,
    parse_body,
)

SIDE = range(64, 2049)  # pixels


def _background(value: Any) -> Any:
    """Check that `background` is a boolean or one of the known strings. One error message covers both types."""
    if value in (None, "auto", ""):
        return False
    if isinstance(value, bool) or value in get_args(Background):
        return value
    raise ValueError("must be true, false, 'transparent' or 'opaque'")


class StreamOptions(Lenient):
    include_usage: Annotated[bool, none_is_default(False)] = False


class ChatRequest(Parameters):
    """An order. In SDKs, `size` and `background`, which OpenAI's chat API does not define, belong in `extra_body`.
    Fields that are not listed here are ignored."""

    messages: Annotated[
        list[Message],
        Field(
            min_length=1,
            max_length=MAX_MESSAGES,
            description="The conversation. The last user message is the prompt; it may contain reference images.",
        ),
    ]
    model: ModelName = None
    n: Annotated[int, Field(ge=1, description="The number of images."), none_is_default(1)] = 1
    stream: Annotated[
        bool, Field(description="Whether to stream the answer, with progress."), none_is_default(False)
    ] = False
    stream_options: Annotated[StreamOptions, none_is_default(StreamOptions())] = StreamOptions()
    background: Annotated[
        bool | Background,
        Field(
            description="`true`: answer at once, and let the client retrieve the images later. A string: the "
            "background of the images."
        ),
        BeforeValidator(_background),
    ] = False  # type: ignore[assignment]  # `background` has two meanings here
    size: Annotated[
        str,
        Field(description="The size of the images: `auto`, or width and height such as `720x480`."),
        none_is_default("auto"),
    ] = "auto"
    store: Annotated[
        bool, Field(description="Whether to list the completion and to store its messages."), none_is_default(False)
    ] = False
    metadata: Metadata = Field(default_factory=dict)

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters that are set. `background` is a parameter only if it is a string."""
        return {name: value for name, value in super().parameters.items() if not isinstance(value, bool)}

    @property
    def dimensions(self) -> tuple[int, int] | None:
        """Width and height in pixels; None for `auto`. Raises ClientError."""
        if self.size == "auto":
            return None
        found = SIZE.fullmatch(self.size)
        if found is None or int(found[1]) not in SIDE or int(found[2]) not in SIDE:
            sides = f"with sides of {SIDE.start} to {SIDE.stop - 1} pixels"
            raise ClientError(f"'size' must be 'auto' or WIDTHxHEIGHT, such as '720x480', {sides}.", param="size")
        return int(found[1]), int(found[2])


class MetadataRequest(Lenient):
    """`POST /v1/chat/completions/{id}`"""

    metadata: Metadata


def parse_chat_request(body: bytes, model: str | None = None) -> ChatRequest:
    """Parse a request's body, on a thread, since the body may be large. `model` overrides the body's model.

    Raises ClientError, which names the field.
    """
    return parse_body(ChatRequest, body, {} if model is None else {"model": model})


def parse_metadata_request(body: bytes) -> dict[str, str]:
    """Parse the new metadata of a completion.

    Raises ClientError, which names the field.
    """
    return parse_body(MetadataRequest, body).metadata
