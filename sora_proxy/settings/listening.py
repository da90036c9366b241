"""The addresses on which the server listens, as API_HOST lists them: IP addresses, host names and unix sockets."""

import contextlib
import ipaddress
import re
from pathlib import Path

UNIX = "unix:"
NAME = re.compile(r"[A-Za-z0-9._-]+")


def socket_path(address: str) -> Path | None:
    """The path of a unix socket; None for a TCP address."""
    return Path(address.removeprefix(UNIX)) if address.startswith(UNIX) else None


def authority(host: str, port: int) -> str:
    """A host and a port as in a URL, where an IPv6 address is in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(address: str) -> bool:
    """Whether only programs on this machine can connect to an address."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost" or address.startswith(UNIX)


def plain_addresses(value: tuple[str, ...]) -> tuple[str, ...]:
    """The addresses without brackets and without repetitions. Raises ValueError."""
    addresses = tuple(dict.fromkeys(re.sub(r"^\[(.*)\]$", r"\1", address) for address in value))
    if not addresses or not all(map(_is_valid, addresses)):
        raise ValueError("must be IP addresses, host names or unix:/PATH, comma-separated, without ports")
    for every, version in (("0.0.0.0", 4), ("::", 6)):  # noqa: S104
        contained = [each for each in addresses if each != every and _version(each) == version]
        if every in addresses and contained:
            raise ValueError(f"must not list {contained[0]} beside {every}, which contains it")
    return addresses


def _version(address: str) -> int | None:
    """The version of an IP address; None for a host name or a unix socket."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(address).version
    return None


def _is_valid(address: str) -> bool:
    if address.startswith(UNIX):
        return address.startswith(f"{UNIX}/") and address.isprintable()
    try:
        return bool(ipaddress.ip_address(address))
    except ValueError:
        return NAME.fullmatch(address) is not None
