"""Checks whether addresses from outside lead to the public internet, and whether they can be used. No I/O."""

import ipaddress
import re
from urllib.parse import quote

from yarl import URL

MAX_LENGTH = 8192  # characters
HOST_NAME = re.compile(r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z][a-z0-9-]{0,61}[a-z0-9]?", re.ASCII)
# Printable ASCII without the characters that end an address or have a meaning in markdown or HTML. `%` is included, so
# that no address is encoded twice.
UNQUOTED = "!#$%&'*+,-./:;=?@[]_~"

# `is_global` is not enough: in Python 3.11 it is true for these networks, which may lead to private addresses.
NOT_PUBLIC = [
    ipaddress.ip_network(network)
    for network in ("2002::/16", "2001::/23", "3fff::/20", "192.0.0.0/24", "192.88.99.0/24")
]
PUBLIC_IPV6 = ipaddress.ip_network("2000::/3")


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet."""
    ip = ipaddress.ip_address(address)
    # Only this block of IPv6 is public; `is_global` is also true for site-local and IPv4-compatible addresses.
    if isinstance(ip, ipaddress.IPv6Address) and ip not in PUBLIC_IPV6:
        return False
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in NOT_PUBLIC)


def is_public_host(host: str) -> bool:
    """Whether a host is a public IP address, or a name. Only a lookup can show the addresses of a name.

    Unusual spellings of addresses are refused, since they can evade checks.
    """
    try:
        return is_public(host)
    except ValueError:
        return HOST_NAME.fullmatch(host) is not None


def names_of(url: URL) -> set[str | None]:
    """All entries that would match a URL if an operator's list of hosts contained them. An IPv6 address may be in
    brackets."""
    return {url.host, url.host_subcomponent, f"{url.host_subcomponent}:{url.port}"}


def joined_address(base_url: str, address: str) -> str | None:
    """An address, which may be relative to `base_url`, in the form that `plain_address` returns; None if the address
    can't be used.

    The spelling is kept, since a signature in the address may cover it.
    """
    if address.lower().startswith(("http://", "https://")):
        return plain_address(address)
    try:
        return plain_address(str(URL(f"{base_url}/", encoded=True).join(URL(address, encoded=True))))
    except ValueError:
        return None


def plain_address(text: str) -> str | None:
    """An http(s) address in a form that is safe in markdown and HTML; None for any other text.

    The address has a host but no user or password, and is printable ASCII. The result is None for a text longer than
    `MAX_LENGTH`.
    """
    if len(text) > MAX_LENGTH or not (text.isascii() and text.isprintable()):
        return None
    try:
        url = URL(quote(text, safe=UNQUOTED), encoded=True)  # a signature may cover the spelling
        usable = url.scheme in ("http", "https") and url.host and url.port and "@" not in url.raw_authority
        return str(url) if usable else None
    except ValueError:
        return None
