"""Egress: one connection to a back end, direct or through a proxy, with a health of its own, apart from any key's."""

from dataclasses import dataclass

from sora_proxy.scheduling.cooldown import NO_COOLDOWN, Cooldown
from sora_proxy.settings.accounts import Proxy, egress_name


@dataclass(slots=True, eq=False)
class Egress:
    """What the pool knows of the egress through `proxy`, or of the direct one."""

    proxy: Proxy | None = None
    # All the mutable state.
    cooldown: Cooldown = NO_COOLDOWN

    @property
    def name(self) -> str:
        """The name in logs and answers."""
        return egress_name(self.proxy)
