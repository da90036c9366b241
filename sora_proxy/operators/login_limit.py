"""LoginLimit: how often a login may fail in a minute, from one address and from all of them.

Nobody is locked out by others: an address that has logged in before has its own bound only. Times are seconds of the
monotonic clock.
"""

import ipaddress
import math
import time

from sora_proxy.scheduling.rate_window import SlidingWindow

FAILURES_PER_ADDRESS = 10
FAILURES_IN_ALL = 60
ADDRESSES_KNOWN = 1000


class LoginLimit:
    """Counts failed logins."""

    def __init__(self) -> None:
        # All the mutable state. Both tables are in the order of their last use, and bounded.
        self._all = SlidingWindow(FAILURES_IN_ALL)
        self._failed: dict[str, SlidingWindow] = {}
        self._welcome: dict[str, None] = {}

    def wait(self, address: str) -> int:
        """Whole seconds until the next try from this address; 0: now."""
        network = _network(address)
        failed = self._failed.get(network)
        ready = failed.ready_at() if failed else -math.inf
        if network not in self._welcome:
            ready = max(ready, self._all.ready_at())
        return max(math.ceil(ready - time.monotonic()), 0) if math.isfinite(ready) else 0

    def failed(self, address: str) -> None:
        """A login from here failed."""
        network, now = _network(address), time.monotonic()
        failed = self._failed.pop(network, None) or SlidingWindow(FAILURES_PER_ADDRESS)
        failed.use(now)
        self._failed[network] = failed
        # There are never more to remember than failures of the last minute, but for those of addresses welcome.
        if len(self._failed) > ADDRESSES_KNOWN:
            del self._failed[next(iter(self._failed))]
        if network not in self._welcome:
            self._all.use(now)

    def succeeded(self, address: str) -> None:
        """A login from here was right."""
        network = _network(address)
        self._welcome.pop(network, None)
        self._welcome[network] = None
        if len(self._welcome) > ADDRESSES_KNOWN:
            del self._welcome[next(iter(self._welcome))]


def _network(address: str) -> str:
    """Whom an address belongs to: with IPv6, one host has a whole /64."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else address
