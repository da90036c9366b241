"""What a request for a response may hold. What we use is checked; all else is ignored, whatever it holds."""

from typing import Annotated, Any, get_args

from pydantic import BeforeValidator, Field, WithJsonSchema

from sora_proxy.api.requests.image_options import PictureOptions
from sora_proxy.api.requests.schemas import CONTENT, MAX_MESSAGES, Lenient, Message, Metadata, none_is_default

TOOL = "image_generation"


def _messages(value: Any) -> Any:
    """A text is what the user says. In a list may stand what nobody says, such as earlier calls of tools."""
    if isinstance(value, str):
        return [{"role": "user", "content": value}]
    if isinstance(value, list):
        return [item for item in value if not isinstance(item, dict) or "role" in item]
    return value


def _image_tool(value: Any) -> Any:
    """Of all tools, the one that makes pictures; if it is not there, it is meant."""
    tools = value if isinstance(value, list) else []
    return next((tool for tool in tools if isinstance(tool, dict) and tool.get("type") == TOOL), {})


ROLE = {"enum": [*get_args(Message.model_fields["role"].annotation)]}
ITEM = {"type": "object", "properties": {"role": ROLE, "content": CONTENT}}
INPUT = {"anyOf": [{"type": "string"}, {"type": "array", "items": ITEM}]}
TOOLS = {"type": ["array", "null"], "items": {"type": "object"}}


class ResponseRequest(Lenient):
    """An order. Other fields are ignored."""

    input: Annotated[
        list[Message],
        Field(
            min_length=1,
            max_length=MAX_MESSAGES,
            description="The prompt; or messages, as in a chat: the last one of the user is the prompt.",
        ),
        BeforeValidator(_messages),
        WithJsonSchema(INPUT),
    ]
    model: Annotated[str | None, Field(max_length=200, description="A name from `/v1/models`.")] = None
    tool: Annotated[
        PictureOptions,
        Field(
            alias="tools",
            default_factory=PictureOptions,
            description="`image_generation` with its options; assumed if it is not there.",
        ),
        BeforeValidator(_image_tool),
        WithJsonSchema(TOOLS),
    ]
    instructions: Any = None
    previous_response_id: Annotated[
        str | None, Field(max_length=200, description="Its picture is the reference, if the prompt brings none.")
    ] = None
    stream: Annotated[bool, Field(description="Stream the answer."), none_is_default(False)] = False
    background: Annotated[bool, Field(description="Answer at once; ask for it later."), none_is_default(False)] = False
    metadata: Metadata = Field(default_factory=dict)

    @property
    def conversation(self) -> list[Message]:
        """The messages, after the instructions if there are any."""
        if not isinstance(self.instructions, str):
            return self.input
        return [Message(role="developer", content=self.instructions), *self.input]
