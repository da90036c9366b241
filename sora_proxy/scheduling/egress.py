"""Egress: the ways out to a back end, straight or through a proxy. Each has its own health, apart from any key's."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from pydantic import SecretStr

from sora_proxy.scheduling.cooldown import Rest


@dataclass(frozen=True, slots=True)
class Proxy:
    """`url` is without credentials, which travel apart so that no exception prints them.

    Its scheme is `http`, `https` or `socks5h`: names are looked up by the proxy.
    """

    url: str
    user: str | None = None
    password: SecretStr | None = None

    @property
    def address(self) -> str:
        """The whole address, as it is configured, credentials included."""
        if not (self.user or self.password):
            return self.url
        scheme, _, place = self.url.partition("://")
        password = f":{quote(self.password.get_secret_value(), safe='')}" if self.password else ""
        return f"{scheme}://{quote(self.user or '', safe='')}{password}@{place}"


def ways_shown(proxies: Sequence[Proxy | None]) -> str | None:
    """What operators see of several ways out: no credentials."""
    return ", ".join(proxy.url if proxy else "direct" for proxy in proxies) or None


@dataclass(slots=True, eq=False)
class Egress:
    """One way out: through `proxy`, or straight."""

    proxy: Proxy | None = None
    # All the mutable state.
    rest: Rest = field(default_factory=Rest)

    @property
    def name(self) -> str:
        """What logs and operators call it."""
        return self.proxy.url if self.proxy else "direct"
