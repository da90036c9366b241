"""The options of back ends: which are used, how they are reached, and how orders are handled there."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from sora_proxy.settings.access_options import AccessSettings
from sora_proxy.settings.backends import BACKENDS_EXAMPLE, BackendConfigs
from sora_proxy.settings.kinds import (
    KEY_EXAMPLE,
    PROXY_EXAMPLE,
    Aliases,
    AtRunTime,
    HeadersText,
    HostName,
    Hosts,
    HttpUrl,
    LoginHeadersText,
    Names,
    Proxies,
    Servers,
    UpstreamKeys,
)


class BackendSettings(AccessSettings):
    """The options of back ends, in addition to those of access."""

    # The back end
    upstream: str = Field(
        "auto",
        description="Kind of the back end: `openai` (a server with OpenAI's Images API), `comfyui`, `sora`, "
        "`simulator` (built in), or `auto`: comfyui if COMFYUI_URL is set, sora if SORA_BASE_URL, "
        "API_KEYS or KEYS_STORAGE_FILE is set or an upstream key is stored, else the simulator.",
        examples=["auto"],
    )
    backends: BackendConfigs = Field(
        (),
        description="Several back ends: a JSON list, or the name of a file that contains one. Can't be combined "
        "with UPSTREAM, COMFYUI_URL, SORA_BASE_URL, API_KEYS or KEYS_STORAGE_FILE. Unset: the one back "
        "end that UPSTREAM chooses.",
        examples=[BACKENDS_EXAMPLE],
    )
    default_model: str | None = Field(
        None,
        description="Model for requests that name none, and for requests with OpenAI's model names. Unset: the "
        "first model of the first back end; requests with OpenAI's names get the image model that this back end "
        "prefers.",
        examples=["sora-image"],
    )
    openai_base_url: HttpUrl = Field(
        "https://api.openai.com/v1",
        description="Address of the server that UPSTREAM=openai uses, including the path before `/images/generations`.",
        examples=["http://localhost:8080/v1"],
    )
    openai_api_key: SecretStr | None = Field(
        None,
        description="Key for the server that UPSTREAM=openai uses. Unset: no key is sent, and OPENAI_BASE_URL must be "
        "set.",
        examples=["sk-…"],
    )
    openai_models: Names = Field(
        (),
        description="Models of the server that UPSTREAM=openai uses, comma-separated. Unset: all models that the "
        "server lists.",
        examples=["gpt-image-2,dall-e-3"],
    )
    openai_profile: str | None = Field(
        None,
        description="Kind of the server that UPSTREAM=openai uses, see docs/openai-images.md. Unset: derived from "
        "the host of OPENAI_BASE_URL.",
        examples=["stable-diffusion.cpp"],
    )
    comfyui_url: Servers = Field(
        ("http://127.0.0.1:8188",),
        description="Addresses of the ComfyUI servers, comma-separated. Each server gets one order at a time. See "
        "docs/comfyui.md.",
        examples=["http://10.0.0.5:8188,http://10.0.0.6:8188"],
    )
    comfyui_extra_headers: LoginHeadersText = Field(
        {},
        description="Additional headers for the servers of COMFYUI_URL, a JSON object. `Authorization` is allowed, "
        "for a proxy that requires a login. Unset: no additional headers.",
        examples=['{"Authorization": "Basic dXNlcjpwYXNzd29yZA=="}'],
    )
    workflows_dir: Path = Field(
        Path("config/workflows"),
        description="Folder of ComfyUI workflows. Each workflow consists of NAME.json and NAME.map.json. An edit takes "
        "effect within ten seconds. If the option is set, the folder must exist.",
        examples=["config/workflows"],
    )
    sora_base_url: HttpUrl = Field(
        "https://sora.chatgpt.com",
        description="Address of the server that speaks Sora's web protocol.",
        examples=["https://sora.example.com"],
    )
    sora_extra_headers: HeadersText = Field(
        {},
        description="Additional headers for the server of SORA_BASE_URL, a JSON object. Unset: no additional headers.",
        examples=['{"oai-device-id": "…"}'],
    )
    api_keys: UpstreamKeys = Field(
        (),
        description="Upstream keys of the back end `sora`, a JSON list. Unset: those of KEYS_STORAGE_FILE.",
        examples=[KEY_EXAMPLE],
    )
    keys_storage_file: Path = Field(
        Path("api_keys.json"),
        description="File with upstream keys, in the format of API_KEYS. It is not read if API_KEYS is set. An edit "
        "takes effect within seconds. If the option is set, the file must exist.",
        examples=["api_keys.json"],
    )
    proxies: AtRunTime[Proxies] = Field(
        (),
        description="Egresses to back ends, comma-separated: `direct`, or HTTP, HTTPS or SOCKS5 proxies. The first "
        "egress that is not cooling down is used. Unset: PROXY_HOST, else a direct connection.",
        examples=[PROXY_EXAMPLE],
    )
    proxy_host: HostName | None = Field(
        None,
        description="Host of an HTTP proxy, which is then the only egress. Ignored if PROXIES is set. Unset: no proxy.",
        examples=["127.0.0.1"],
    )
    proxy_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="Port of the proxy that PROXY_HOST names. It must be set if PROXY_HOST is set.",
        examples=["7890"],
    )
    proxy_user: str | None = Field(
        None, description="User name for the proxy that PROXY_HOST names. Unset: no login.", examples=["user"]
    )
    proxy_pass: SecretStr | None = Field(
        None, description="Password for the proxy that PROXY_HOST names. Unset: an empty password.", examples=["…"]
    )
    poll_interval: float = Field(
        1.0, ge=0.05, le=60, description="Time between two polls with an upstream key, in seconds.", examples=["1.0"]
    )
    submit_timeout: float = Field(
        30.0, gt=0, le=600, description="Timeout of the call that submits an order, in seconds.", examples=["30"]
    )
    poll_timeout: float = Field(20.0, gt=0, le=600, description="Timeout of a poll, in seconds.", examples=["20"])
    upload_timeout: float = Field(
        60.0,
        gt=0,
        le=3600,
        description="Timeout of the upload of a reference image to the back end, in seconds.",
        examples=["60"],
    )
    download_timeout: float = Field(
        120.0,
        gt=0,
        le=3600,
        description="Timeout of the download of a finished image from the back end, in seconds.",
        examples=["120"],
    )
    result_allow: Hosts = Field(
        (),
        description="Private hosts from which results may be fetched, besides the host of SORA_BASE_URL: host or "
        "host:port, comma-separated. Unset: no other private host.",
        examples=["media.local:8080,10.0.0.7"],
    )
    settle_time: float = Field(
        20.0,
        ge=0,
        le=600,
        description="How long to keep searching the back end for an order whose outcome is unknown, in seconds. It "
        "must be longer than the back end takes to list a new task.",
        examples=["20"],
    )
    on_unknown: Literal["auto", "requeue", "fail"] = Field(
        "auto",
        description="What happens to an order whose outcome is unknown, unless a search finds it: `auto` sends it "
        "again only if the search proved that the back end does not have it, `requeue` sends it again even if no "
        "search is possible, and `fail` never sends it again.",
        examples=["auto"],
    )
    on_lost: Literal["fail", "requeue"] = Field(
        "fail",
        description="What happens to an order that the back end accepted and lost: `fail` ends it, `requeue` sends it "
        "again.",
        examples=["fail"],
    )
    generation_timeout: float = Field(
        1800.0,
        gt=0,
        le=86400,
        description="How long clients wait for an order that the back end accepted, in seconds. Then they get 504, "
        "and the order continues.",
        examples=["1800"],
    )
    give_up_after: float = Field(
        21_600.0,
        gt=0,
        le=604_800,
        description="How long the back end may take for an order that it accepted, in seconds. Then the order fails.",
        examples=["21600"],
    )
    model_aliases: Aliases | None = Field(
        None,
        description="Aliases for models: NAME=MODEL, comma-separated; `*` in a name matches any text. Unset: "
        "gpt-image-1, gpt-image-1-mini, gpt-image-1.5, gpt-image-2, chatgpt-image-latest, dall-e-2, "
        "dall-e-3 and gpt-image-* are aliases for DEFAULT_MODEL or, if that is unset, for the image model that "
        "the first back end prefers.",
        examples=["dall-e-3=sora-image"],
    )
    max_images_per_day: int | None = Field(
        None,
        ge=1,
        description="How many images may be ordered per UTC day, across all back ends. Further orders get "
        "429. `max_images_per_day` in the `options` of a back end is an additional cap for that back "
        "end. Unset: no cap.",
        examples=["500"],
    )
    simulator_seconds: float = Field(
        8.0,
        gt=0,
        le=3600,
        description="Time that the built-in simulator takes for an image, in seconds.",
        examples=["8"],
    )
