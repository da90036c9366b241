"""The origin of this server as the client knows it, perhaps with a path. Links to images begin with it."""

import re

from aiohttp import web
from yarl import URL

from sora_proxy.api.http.context import SETTINGS
from sora_proxy.api.http.forwarding import forwarded, through_trusted_proxy

# Plain segments only: the prefix becomes a part of links and of commands for a shell.
PREFIX = re.compile(r"((?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*){1,20})/?")


def public_origin(request: web.Request) -> str:
    """`BASE_URL`, or else the scheme, host and path that the client used, as this server or a trusted proxy saw
    them."""
    if base_url := request.app[SETTINGS].current.base_url:
        return base_url
    reported = forwarded(request)
    scheme, host = reported.get("proto") or request.scheme, reported.get("host") or request.host
    try:
        origin = str(URL.build(scheme="https" if scheme == "https" else "http", authority=host).origin())
    except ValueError:
        origin = _origin_here(request)
    prefix = PREFIX.fullmatch(reported.get("prefix", ""))
    return origin + prefix[1] if prefix else origin


def known_origin(request: web.Request) -> str | None:
    """The public origin, if `BASE_URL` or a trusted proxy determines it; None if only the client does."""
    knows = request.app[SETTINGS].current.base_url or through_trusted_proxy(request)
    return public_origin(request) if knows else None


def _origin_here(request: web.Request) -> str:
    """The origin for clients on this machine, with the port of the socket. A unix socket has no port."""
    place = request.get_extra_info("sockname", ("", request.app[SETTINGS].current.api_port))
    return "http://localhost" if isinstance(place, str) else f"http://localhost:{place[1]}"
