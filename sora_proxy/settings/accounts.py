"""Accounts and proxies: the token and the egress of calls to a back end. None as a proxy means a direct connection."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP or SOCKS5 proxy. `url` has no credentials: they are separate fields, so that no exception prints them.

    The scheme is `http`, `https` or `socks5h`. The proxy always resolves host names.
    """

    url: str
    user: str | None = None
    password: SecretStr | None = None

    @property
    def address(self) -> str:
        """The whole address as it is configured, including the credentials."""
        if not (self.user or self.password):
            return self.url
        scheme, _, place = self.url.partition("://")
        password = f":{quote(self.password.get_secret_value(), safe='')}" if self.password else ""
        return f"{scheme}://{quote(self.user or '', safe='')}{password}@{place}"


@dataclass(frozen=True, slots=True)
class Account:
    """An upstream key as one call to a back end uses it.

    `key_id` identifies the key, `token` authenticates it, `egress` is the proxy of the call; None: a direct connection.
    `base_url`, `headers` and `region` are set if the key has values of its own.
    """

    key_id: str
    token: str = field(repr=False)
    egress: Proxy | None = None
    base_url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    region: str | None = None


def egress_name(proxy: Proxy | None) -> str:
    """The name of an egress in logs and answers, without credentials."""
    return proxy.url if proxy else "direct"


def egress_names(proxies: Iterable[Proxy | None]) -> str | None:
    """The names of several egresses in one text; None if there are none."""
    return ", ".join(map(egress_name, proxies)) or None
