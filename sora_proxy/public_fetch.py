"""Fetching a picture from an address that a client gave us, without becoming its way into our network (SSRF).

Only http and https on their own ports, one lookup per fetch, every address of the answer checked, the connection made
to an address that was checked, no redirect followed, no proxy of the environment used, few bytes, little time. Hosts
that the operator lists are exempt from the check of addresses and ports, and from nothing else.
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Iterable

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

MOST_BYTES = 10 * 2**20
SECONDS = 10.0
HOST_NAME = re.compile(r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z][a-z0-9-]{0,61}[a-z0-9]?", re.ASCII)

# `is_global` is not enough: Python 3.11 calls these global although they lead to other, possibly private, addresses.
NOT_PUBLIC = [
    ipaddress.ip_network(network)
    for network in ("2002::/16", "2001::/23", "3fff::/20", "192.0.0.0/24", "192.88.99.0/24")
]
PUBLIC_IPV6 = ipaddress.ip_network("2000::/3")


class FetchRefused(ValueError):
    """The address may not be fetched, or what is there is no use. The message is for the client."""


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet."""
    ip = ipaddress.ip_address(address)
    # Of IPv6, this block alone is public; `is_global` is also true for site-local and IPv4-compatible addresses.
    if isinstance(ip, ipaddress.IPv6Address) and ip not in PUBLIC_IPV6:
        return False
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in NOT_PUBLIC)


class PublicFetcher:
    """Fetches from public addresses, and from the hosts in `allowed` (`host` or `host:port`)."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self._allowed = frozenset(host.lower() for host in allowed)

    async def fetch(self, address: str) -> bytes:
        """The bytes behind an http(s) address.

        Raises FetchRefused.
        """
        url = self._check(address)
        resolver = None if self._is_allowed(url) else _PublicResolver()
        connector = aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, force_close=True)
        timeout = aiohttp.ClientTimeout(total=SECONDS)
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False) as session,
                session.get(url, allow_redirects=False, headers={"accept": "image/*"}) as response,
            ):
                return await _read(response)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            if isinstance(error, FetchRefused):
                raise
            raise FetchRefused("the picture can't be fetched from its address") from error

    def _is_allowed(self, url: URL) -> bool:
        names = {url.host, url.host_subcomponent, f"{url.host_subcomponent}:{url.port}"}  # the last two bracket IPv6
        return not names.isdisjoint(self._allowed)

    def _check(self, address: str) -> URL:
        """The parsed address, if it may be asked at all."""
        try:
            url = URL(address)
            _ = url.host, url.port  # decoded only now
        except (ValueError, IndexError) as error:
            raise FetchRefused("the picture's address is not valid") from error
        if url.scheme not in ("http", "https") or not url.host or url.user or url.password:
            raise FetchRefused("the picture's address must be http or https, without user and password")
        if self._is_allowed(url):
            return url
        if not url.is_default_port():
            raise FetchRefused("the picture's address must not name a port")
        _check_host(url.raw_host or "")
        return url


def _check_host(host: str) -> None:
    """Plain names and plainly written addresses only: other spellings of addresses exist to get past checks."""
    try:
        public = is_public(host)
    except ValueError:
        public = HOST_NAME.fullmatch(host) is not None
    if not public:
        raise FetchRefused("the picture's address is not a public one")


async def _read(response: aiohttp.ClientResponse) -> bytes:
    if response.status != 200:
        raise FetchRefused(f"the picture's address answered with status {response.status}")
    content = bytearray()
    async for chunk in response.content.iter_chunked(2**16):
        content += chunk
        if len(content) > MOST_BYTES:
            raise FetchRefused(f"the picture is larger than {MOST_BYTES // 2**20} MB")
    return bytes(content)


class _PublicResolver(AbstractResolver):
    """Resolves a name once and vouches for every address that it returns: those are connected to."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
        addresses = [(kind, str(where[0])) for kind, _, _, _, where in found]
        if not addresses or not all(is_public(address) for _, address in addresses):
            raise FetchRefused("the picture's address is not a public one")
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST)
            for kind, address in addresses
        ]

    async def close(self) -> None:
        """Nothing is kept."""
