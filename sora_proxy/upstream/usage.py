"""Usage: reads what a back end counted for an order, in the back end's own units, such as tokens, images or a price."""

import math
import re
from collections.abc import Mapping
from typing import Any

from sora_proxy.foreign.bounded_json import as_object

Usage = dict[str, Any]  # numbers by name, some of them in nested objects

NAME = re.compile(r"[a-z_]{1,64}")
MAX_NAMES = 30
MAX_NUMBER = 2**53  # JSON does not represent larger numbers exactly
CHAT_NAMES = {
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "prompt_tokens_details": "input_tokens_details",
    "completion_tokens_details": "output_tokens_details",
}


def usage_of(value: Any) -> Usage | None:
    """The numbers in the `usage` of an answer, under the names of the Images API; None if all are zero or missing."""
    usage = _numbers(value, depth=2)
    return usage if _says_something(usage) else None


def added(one: Usage | None, other: Usage | None) -> Usage | None:
    """The usage of two calls, added up."""
    if one is None or other is None:
        return one or other
    total = dict(one)
    for name, value in other.items():
        before = total.get(name)
        if isinstance(value, dict) or isinstance(before, dict):
            total[name] = added(as_object(before), as_object(value))
        else:
            total[name] = (before or 0) + value
    return total


def _numbers(value: Any, depth: int) -> Usage:
    if not isinstance(value, Mapping):
        return {}
    found: Usage = {}
    for name, each in list(value.items())[:MAX_NAMES]:
        if not isinstance(name, str) or not NAME.fullmatch(name):
            continue
        if isinstance(each, Mapping) and depth > 1:
            found[CHAT_NAMES.get(name, name)] = _numbers(each, depth - 1)
        elif isinstance(each, int | float) and not isinstance(each, bool) and _is_plausible(each):
            found[CHAT_NAMES.get(name, name)] = each
    return found


def _is_plausible(number: float) -> bool:
    return math.isfinite(number) and 0 <= number <= MAX_NUMBER


def _says_something(usage: Usage) -> bool:
    return any(_says_something(each) if isinstance(each, dict) else each for each in usage.values())
