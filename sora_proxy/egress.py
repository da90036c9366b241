"""Egress: the ways out to a back end, straight or through a proxy. Each has its own health, apart from any key's."""

from dataclasses import dataclass, field

from pydantic import SecretStr

from sora_proxy.rest import Rest


@dataclass(frozen=True, slots=True)
class Proxy:
    """`url` is without credentials, which travel apart so that no exception prints them.

    Its scheme is `http`, `https` or `socks5h`: names are looked up by the proxy.
    """

    url: str
    user: str | None = None
    password: SecretStr | None = None


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
