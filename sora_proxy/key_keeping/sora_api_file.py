"""Reads key files in the format of sora-api, which rewrites its key file at the first request and adds counters to it.

The format, `{"keys": […], "usage_stats": {…}}`, is known from sora-api's source (1hei1/sora-api 823e8ba,
src/key_manager.py).
Each key in it has counters, `is_enabled`, a name that may be empty, and notes that may have several lines.
"""

from typing import Any

import orjson

SHARED_FIELDS = ("key", "weight", "max_rpm", "name")


def entries_in(content: bytes) -> Any:
    """The entries of a file in this format, reduced to the fields of our keys. Other content is returned unchanged."""
    try:
        file = orjson.loads(content)
    except orjson.JSONDecodeError:
        return content
    match file:
        case {"keys": [*entries]}:
            return [_entry(entry) for entry in entries]
        case _:
            return content


def _entry(entry: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    shared = {field: entry[field] for field in SHARED_FIELDS if entry.get(field) not in (None, "")}
    notes = " ".join(str(entry.get("notes") or "").split())
    return shared | {"enabled": entry.get("is_enabled", True), "notes": notes[-500:] or None}
