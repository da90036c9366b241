"""The fields of answers, for the document of the API. Tests compare them with real answers."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from sora_proxy.api.http.error_codes import ERROR_CODES
from sora_proxy.generation import Phase

CODES = [
    {"const": code, "title": f"HTTP {meaning.status}", "description": f"{meaning.advice} Retry: {meaning.retry}."}
    for code, meaning in ERROR_CODES.items()
]


class Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class MadeBy(Answer):
    """Null until the order is sent, and for orders of older versions."""

    backend: str | None = Field(None, description="The back end that makes or made it.")
    backend_model: str | None = Field(None, description="The back end's own name of the model.")
    backend_id: str | None = Field(None, description="The back end's own id of it.")
    ignored_parameters: list[str] = Field([], description="What the model does not take: parameters, or the size.")


class ErrorDetail(Answer):
    message: str
    type: str
    param: str | None
    code: Annotated[str, WithJsonSchema({"type": "string", "oneOf": CODES})]


class Error(Answer):
    """Every error has this shape."""

    error: ErrorDetail


class Usage(Answer):
    """Words in, images out; never 0."""

    prompt_tokens: int = Field(ge=1)
    completion_tokens: int = Field(ge=1)
    total_tokens: int = Field(ge=2)


class AnswerMessage(Answer):
    role: Literal["assistant"]
    content: str = Field(
        description="The images as markdown, one per line; or the progress; or the reason why there is none."
    )
    refusal: str | None = Field(description="The reason why there is no image.")


class Choice(Answer):
    index: Literal[0]
    message: AnswerMessage
    logprobs: None
    finish_reason: Literal["stop", "content_filter", "processing", "error"]


class ChatCompletion(MadeBy):
    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice] = Field(min_length=1, max_length=1)
    usage: Usage
    metadata: dict[str, str] = {}
    service_tier: Literal["default"] = "default"
    system_fingerprint: None = None
    error: ErrorDetail | None = Field(None, description="The failure, if it came after the status was sent.")


class List(Answer):
    object: Literal["list"]
    first_id: str | None
    last_id: str | None
    has_more: bool


class ChatCompletionList(List):
    data: list[ChatCompletion]


class StoredMessage(Answer):
    id: str
    role: str
    content: str
    refusal: None
    content_parts: None


class StoredMessageList(List):
    data: list[StoredMessage]


class DeletedChatCompletion(Answer):
    id: str
    object: Literal["chat.completion.deleted"]
    deleted: Literal[True]


class ImageItem(Answer):
    b64_json: str | None = None
    url: str | None = None


class ImageFault(Answer):
    index: int
    code: str = Field(description="One of the codes of `ErrorDetail`.")
    message: str


class TokenDetails(Answer):
    text_tokens: int
    image_tokens: int


class ImagesUsage(Answer):
    """Words and images in, images out."""

    input_tokens: int
    input_tokens_details: TokenDetails
    output_tokens: int
    total_tokens: int


class ImagesAnswer(MadeBy):
    created: int
    data: list[ImageItem]
    id: str | None = None
    model: str | None = None
    ordered_size: str | None = Field(None, description="The size that was ordered; null if the back end chooses it.")
    size: Literal["1024x1024", "1024x1536", "1536x1024"] | None = None
    output_format: Literal["png", "webp", "jpeg"] | None = None
    errors: list[ImageFault] = Field([], description="The images that are missing, or whose bytes are.")
    usage: ImagesUsage | None = None
    error: ErrorDetail | None = Field(None, description="The failure, if it came after the status was sent.")


class GenerationFailure(Answer):
    code: str = Field(description="One of the codes of `ErrorDetail`.")
    message: str


class GenerationAnswer(MadeBy):
    id: str
    object: Literal["generation"]
    status: Phase
    created: int
    model: str
    n: int
    pictures: list[str]
    error: GenerationFailure | None
    errors: list[ImageFault] = Field([], description="The images that are missing, although others were made.")


class GenerationList(List):
    data: list[GenerationAnswer]


class ModelAnswer(Answer):
    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    capabilities: dict[str, Any]
    alias_of: str | None = None
    shutdown_date: str | None = None


class ModelList(Answer):
    object: Literal["list"]
    data: list[ModelAnswer]


class Health(Answer):
    status: Literal["ok"]
    timestamp: float | None = None
    backend: str | None = Field(None, description="The back ends that make the images of new orders.")
    backends: dict[str, bool] | None = Field(None, description="Whether each has a key that could serve.")
    restarting: list[str] | None = Field(None, description="Background loops that died and wait for their restart.")
