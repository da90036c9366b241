"""Circuits: the servers and egresses that the calls of many keys share, and their health.

After a fault a circuit cools down. Then one key tries it, with an order or a probe, while the other keys wait for the
outcome, so that a server that has just started does not get all waiting orders at once.
"""

import math
from collections.abc import Collection, Sequence

from sora_proxy.scheduling.cooldown import MAX_BACK_OFF_SECONDS, NO_COOLDOWN, Cooldown, Incident
from sora_proxy.settings.accounts import Proxy, egress_name

MAX_TRIAL_SECONDS = 30.0  # how long the other keys wait for the outcome of a trial
# Short, because a refused connection costs nothing, and a restarted server must not be idle while orders are waiting.
MAX_SERVER_BACK_OFF_SECONDS = 5.0


class Circuit:
    """One server or egress; `name` is shown in logs and to operators. Times are seconds of the event loop's clock."""

    def __init__(self, name: str, back_off_limit: float = MAX_BACK_OFF_SECONDS) -> None:
        self.name = name
        self._back_off_limit = back_off_limit
        # All the mutable state.
        self.cooldown: Cooldown = NO_COOLDOWN
        self._tried_by: object = None  # the key that is trying the circuit
        self._tried_until = -math.inf

    def ready_at(self, key: object) -> float:
        """The moment from which a key can use the circuit."""
        return self.cooldown.until if key is self._tried_by else max(self.cooldown.until, self._tried_until)

    def begin_trial(self, key: object, now: float) -> None:
        """Let a key try the circuit while the other keys wait, unless the circuit has worked since its last fault."""
        if self.cooldown is not NO_COOLDOWN:
            self._tried_by, self._tried_until = key, now + MAX_TRIAL_SECONDS

    def end_trial(self, key: object) -> bool:
        """End the trial of a key, whatever its outcome. Returns whether there was a trial."""
        if key is not self._tried_by:
            return False
        self._tried_by, self._tried_until = None, -math.inf
        return True

    def failed(self, now: float, why: Incident) -> bool:
        """Cool down after a fault. Returns whether a cooldown began. Faults during a cooldown do not prolong it:
        otherwise it would never end while calls are frequent."""
        self.end_trial(self._tried_by)
        if self.cooldown.until > now:
            return False
        self.cooldown = self.cooldown.after_fault(now, why, back_off_limit=self._back_off_limit)
        return True

    def worked(self) -> bool:
        """End the cooldown after a call that was answered. Returns whether there was a cooldown."""
        was_down = self.cooldown is not NO_COOLDOWN
        self.cooldown = NO_COOLDOWN
        self.end_trial(self._tried_by)
        return was_down


class Servers(dict[str | None, Circuit]):
    """The servers of a back end by base URL. None stands for the server of keys without their own base URL."""

    def __missing__(self, base_url: str | None) -> Circuit:
        return self.setdefault(base_url, Circuit(base_url or "server", MAX_SERVER_BACK_OFF_SECONDS))


def outage(servers: Collection[Circuit]) -> Incident | None:
    """Why the servers can't be reached, and since when; None if at least one of them works or has not been tried."""
    faults = [server.cooldown.why for server in servers if server.cooldown.why]
    if not faults or len(faults) < len(servers):
        return None
    return Incident(faults[0].reason, max(server.cooldown.since for server in servers))


class Egress(Circuit):
    """A connection to the outside, through `proxy` or direct."""

    def __init__(self, proxy: Proxy | None = None) -> None:
        super().__init__(egress_name(proxy))
        self.proxy = proxy


class Egresses:
    """All egresses, one for each proxy, and the operator's choice of egresses for the keys."""

    def __init__(self) -> None:
        # All the mutable state.
        self._egresses: dict[object, Egress] = {}  # by proxy
        self._defaults: Sequence[Proxy | None] = (None,)
        self._for_all = False

    def __getitem__(self, proxy: object) -> Egress:
        return self._egresses[proxy]

    def use(self, proxies: Sequence[Proxy | None], *, for_all: bool) -> None:
        """Set the egresses of the keys that have no proxies of their own or, with `for_all`, of all keys."""
        self._defaults, self._for_all = proxies, for_all

    def of(self, own: Sequence[Proxy | None]) -> tuple[Egress, ...]:
        """The egresses of a key whose own proxies are `own`, in order of preference."""
        proxies = self._defaults if self._for_all else own or self._defaults
        return tuple(self._egresses.setdefault(proxy, Egress(proxy)) for proxy in proxies)
