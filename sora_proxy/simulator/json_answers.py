"""JSON answers: makes the JSON answers of the simulators."""

from typing import Any

import orjson
from aiohttp import web


def json_response(payload: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Make a JSON answer."""
    body = orjson.dumps(payload)
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")
