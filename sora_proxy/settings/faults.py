"""Turns the faults that pydantic finds into messages: where each fault is, and what is wrong, in the terms of JSON."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

# The name of a field inside an option. Any other text may be a misplaced secret.
FIELD_NAME = re.compile(r"[A-Za-z_-]{1,24}")
WORDS = {
    "model_type": "must be a JSON object",
    "dict_type": "must be a JSON object",
    "tuple_type": "must be a JSON list",
    "list_type": "must be a JSON list",
    "extra_forbidden": "is not a known field",
}


def words_of(fault: Mapping[str, Any]) -> str:
    """The message for one of pydantic's faults, beginning with a lower-case letter and without the value."""
    words = WORDS.get(fault["type"]) or fault["msg"].removeprefix("Value error, ")
    if words.startswith("Value"):  # pydantic counts the characters of a secret as items
        words = words.replace("items after validation", "characters")
    return words[:1].lower() + words[1:]


def place_of(parts: Iterable[int | str]) -> str:
    """The position of a value, such as `.keys[0].name`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)


def safe_place_of(parts: Iterable[int | str]) -> str:
    """The position of a value, without names that may be misplaced secrets."""
    return place_of(part for part in parts if isinstance(part, int) or FIELD_NAME.fullmatch(part))


def lines_of(error: ValidationError) -> list[str]:
    """One line per fault, without secrets."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    return [f"{safe_place_of(fault['loc']).lstrip('.')}: {words_of(fault)}" for fault in faults]
