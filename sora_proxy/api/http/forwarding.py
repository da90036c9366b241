"""The headers in which reverse proxies describe a client. Only those of trusted proxies are used."""

import ipaddress

from aiohttp import web

from sora_proxy.api.http.context import SETTINGS


def through_trusted_proxy(request: web.Request) -> bool:
    """Whether the connection comes from a trusted reverse proxy."""
    return bool(request.remote) and _trusted(request, request.remote or "")


def client_address(request: web.Request) -> str:
    """The client's address: going back from the last hop, the first address that is not a trusted proxy."""
    address = request.remote or ""
    named = ",".join(request.headers.getall("x-forwarded-for", [])).split(",")
    while named and _trusted(request, address) and _parsed(named[-1].strip()):
        address = named.pop().strip()
    return address


def _trusted(request: web.Request, address: str) -> bool:
    trusted = request.app[SETTINGS].current.trusted_proxies
    parsed = _parsed(address) if trusted else None
    return parsed is not None and any(parsed in network for network in trusted)


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(address)
    except ValueError:
        return None
