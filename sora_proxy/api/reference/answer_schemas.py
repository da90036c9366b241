"""The fields of answers, for the document of the API. Tests compare these fields with real answers."""

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
    """The back end of an order. The fields are null until the order is sent, and for orders from older versions."""

    backend: str | None = Field(None, description="The name of the back end that makes or made the images.")
    backend_model: str | None = Field(None, description="The name of the model at the back end.")
    backend_id: str | None = Field(None, description="The id of the order at the back end.")
    ignored_parameters: list[str] = Field(
        [], description="The parameters that the model ignores; `size` may be one of them."
    )


class ErrorDetail(Answer):
    message: str
    type: str
    param: str | None
    code: Annotated[str, WithJsonSchema({"type": "string", "oneOf": CODES})]


class Error(Answer):
    """Every error has this shape."""

    error: ErrorDetail


class Counts(Answer):
    """Back ends may report other figures, too, such as the cost."""

    model_config = ConfigDict(extra="allow")


class Usage(Counts):
    """The counts that the back end reports. If it reports none, the number of words in the prompt and the number of
    images are used; each number is at least 1."""

    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)
    total_tokens: int = Field(ge=0)


class AnswerMessage(Answer):
    role: Literal["assistant"]
    content: str = Field(
        description="The images as markdown; before they are made, the progress; after a failure, the reason."
    )
    refusal: str | None = Field(description="The reason for the failure; null if there was no failure.")


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
    error: ErrorDetail | None = Field(None, description="The failure, if it occurred after the status was sent.")


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


class ImagesUsage(Counts):
    """The counts that the back end reports. If it reports none, the words in the prompt, the reference images and the
    images made are counted."""

    input_tokens: int
    input_tokens_details: TokenDetails
    output_tokens: int
    total_tokens: int


class ImagesAnswer(MadeBy):
    created: int
    data: list[ImageItem]
    id: str | None = None
    model: str | None = None
    ordered_size: str | None = Field(
        None, description="The size sent to the back end; null if the back end chooses it."
    )
    size: Literal["1024x1024", "1024x1536", "1536x1024"] | None = None
    output_format: Literal["png", "webp", "jpeg"] | None = None
    errors: list[ImageFault] = Field(
        [], description="The images that could not be made or could not be returned, by their index."
    )
    usage: ImagesUsage | None = None
    error: ErrorDetail | None = Field(None, description="The failure, if it occurred after the status was sent.")


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
    errors: list[ImageFault] = Field([], description="The images that could not be made, by their index.")


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
    backend: str | None = Field(None, description="The names of the back ends that make the images of new orders.")
    backends: dict[str, bool] | None = Field(
        None, description="Whether each back end has a usable key and could be reached at the last attempt."
    )
    restarting: list[str] | None = Field(
        None, description="The names of background loops that crashed and will be restarted."
    )


class Reason(Answer):
    code: str = Field(description="An identifier of the reason, such as `storage_unavailable`.")
    message: str
    backend: str | None = Field(description="The name of the back end that the reason is about.")
    since: float | None = Field(description="When the problem began, in seconds since 1970; null if that is unknown.")


class NotReady(Health):
    status: Literal["unavailable"]  # type: ignore[assignment]
    reason: str = Field(description="The messages of all reasons.")
    reasons: list[Reason] = Field(min_length=1)
    error: ErrorDetail
