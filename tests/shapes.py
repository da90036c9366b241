"""Shapes, with which tests compare JSON.

A string in a shape is the name of a type, or `=` and the expected string. `{"every": …}` contains the shape of every
item of a list. True, False and None stand for themselves.
"""

import base64
from typing import Any

from tests.simulated_images import looked_at

DATA_URI = "data:image/png;base64,"


def has_shape(value: Any, shape: Any) -> bool:
    """Whether a value has a shape."""
    if isinstance(shape, dict) and set(shape) == {"every"}:
        return isinstance(value, list) and bool(value) and all(has_shape(each, shape["every"]) for each in value)
    if isinstance(shape, dict):
        same = isinstance(value, dict) and set(value) == set(shape)
        return same and all(has_shape(value[name], each) for name, each in shape.items())
    if isinstance(shape, list):
        same = isinstance(value, list) and len(value) == len(shape)
        return same and all(map(has_shape, value, shape))
    if shape == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(shape, str):
        return isinstance(value, str) and is_text(value, shape)
    return value is shape


def is_text(value: str, shape: str) -> bool:
    match shape:
        case "text":
            return bool(value)
        case "text or none":
            return True
        case "base64":
            return looked_at(base64.b64decode(value, validate=True))[0] is not None
        case "data URI":
            return value.startswith(DATA_URI) and is_text(value.removeprefix(DATA_URI), "base64")
    return value == shape.removeprefix("=")
