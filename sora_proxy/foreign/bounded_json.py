"""Reads JSON from outside, whose values may have any type. Its size in memory is bounded."""

from typing import Any

import orjson

MAX_VALUES = 250_000  # the limit for a client's body, because a value takes far more memory than its text


class TooManyValues(ValueError):
    """The text contains more values than a legitimate text would."""


def read_json(text: bytes, max_values: int = MAX_VALUES) -> Any:
    """Parse a text. Nesting deeper than orjson's limit (1024) counts as invalid.

    Raises TooManyValues or orjson.JSONDecodeError.
    """
    if sum(map(text.count, (b",", b"[", b"{"))) > max_values:
        raise TooManyValues
    return orjson.loads(text)


def as_object(value: Any) -> dict[str, Any]:
    """The value if it is an object, else an empty object."""
    return value if isinstance(value, dict) else {}


def objects_in(value: Any) -> list[dict[str, Any]]:
    """The objects in a list; an empty list for any other value."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
