"""Result addresses: decides where results may be fetched from, because a back end could send an address in the local
network (SSRF).

A result may be at the origin of the back end or of the key's own server, on a host in RESULT_ALLOW, or on the public
internet. A host counts as public if its name is not local and all its IP addresses are public. If the call goes through
a proxy, the IP addresses are not checked, because only the proxy knows them.
"""

import contextlib
import re
import socket
from collections.abc import Iterable, Sequence
from typing import Any

from yarl import URL

from sora_proxy.errors import ResultRefused
from sora_proxy.foreign.addresses import is_public, is_public_host, names_of
from sora_proxy.settings.accounts import Account

LOCAL_NAME = re.compile(r"[^.:]+|.*\.(localhost|localdomain|local|internal|lan|home\.arpa)")


class ResultAddresses:
    """Decides which addresses are allowed for the results of one back end. `allowed` contains the entries of
    RESULT_ALLOW."""

    def __init__(self, base_url: str, allowed: Iterable[str] = ()) -> None:
        self._own_origin = _origin(URL(base_url.lower()))
        self._allowed = frozenset(host.lower() for host in allowed)

    def must_be_public(self, address: str, account: Account | None) -> bool:
        """Whether every IP address of the host has to be public. The addresses are checked when the name is looked up.

        `account` is the account that made the result; None: its key was removed. Raises ResultRefused for a host whose
        name or literal address is local.
        """
        own = {self._own_origin}
        if account is not None and account.base_url:
            own.add(_origin(URL(account.base_url.lower())))
        url = URL(address.lower(), encoded=True)
        if _origin(url) in own or not names_of(url).isdisjoint(self._allowed):
            return False
        host = url.raw_host or ""
        if not is_public_host(host) or LOCAL_NAME.fullmatch(host):
            raise ResultRefused(f"{url.host_subcomponent}:{url.port}")
        return True


def check_public(host: str, found: Sequence[tuple[Any, ...]]) -> None:
    """Check that all addresses that `socket.getaddrinfo` found for a host are public. Raises ResultRefused."""
    if not all(is_public(str(address[0])) for *_, address in found):
        raise ResultRefused(host)


def look_up(address: str) -> None:
    """Check the IP addresses of a URL's host. A host name that can't be resolved is accepted. This function blocks.

    Raises ResultRefused.
    """
    host = URL(address, encoded=True).raw_host or ""
    with contextlib.suppress(OSError):
        check_public(host, socket.getaddrinfo(host, None, type=socket.SOCK_STREAM))


def _origin(url: URL) -> tuple[str, str | None, int | None]:
    return url.scheme, url.raw_host, url.port
