"""The types of the settings' values, and how each is read from a line of text. Errors state which values are valid."""

import contextlib
import ipaddress
import re
import socket
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import unquote, urlsplit

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    SecretStr,
    WithJsonSchema,
)
from pydantic_settings import NoDecode

from sora_proxy.settings.accounts import Proxy
from sora_proxy.settings.listening import authority, plain_addresses
from sora_proxy.settings.secret_kinds import Secret, Token, without_hidden

ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[a-z0-9.\[\]:_-]+")
HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, section 5.6.2
OUR_HEADERS = {"content-length", "transfer-encoding"}
LOGIN_HEADER = "authorization"  # reserved, because it contains the token of a key
HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")  # optionally with a port
# The proxy always resolves host names: `socks5` means what other programs call `socks5h`.
PROXY_SCHEMES = {"http": "http", "https": "https", "socks5": "socks5h", "socks5h": "socks5h"}
PROXY_EXAMPLE = "socks5://user:password@proxy.example.com:1080,direct"
SOCKS_CREDENTIALS = range(1, 128)  # the lengths in bytes that the SOCKS library can send
UNIX_PEER = "unix"  # the address of every client of a unix socket
MAX_MODEL_NAME = 200  # characters
T = TypeVar("T")


def _json(value: Any) -> Any:
    if not isinstance(value, str | bytes):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"is not valid JSON ({error})") from None


def _json_list(value: Any) -> Any:
    value = _json(value)
    if not isinstance(value, list | tuple):
        raise ValueError("must be a JSON list, in square brackets")  # noqa: TRY004
    return value


def _comma_separated(value: Any) -> Any:
    return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


def _aliases(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    pairs = [[side.strip() for side in pair.split("=")] for pair in _comma_separated(value)]
    if any(len(pair) != 2 or not all(pair) for pair in pairs):
        raise ValueError("must be a list like dall-e-3=sora-image,gpt-image-*=sora-image")
    return dict(pairs)


def _http_url(value: str) -> str:
    parts = urlsplit(value)  # this silently drops newlines, and checks the port only when `port` is read
    plain = value.isprintable() and " " not in value and parts.port != 0
    named = parts.scheme in ("http", "https") and parts.hostname
    if not plain or not named or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(
            "must begin with http:// or https://, like https://images.example.com, without user, query or fragment"
        )
    return value.rstrip("/")


def _public_url(value: str) -> str:
    if _is_unspecified(urlsplit(value).hostname or ""):
        raise ValueError("is an address to listen on. Leave it unset, or set it to the address that clients use")
    return value


def _is_unspecified(host: str) -> bool:
    """Whether a host is 0.0.0.0 or ::, in any notation that programs accept."""
    try:
        return socket.inet_aton(host) == bytes(4)  # accepts 0 and 0x0, too
    except OSError:
        with contextlib.suppress(ValueError):
            return ipaddress.ip_address(host).is_unspecified
        return False


def _origins(value: tuple[str, ...]) -> tuple[str, ...]:
    """Origins as browsers send them: scheme, host and optionally a port, in lower case."""
    origins = tuple(origin.rstrip("/").lower() for origin in value)
    if not all(origin == "*" or ORIGIN.fullmatch(origin) for origin in origins):
        raise ValueError("must be origins like https://chat.example.com, or `*`")
    return origins


def _hosts(value: tuple[str, ...]) -> tuple[str, ...]:
    if not all(HOST.fullmatch(host) for host in value):
        raise ValueError("must be hosts like media.local or 10.0.0.7:8080, with IPv6 addresses in brackets")
    return value


def _trusted_proxy(value: Any) -> Any:
    try:
        return ipaddress.ip_network(value, strict=False) if isinstance(value, str) and value != UNIX_PEER else value
    except ValueError:
        raise ValueError("is not a network like 10.0.0.0/8, and not `unix`") from None


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("must be printable text on one line")
    return value


def _headers(value: dict[str, str]) -> dict[str, str]:
    for name, text in value.items():
        if name.lower() in OUR_HEADERS or not HEADER_NAME.fullmatch(name):
            raise ValueError(f"contains the header {name[:40]!r}, which can't be set here")
        if not (text.isascii() and text.isprintable() and text == text.strip()):
            raise ValueError(f"the value of {name[:40]!r} must be printable ASCII text without spaces around it")
    return value


def _without_login(value: dict[str, str]) -> dict[str, str]:
    for name in value:
        if name.lower() == LOGIN_HEADER:
            raise ValueError(f"contains the header {name!r}, which can't be set here")
    return value


def _servers(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise ValueError("must contain at least one server")
    if len(set(value)) < len(value):
        raise ValueError("contains the same server twice")
    return value


def _proxies(value: Any) -> Any:
    if isinstance(value, tuple):
        return value
    if not isinstance(value, str):
        raise ValueError("must be a string: `direct` or addresses of proxies, comma-separated")  # noqa: TRY004
    return tuple(_proxy(item) for item in _comma_separated(value))


def _proxy(address: str) -> Proxy | None:
    """The proxy at an address, or None for `direct`. No error repeats the address, which may contain a password."""
    if address == "direct":
        return None
    try:
        parts = urlsplit(address)
        scheme, host, port = PROXY_SCHEMES[parts.scheme], parts.hostname, parts.port
    except (ValueError, KeyError):
        host = port = None
    plain = address.isprintable() and " " not in address
    if not (plain and host and port) or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"must be `direct` or addresses with a port, like {PROXY_EXAMPLE}")
    user, password = (unquote(part) if part else None for part in (parts.username, parts.password))
    if scheme == "socks5h" and (user or password):
        _check_socks_credentials(user, password)
    return Proxy(f"{scheme}://{authority(host, port)}", user, SecretStr(password) if password else None)


def _check_socks_credentials(*credentials: str | None) -> None:
    if any(len((text or "").encode()) not in SOCKS_CREDENTIALS for text in credentials):
        raise ValueError("must have a user and a password of 1 to 127 bytes each, or neither, for a SOCKS5 proxy")


AT_RUN_TIME = "operators may change it while the server is running"
AtRunTime = Annotated[T, AT_RUN_TIME]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
PublicUrl = Annotated[HttpUrl, AfterValidator(_public_url)]
Servers = Annotated[tuple[HttpUrl, ...], NoDecode, BeforeValidator(_comma_separated), AfterValidator(_servers)]
TrustedProxy = Annotated[
    ipaddress.IPv4Network | ipaddress.IPv6Network | Literal["unix"], BeforeValidator(_trusted_proxy)
]
TrustedProxies = Annotated[tuple[TrustedProxy, ...], NoDecode, BeforeValidator(_comma_separated)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_separated)]
Hosts = Annotated[Names, AfterValidator(_hosts)]
ListenAddresses = Annotated[Names, AfterValidator(plain_addresses)]
Aliases = Annotated[dict[str, str], NoDecode, BeforeValidator(_aliases)]
Origins = Annotated[Names, AfterValidator(_origins)]
Text = Annotated[str, Field(min_length=8, max_length=400)]  # a shorter prefix would match too many prompts
Texts = Annotated[tuple[Text, ...], NoDecode, BeforeValidator(_json_list)]
LoginHeaders = Annotated[dict[str, str], AfterValidator(without_hidden), AfterValidator(_headers)]
LoginHeadersText = Annotated[LoginHeaders, NoDecode, BeforeValidator(_json)]
Headers = Annotated[LoginHeaders, AfterValidator(_without_login)]
HeadersText = Annotated[Headers, NoDecode, BeforeValidator(_json)]
Proxies = Annotated[
    tuple[InstanceOf[Proxy] | None, ...], NoDecode, BeforeValidator(_proxies), WithJsonSchema({"type": "string"})
]
ModelName = Annotated[str, Field(min_length=1, max_length=MAX_MODEL_NAME), AfterValidator(_printable)]
HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:\-\[\]]+$")]


class UpstreamKey(BaseModel):
    """One upstream account. `key` is empty if the back end needs no key.

    `weight` is the key's share of the orders. `max_rpm` limits the submits in any 60 seconds, and `max_concurrent` the
    tasks at once (unset: the limit is learned from the back end's refusals). `proxy` lists the key's egresses in order
    of preference (unset: the egresses of the server). `base_url` and `headers` are for the calls with this key.
    `models` lists the models for which the key is used, by the back end's own names (empty: all). `region` is the
    region of an account that has one, and `notes` is free text.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: Token = SecretStr("")
    weight: float = Field(1.0, gt=0, le=1000)
    max_rpm: int = Field(60, ge=1, le=10_000)
    max_concurrent: int | None = Field(None, ge=1, le=10_000)
    name: str | None = Field(None, min_length=1, max_length=40, pattern=r"^[\w .:@-]+$")
    proxy: Proxies = ()
    enabled: bool = True
    notes: Annotated[str, Field(max_length=500), AfterValidator(_printable)] | None = None
    base_url: HttpUrl | None = None
    headers: Headers = {}
    models: tuple[ModelName, ...] = ()
    region: str | None = Field(None, pattern=r"^[\w.-]{1,40}$")

    @property
    def token(self) -> str:
        return self.key.get_secret_value()

    @property
    def secrets(self) -> list[str]:
        """The texts that must not be logged: the token, the passwords of its proxies, and the values of headers."""
        passwords = [proxy.password.get_secret_value() for proxy in self.proxy if proxy and proxy.password]
        return [*filter(None, [self.token]), *passwords, *self.headers.values()]

    def record(self) -> dict[str, Any]:
        """The fields of the key as in a key file, secrets included."""
        token = {"key": self.token} if self.token else {}
        fields = {name: getattr(self, name) for name in UpstreamKey.model_fields if name != "key"}
        proxy = ",".join(proxy.address if proxy else "direct" for proxy in self.proxy)
        return token | fields | {"proxy": proxy}


class ClientKey(BaseModel):
    """The key of one client. `weight` is its share of the upstream keys while orders of several clients are waiting."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: Annotated[Secret, Field(min_length=8)]
    name: str = Field(min_length=1, max_length=40, pattern=r"^[\w .@-]+$")
    weight: float = Field(1.0, ge=0.01, le=1000)

    @property
    def token(self) -> str:
        return self.key.get_secret_value()


K = TypeVar("K", UpstreamKey, ClientKey)


def _unique(keys: tuple[K, ...]) -> tuple[K, ...]:
    if len({key.token for key in keys}) < len(keys):
        raise ValueError("contains the same key twice")
    return keys


def _with_tokens(keys: tuple[UpstreamKey, ...]) -> tuple[UpstreamKey, ...]:
    if not all(key.token for key in keys):
        raise ValueError("contains an entry without a key")
    return keys


def _named(keys: tuple[UpstreamKey, ...]) -> tuple[UpstreamKey, ...]:
    if len({key.name or key.token for key in keys}) < len(keys):
        raise ValueError("contains the same key twice")
    return keys


KeyEntries = Annotated[tuple[UpstreamKey, ...], NoDecode, BeforeValidator(_json_list), AfterValidator(_named)]
UpstreamKeys = Annotated[KeyEntries, AfterValidator(_unique), AfterValidator(_with_tokens)]
ClientKeys = Annotated[tuple[ClientKey, ...], NoDecode, BeforeValidator(_json_list), AfterValidator(_unique)]
KEY_EXAMPLE = '[{"key": "Bearer eyJ…", "weight": 1, "max_rpm": 60}]'
