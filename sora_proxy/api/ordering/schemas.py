"""The common fields of requests. Known fields are checked strictly; all others are accepted and ignored."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema

from sora_proxy.api.http.refusals import ClientError
from sora_proxy.foreign.bounded_json import TooManyValues, read_json
from sora_proxy.settings.faults import place_of, words_of

MAX_MESSAGES = 500
MAX_PROMPT_LENGTH = 32_000
MAX_METADATA_PAIRS = 16
PARTS = ["text", "input_text", "output_text", "image_url", "input_image", "file"]
PART = {"type": "object", "properties": {"type": {"enum": PARTS}}, "required": ["type"]}
CONTENT = {"anyOf": [{"type": "string"}, {"type": "null"}, {"type": "array", "items": PART}]}
SIZE = re.compile(r"(\d{2,4})[x×*](\d{2,4})", re.ASCII)


def none_is_default(default: Any) -> BeforeValidator:
    """Read null as the default, since SDKs send it for an option that is not set."""
    return BeforeValidator(lambda value: default if value is None else value)


class Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


M = TypeVar("M", bound=Lenient)
ModelName = Annotated[
    str | None,
    Field(max_length=200, description="The name of a model in `/v1/models`. Unset: the default model."),
]


class Message(Lenient):
    """A message. `prompt_of` checks its `content`, which has too many forms for a clear schema."""

    role: Literal["developer", "system", "user", "assistant", "tool", "function"]
    content: Annotated[Any, WithJsonSchema(CONTENT)] = None


def _check_metadata(value: Any) -> Any:
    """Check metadata as a whole, with one message, because the fault may be in a key that is too long to be shown."""
    if value is None:
        return {}
    pairs = value.items() if isinstance(value, dict) else ()
    if not isinstance(value, dict) or len(value) > MAX_METADATA_PAIRS or not all(_is_pair(*pair) for pair in pairs):
        raise ValueError("must be up to 16 pairs of strings: keys of up to 64 characters, values of up to 512")
    return value


def _is_pair(key: str, value: Any) -> bool:
    return len(key) <= 64 and isinstance(value, str) and len(value) <= 512


def bracketed(name: str, fields: Mapping[str, str]) -> dict[str, str]:
    """The object that the fields `name[key]` of a query or a form describe."""
    start = f"{name}["
    return {key[len(start) : -1]: text for key, text in fields.items() if key.startswith(start) and key.endswith("]")}


Metadata = Annotated[
    dict[str, str],
    BeforeValidator(_check_metadata),
    WithJsonSchema(
        {
            "type": "object",
            "description": "Up to 16 pairs of strings. A message is sent to `webhook_url` when the order ends.",
            "maxProperties": MAX_METADATA_PAIRS,
            "propertyNames": {"maxLength": 64},
            "additionalProperties": {"type": "string", "maxLength": 512},
        }
    ),
]


def parse_body(kind: type[M], body: bytes, overrides: Mapping[str, Any] | None = None) -> M:
    """Parse a JSON body. `overrides` replace fields of the body. Raises ClientError, which names the field."""
    return checked(kind, json_object(body) | dict(overrides or {}))


def json_object(body: bytes) -> dict[str, Any]:
    """The fields of a JSON body. Raises ClientError."""
    try:
        fields = read_json(body)
    except TooManyValues:
        raise ClientError("The request body contains too many values.", code="invalid_json") from None
    except orjson.JSONDecodeError:
        raise ClientError("The request body is not valid JSON.", code="invalid_json") from None
    if not isinstance(fields, dict):
        raise ClientError("The request body must be a JSON object.", code="invalid_json")
    return fields


def checked(kind: type[M], fields: Mapping[str, Any], *, strict: bool | None = None) -> M:
    """Check the fields of a request. If `strict` is False, numbers and booleans may be strings, as in forms.

    Raises ClientError, which names the field.
    """
    try:
        return kind.model_validate(fields, strict=strict)
    except ValidationError as error:
        raise explain(error) from None


def explain(error: ValidationError) -> ClientError:
    """A ClientError for the first fault, with the name of the field, but without the value."""
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    param = place_of(fault["loc"]).lstrip(".")
    match fault["type"]:
        case "missing":
            message = f"Missing required parameter: '{param}'."
            return ClientError(message, code="missing_required_parameter", param=param)
        case "extra_forbidden":
            return ClientError(f"Unknown parameter: '{param}'.", code="unknown_parameter", param=param)
    return ClientError(f"Invalid value for '{param}': {words_of(fault)}.", param=param)
