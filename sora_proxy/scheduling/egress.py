"""Egress: the ways out to a back end, straight or through a proxy. Each has its own health, apart from any key's."""

from dataclasses import dataclass, field

from sora_proxy.scheduling.cooldown import Rest
from sora_proxy.settings.proxies import Proxy, egress_name


@dataclass(slots=True, eq=False)
class Egress:
    """One way out: through `proxy`, or straight."""

    proxy: Proxy | None = None
    # All the mutable state.
    rest: Rest = field(default_factory=Rest)

    @property
    def name(self) -> str:
        """What logs and operators call it."""
        return egress_name(self.proxy)
