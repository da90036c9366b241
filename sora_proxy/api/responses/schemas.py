"""The fields of a response, for the document of the API."""

from typing import Literal

from pydantic import Field

from sora_proxy.api.reference.answer_schemas import Answer, Counts, ErrorDetail, List, MadeBy
from sora_proxy.generation import Phase


class ResponseError(Answer):
    code: str
    message: str


class ResponseTokenDetails(Answer):
    cached_tokens: int = 0
    cache_write_tokens: int = 0


class ResponseOutputDetails(Answer):
    reasoning_tokens: int


class ResponseUsage(Counts):
    """The counts that the back end reports. If it reports none, the number of words in the prompt and the number of
    images are used; each number is at least 1."""

    input_tokens: int = Field(ge=0)
    input_tokens_details: ResponseTokenDetails
    output_tokens: int = Field(ge=0)
    output_tokens_details: ResponseOutputDetails
    total_tokens: int = Field(ge=0)


class ImageGenerationCall(Answer):
    id: str
    type: Literal["image_generation_call"]
    status: Literal["completed", "failed"]
    result: str | None = Field(description="The image in base64, if it is stored here.")
    size: str | None = None
    output_format: Literal["png", "webp", "jpeg"] | None = None
    error: ErrorDetail | None = None


class OutputText(Answer):
    type: Literal["output_text"]
    text: str = Field(description="The images as markdown.")
    annotations: list[None] = Field(max_length=0)
    logprobs: list[None] = Field(max_length=0)


class OutputMessage(Answer):
    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    status: Literal["completed"]
    content: list[OutputText]


class ImageGenerationTool(Answer):
    type: Literal["image_generation"]
    size: str
    output_format: Literal["png", "webp", "jpeg"] | None = None


class ResponseAnswer(MadeBy):
    id: str
    object: Literal["response"]
    created_at: int
    status: Phase
    model: str
    output: list[ImageGenerationCall | OutputMessage]
    error: ResponseError | None
    incomplete_details: None
    instructions: None
    metadata: dict[str, str]
    parallel_tool_calls: Literal[False]
    temperature: None
    tool_choice: Literal["auto"]
    tools: list[ImageGenerationTool]
    top_p: None
    usage: ResponseUsage | None


class DeletedResponse(Answer):
    id: str
    object: Literal["response"]
    deleted: Literal[True]


class InputText(Answer):
    type: Literal["input_text"]
    text: str


class InputItem(Answer):
    id: str
    type: Literal["message"]
    role: Literal["user"]
    status: Literal["completed"]
    content: list[InputText]


class InputItemList(List):
    data: list[InputItem]
