"""The options for access: the server's addresses, and the keys of clients and operators."""

from pydantic import Field
from pydantic_settings import BaseSettings

from sora_proxy.settings.kinds import (
    AtRunTime,
    ClientKeys,
    ListenAddresses,
    Origins,
    PublicUrl,
    TrustedProxies,
)
from sora_proxy.settings.secret_kinds import Secret


class AccessSettings(BaseSettings):
    """The addresses of the server, and the keys that it accepts."""

    # Addresses
    api_host: ListenAddresses = Field(
        ("0.0.0.0",),  # noqa: S104
        description="Addresses on which the server listens, comma-separated: IP addresses, host names, or `unix:/PATH` "
        "for a unix socket. `0.0.0.0` is every IPv4 address, `::` every IPv6 address.",
        examples=["127.0.0.1"],
    )
    api_port: int = Field(
        8890,
        ge=0,
        le=65535,
        description="Port on which the server listens, at all IP addresses. 0: any free port, which is printed at "
        "startup.",
        examples=["8890"],
    )
    base_url: AtRunTime[PublicUrl | None] = Field(
        None,
        description="Public address of this server. Links to images begin with it. Unset: the address that the client "
        "used.",
        examples=["https://images.example.com"],
    )
    trusted_proxies: TrustedProxies = Field(
        (),
        description="Networks of reverse proxies whose X-Forwarded-* headers are trusted, comma-separated; `unix` for "
        "those that connect to a unix socket. Unset: the headers are ignored.",
        examples=["127.0.0.1,10.0.0.0/8"],
    )
    cors_origins: Origins = Field(
        (),
        description="Origins of web pages that may call the API from a browser, comma-separated; `*` allows all. "
        "Unset: no origin is allowed.",
        examples=["https://chat.example.com"],
    )

    # Access
    api_auth_token: Secret | None = Field(
        None,
        description="Key that clients send. Unset: one is generated and stored in DATA_DIR/client_key.",
        examples=["sk-…"],
    )
    admin_key: Secret | None = Field(
        None,
        description="Key of the operator, with 16 characters or more. It is also accepted from clients. Unset: one is "
        "generated and stored in DATA_DIR/admin_key.",
        examples=["sk-…"],
    )
    client_keys: ClientKeys = Field(
        (),
        description="Additional client keys: a JSON list of objects with `key`, `name` and `weight` (the key's "
        "share of the queue). Unset: no additional keys.",
        examples=['[{"key": "sk-…", "name": "open-webui", "weight": 2}]'],
    )
