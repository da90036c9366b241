"""LoginLimit: limits the failed logins per minute, from one address and from all addresses together.

Attackers can't lock operators out, because an address that has logged in before is not subject to the limit for all
addresses. Times are seconds of the monotonic clock.
"""

import ipaddress
import math
import time

from sora_proxy.scheduling.rate_window import SlidingWindow

MAX_FAILURES_PER_ADDRESS = 10
MAX_FAILURES = 60
MAX_ADDRESSES = 1000


class LoginLimit:
    """Counts failed logins by address; all addresses in a /64 network of IPv6 count as one."""

    def __init__(self) -> None:
        # All the mutable state: all failures, the failures of each address, and the addresses that have logged in. Both
        # dictionaries are bounded, and ordered by the last use.
        self._all = SlidingWindow(MAX_FAILURES)
        self._failed: dict[str, SlidingWindow] = {}
        self._trusted: dict[str, None] = {}

    def wait(self, address: str) -> int:
        """Whole seconds until the next attempt from this address is allowed; 0 if it is allowed now."""
        network = _network(address)
        failed = self._failed.get(network)
        ready = failed.ready_at() if failed else -math.inf
        if network not in self._trusted:
            ready = max(ready, self._all.ready_at())
        return max(math.ceil(ready - time.monotonic()), 0) if math.isfinite(ready) else 0

    def failed(self, address: str) -> None:
        """Count a failed login."""
        network, now = _network(address), time.monotonic()
        failed = self._failed.pop(network, None) or SlidingWindow(MAX_FAILURES_PER_ADDRESS)
        failed.use(now)
        self._failed[network] = failed
        # Dropping the oldest entry is harmless, because only failures of the last minute count.
        if len(self._failed) > MAX_ADDRESSES:
            del self._failed[next(iter(self._failed))]
        if network not in self._trusted:
            self._all.use(now)

    def succeeded(self, address: str) -> None:
        """Note a successful login."""
        network = _network(address)
        self._trusted.pop(network, None)
        self._trusted[network] = None
        if len(self._trusted) > MAX_ADDRESSES:
            del self._trusted[next(iter(self._trusted))]


def _network(address: str) -> str:
    """The network that counts as one host: the /64 network of an IPv6 address, otherwise the address itself."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else address
