"""The headers in which reverse proxies describe a client. Only the headers of trusted proxies are used."""

import ipaddress

from aiohttp import web

from sora_proxy.api.http.context import SETTINGS
from sora_proxy.settings.kinds import UNIX_PEER

PARTS = ("proto", "host", "prefix")


def through_trusted_proxy(request: web.Request) -> bool:
    """Whether the connection comes from a trusted reverse proxy."""
    return _trusted(request, _peer(request))


def forwarded(request: web.Request) -> dict[str, str]:
    """The parts of the public address that a trusted reverse proxy reports: `proto`, `host` and `prefix`, each empty if
    it is unknown. Without a trusted proxy, there are none. Of several proxies, the one nearest to the client counts."""
    if not through_trusted_proxy(request):
        return {}
    return {name: request.headers.get(f"x-forwarded-{name}", "").split(",")[0].strip() for name in PARTS}


def client_address(request: web.Request) -> str:
    """The client's address: the first address, counted back from the last hop, that is not that of a trusted proxy.
    Clients of a unix socket have the address `unix`."""
    address = _peer(request)
    named = ",".join(request.headers.getall("x-forwarded-for", [])).split(",")
    while named and _trusted(request, address) and _parsed(named[-1].strip()):
        address = named.pop().strip()
    return address


def _peer(request: web.Request) -> str:
    """The address from which the connection comes."""
    is_unix = isinstance(request.get_extra_info("sockname"), str)
    return UNIX_PEER if is_unix else request.remote or ""


def _trusted(request: web.Request, address: str) -> bool:
    trusted = request.app[SETTINGS].current.trusted_proxies
    if address == UNIX_PEER:
        return UNIX_PEER in trusted
    parsed = _parsed(address) if trusted else None
    return parsed is not None and any(network != UNIX_PEER and parsed in network for network in trusted)


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(address)
    except ValueError:
        return None
