"""The fields of a request for a response. Known fields are checked; all others are ignored."""

from typing import Annotated, Any, get_args

from pydantic import BeforeValidator, Field, WithJsonSchema

from sora_proxy.api.ordering.image_options import ImageOptions, ImageSource
from sora_proxy.api.ordering.schemas import (
    CONTENT,
    MAX_MESSAGES,
    Lenient,
    Message,
    Metadata,
    ModelName,
    none_is_default,
)

TOOL = "image_generation"


def _messages(value: Any) -> Any:
    """The messages of an input. A text counts as a user message; list items that are not messages are dropped."""
    if isinstance(value, str):
        return [{"role": "user", "content": value}]
    if isinstance(value, list):
        return [item for item in value if not isinstance(item, dict) or "role" in item]
    return value


def _image_tool(value: Any) -> Any:
    """The image tool in a list of tools, or an image tool without options if the list does not contain one."""
    tools = value if isinstance(value, list) else []
    return next((tool for tool in tools if isinstance(tool, dict) and tool.get("type") == TOOL), {})


ROLE = {"enum": [*get_args(Message.model_fields["role"].annotation)]}
ITEM = {"type": "object", "properties": {"role": ROLE, "content": CONTENT}}
INPUT = {"anyOf": [{"type": "string"}, {"type": "array", "items": ITEM}]}
TOOLS = {"type": ["array", "null"], "items": {"type": "object"}}


class ImageTool(ImageOptions):
    """The tool that makes images, with its options."""

    input_image_mask: ImageSource | None = None


class ResponseRequest(Lenient):
    """An order. Fields that are not listed here are ignored."""

    input: Annotated[
        list[Message],
        Field(
            min_length=1,
            max_length=MAX_MESSAGES,
            description="The prompt, or a list of messages, of which the last user message is the prompt.",
        ),
        BeforeValidator(_messages),
        WithJsonSchema(INPUT),
    ]
    model: ModelName = None
    tool: Annotated[
        ImageTool,
        Field(
            alias="tools",
            default_factory=ImageTool,
            description="The tool `image_generation` with its options. It is used even if it is not listed.",
        ),
        BeforeValidator(_image_tool),
        WithJsonSchema(TOOLS),
    ]
    instructions: Any = None
    previous_response_id: Annotated[
        str | None,
        Field(
            max_length=200,
            description="The id of a response. Its image becomes the reference image if the prompt has no image.",
        ),
    ] = None
    stream: Annotated[bool, Field(description="Whether to stream the answer."), none_is_default(False)] = False
    background: Annotated[
        bool,
        Field(description="Whether to answer at once. The client then has to retrieve the response later."),
        none_is_default(False),
    ] = False
    metadata: Metadata = Field(default_factory=dict)

    @property
    def conversation(self) -> list[Message]:
        """The messages, preceded by the instructions if there are any."""
        if not isinstance(self.instructions, str):
            return self.input
        return [Message(role="developer", content=self.instructions), *self.input]
