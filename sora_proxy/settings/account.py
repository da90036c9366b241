"""Account: an upstream key as back ends get it."""

from dataclasses import dataclass, field

from sora_proxy.settings.proxies import Proxy


@dataclass(frozen=True, slots=True)
class Account:
    """An upstream key as one call to a back end uses it.

    `key_id` names the key, `token` authenticates it, `egress` is the proxy of the call; None is a direct one.
    """

    key_id: str
    token: str = field(repr=False)
    egress: Proxy | None = None
