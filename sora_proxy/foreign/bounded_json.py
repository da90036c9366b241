"""JSON from outside, whose size in memory is bounded too."""

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
