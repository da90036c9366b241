"""CORS: access for browser pages from other origins. Access is denied unless `CORS_ORIGINS` lists the origin.

Pages from other origins can never use the admin routes.
"""

import re
from collections.abc import Awaitable, Callable

from aiohttp import web

from sora_proxy.api.http.context import SETTINGS
from sora_proxy.api.http.refusals import ClientError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
# SDKs send many headers of their own, more with each version, so all requested headers are allowed.
HEADER_NAMES = re.compile(r"[A-Za-z0-9, _-]{0,2000}")
EXPOSED_HEADERS = (
    "x-request-id, x-generation-id, x-sora-proxy-backend, x-should-retry, retry-after, openai-processing-ms, "
    "openai-poll-after-ms"
)


@web.middleware
async def cors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer preflights, which have no key. The answer is the same for all paths; the request that follows shows
    whether its path exists."""
    if request.method != "OPTIONS" or "access-control-request-method" not in request.headers:
        return await handler(request)
    if _allowed_origin(request) is None:
        raise ClientError(
            "This origin is not allowed. Operators can add it to CORS_ORIGINS.", code="origin_not_allowed"
        )
    requested = request.headers.get("access-control-request-headers", "")
    return web.Response(
        status=204,
        headers={
            "access-control-allow-methods": "GET, POST, DELETE",
            "access-control-allow-headers": requested if HEADER_NAMES.fullmatch(requested) else "",
            "access-control-max-age": "3600",
            "vary": "access-control-request-headers",
        },
    )


def add_cors_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Allow pages of an allowed origin to read the answer."""
    if request.app[SETTINGS].current.cors_origins:
        response.headers.add("vary", "origin")
    if origin := _allowed_origin(request):
        response.headers.setdefault("access-control-allow-origin", origin)
        response.headers["access-control-expose-headers"] = EXPOSED_HEADERS


def _allowed_origin(request: web.Request) -> str | None:
    origin, allowed = request.headers.get("origin"), request.app[SETTINGS].current.cors_origins
    if origin is None or request.path.startswith("/admin"):
        return None
    return "*" if "*" in allowed else origin if origin.lower() in allowed else None
