"""Requests to addresses from clients, protected against server-side request forgery (SSRF).

Only http and https on their default ports are allowed. Each request makes one lookup, checks all addresses in its
result, and connects to one of them. Redirects and proxies from the environment are not used, and the time is limited.
Hosts that the operator lists may have private addresses, and use any port and either scheme. The other rules apply to
them, too.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from sora_proxy.foreign.addresses import is_public, is_public_host, names_of

TIMEOUT_SECONDS = 10.0


class AddressRefused(ValueError):
    """The address is not allowed, or its answer can't be used. The message is for the client."""


class PublicHttp:
    """Sends requests to the hosts in `allowed` (`host` or `host:port`), and to public hosts if the address has one
    of the `public_schemes`.

    In error messages, `subject` is the name for the address, such as "the webhook's address".
    """

    def __init__(self, subject: str, allowed: Iterable[str], public_schemes: Iterable[str] = ("http", "https")) -> None:
        self._subject = subject
        self._allowed = frozenset(host.lower() for host in allowed)
        self._public_schemes = tuple(public_schemes)

    @contextlib.asynccontextmanager
    async def request(self, method: str, address: str, **options: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        """Yield the answer from an http(s) address, which must be read within the block. Sending the request and
        reading the answer may take `TIMEOUT_SECONDS` together.

        Raises AddressRefused, even for errors while the answer is read.
        """
        url = self.check(address)
        resolver = None if self._is_allowed(url) else PublicResolver(lambda _host: _not_public(self._subject))
        connector = aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, force_close=True)
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False) as session,
                session.request(method, url, allow_redirects=False, **options) as response,
            ):
                yield response
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            if isinstance(error, AddressRefused):
                raise
            raise AddressRefused(f"{self._subject} did not give a usable answer") from error

    def check(self, address: str) -> URL:
        """The parsed address, if it is allowed. Host names are not looked up here.

        Raises AddressRefused.
        """
        try:
            url = URL(address)
            _ = url.host, url.port  # reading these parts is what shows whether they are valid
        except (ValueError, IndexError) as error:
            raise AddressRefused(f"{self._subject} is not valid") from error
        if url.scheme not in ("http", "https") or not url.host or url.user or url.password:
            raise AddressRefused(
                f"{self._subject} must begin with http:// or https:// and must not contain a user or a password"
            )
        if self._is_allowed(url):
            return url
        if not self._public_schemes:
            raise AddressRefused(f"{self._subject} is not allowed by the operator")
        if url.scheme not in self._public_schemes:
            raise AddressRefused(
                f"{self._subject} must begin with {' or '.join(f'{each}://' for each in self._public_schemes)}"
            )
        if not url.is_default_port():
            raise AddressRefused(f"{self._subject} must not contain a port")
        if not is_public_host(url.raw_host or ""):
            raise _not_public(self._subject)
        return url

    def _is_allowed(self, url: URL) -> bool:
        return not names_of(url).isdisjoint(self._allowed)


def _not_public(subject: str) -> AddressRefused:
    return AddressRefused(f"{subject} is not public")


class PublicResolver(AbstractResolver):
    """Resolves a host name to public addresses. aiohttp connects only to the addresses that it returns.

    `refusal` returns the error for a host with an address that is not public.
    """

    def __init__(self, refusal: Callable[[str], Exception]) -> None:
        self._refusal = refusal

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
        addresses = [(kind, str(where[0])) for kind, _, _, _, where in found]
        if not addresses or not all(is_public(address) for _, address in addresses):
            raise self._refusal(host)
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST)
            for kind, address in addresses
        ]

    async def close(self) -> None:
        """Do nothing: the resolver has no resources."""
