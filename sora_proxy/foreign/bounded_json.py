"""JSON from outside: its size in memory is bounded too, and its values may be of any type."""

from typing import Any

import orjson

MAX_VALUES = 250_000  # of a client's body; each takes far more room than its text


class TooManyValues(ValueError):
    """The text holds more values than anything that we read needs."""


def read_json(text: bytes, max_values: int = MAX_VALUES) -> Any:
    """Parse a text. What is nested deeper than orjson allows (1024) counts as invalid.

    Raises TooManyValues or orjson.JSONDecodeError.
    """
    if sum(map(text.count, (b",", b"[", b"{"))) > max_values:
        raise TooManyValues
    return orjson.loads(text)


def as_object(value: Any) -> dict[str, Any]:
    """A value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def objects_in(value: Any) -> list[dict[str, Any]]:
    """The objects in a list; none if the value is no list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
