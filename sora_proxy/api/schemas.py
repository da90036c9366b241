"""What a chat request may hold. Fields that we use are checked strictly; all others are accepted whatever they hold."""

import re
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from sora_proxy.errors import ClientError

DEFAULT_SIZE = (720, 480)
MOST_MESSAGES = 500
MOST_PROMPT = 32_000
SIZE = re.compile(r"(\d{2,4})[x×*](\d{2,4})", re.ASCII)
SIDE = range(64, 2049)


def _none_is_default(default: Any) -> BeforeValidator:
    """SDKs send null for an option that is not set."""
    return BeforeValidator(lambda value: default if value is None else value)


class Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class Message(Lenient):
    """`content` is looked at by `prompt_of`: its shapes differ more than a schema could say clearly."""

    role: Literal["developer", "system", "user", "assistant", "tool", "function"]
    content: Any = None


class StreamOptions(Lenient):
    include_usage: Annotated[bool, _none_is_default(False)] = False


class ChatRequest(Lenient):
    """`POST /v1/chat/completions`. `size` and `background` are ours; SDKs pass them in `extra_body`."""

    model: Annotated[str, Field(min_length=1, max_length=200)]
    messages: Annotated[list[Message], Field(min_length=1, max_length=MOST_MESSAGES)]
    n: Annotated[int, Field(ge=1, le=4), _none_is_default(1)] = 1
    stream: Annotated[bool, _none_is_default(False)] = False
    stream_options: Annotated[StreamOptions, _none_is_default(StreamOptions())] = StreamOptions()
    background: Annotated[bool, _none_is_default(False)] = False
    size: Annotated[str, _none_is_default("auto")] = "auto"

    @property
    def dimensions(self) -> tuple[int, int]:
        """Width and height in pixels. Raises ClientError."""
        if self.size == "auto":
            return DEFAULT_SIZE
        found = SIZE.fullmatch(self.size)
        if found is None or int(found[1]) not in SIDE or int(found[2]) not in SIDE:
            message = f"'size' must be 'auto' or like '720x480', with sides of {SIDE.start} to {SIDE.stop - 1} pixels."
            raise ClientError(message, param="size")
        return int(found[1]), int(found[2])


def parse_chat_request(body: bytes) -> ChatRequest:
    """Read a request's body. It may be large: call it on a thread.

    Raises ClientError, naming the field.
    """
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise ClientError("The request's body is not valid JSON.", code="invalid_json") from None
    if not isinstance(fields, dict):
        raise ClientError("The request's body must be a JSON object.", code="invalid_json")
    try:
        return ChatRequest.model_validate(fields)
    except ValidationError as error:
        raise _explain(error) from None


def _explain(error: ValidationError) -> ClientError:
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    param = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault["loc"]).lstrip(".")
    if fault["type"] == "missing":
        message, code = f"Missing required parameter: '{param}'.", "missing_required_parameter"
    else:
        message, code = f"Invalid value for '{param}': {fault['msg'][:1].lower()}{fault['msg'][1:]}.", "invalid_value"
    return ClientError(message, param=param, code=code)
