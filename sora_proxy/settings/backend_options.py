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
        description="`openai` (a server with OpenAI's Images API), `comfyui`, `sora`, `simulator` (built in), or "
        "`auto`: comfyui if COMFYUI_URL is set, sora if SORA_BASE_URL, API_KEYS or KEYS_STORAGE_FILE is set or a key "
        "exists, else the simulator.",
        examples=["auto"],
    )
    backends: BackendConfigs = Field(
        (),
        description="Several back ends, a JSON list or the name of a file that holds one. Instead of UPSTREAM, "
        "COMFYUI_URL, SORA_BASE_URL, API_KEYS and KEYS_STORAGE_FILE.",
        examples=[BACKENDS_EXAMPLE],
    )
    default_model: str | None = Field(
        None,
        description="The model of requests that name none, and of OpenAI's names. Unset: the first one.",
        examples=["sora-image"],
    )
    openai_base_url: HttpUrl = Field(
        "https://api.openai.com/v1",
        description="With UPSTREAM=openai: the server, with the path before `/images/generations`.",
        examples=["http://localhost:8080/v1"],
    )
    openai_api_key: SecretStr | None = Field(
        None, description="With UPSTREAM=openai: its key. Not used otherwise.", examples=["sk-…"]
    )
    openai_models: Names = Field(
        (),
        description="With UPSTREAM=openai: the models to serve, comma-separated. Unset: those that the server lists.",
        examples=["gpt-image-2,dall-e-3"],
    )
    openai_profile: str | None = Field(
        None,
        description="With UPSTREAM=openai: the kind of server, see docs/openai-images.md. Unset: by its host.",
        examples=["stable-diffusion.cpp"],
    )
    comfyui_url: Servers = Field(
        ("http://127.0.0.1:8188",),
        description="The ComfyUI servers, comma-separated, each with one order at a time. See docs/comfyui.md.",
        examples=["http://10.0.0.5:8188,http://10.0.0.6:8188"],
    )
    comfyui_extra_headers: LoginHeadersText = Field(
        {},
        description="More headers for them, a JSON object; `Authorization` too, for a proxy in front that asks for a "
        "login.",
        examples=['{"Authorization": "Basic dXNlcjpwYXNzd29yZA=="}'],
    )
    workflows_dir: Path = Field(
        Path("config/workflows"),
        description="Folder of ComfyUI workflows, NAME.json with NAME.map.json. An edit takes effect at once. A folder "
        "that is set must exist.",
        examples=["config/workflows"],
    )
    sora_base_url: HttpUrl = Field(
        "https://sora.chatgpt.com",
        description="The server that speaks Sora's web protocol.",
        examples=["https://sora.example.com"],
    )
    sora_extra_headers: HeadersText = Field(
        {}, description="More headers for that server, a JSON object.", examples=['{"oai-device-id": "…"}']
    )
    api_keys: UpstreamKeys = Field(
        (), description="The upstream keys, a JSON list. Wins over KEYS_STORAGE_FILE.", examples=[KEY_EXAMPLE]
    )
    keys_storage_file: Path = Field(
        Path("api_keys.json"),
        description="File with the upstream keys, in the same format. An edit takes effect at once. A file that is set "
        "must exist.",
        examples=["api_keys.json"],
    )
    proxies: AtRunTime[Proxies] = Field(
        (),
        description="Egresses, comma-separated: `direct` or HTTP, HTTPS, SOCKS5 proxies; the first that works is used. "
        "Wins over PROXY_HOST.",
        examples=[PROXY_EXAMPLE],
    )
    proxy_host: HostName | None = Field(
        None, description="An HTTP proxy as the only egress, in the older service's form.", examples=["127.0.0.1"]
    )
    proxy_port: int | None = Field(None, ge=1, le=65535, description="Its port.", examples=["7890"])
    proxy_user: str | None = Field(None, description="Its user name.", examples=["user"])
    proxy_pass: SecretStr | None = Field(None, description="Its password.", examples=["…"])
    poll_interval: float = Field(
        1.0, ge=0.05, le=60, description="Seconds between two list calls of a key.", examples=["1.0"]
    )
    submit_timeout: float = Field(
        30.0, gt=0, le=600, description="The longest time for placing an order, all in all.", examples=["30"]
    )
    poll_timeout: float = Field(20.0, gt=0, le=600, description="The same for a list call.", examples=["20"])
    upload_timeout: float = Field(
        60.0, gt=0, le=3600, description="The same for sending a reference image.", examples=["60"]
    )
    download_timeout: float = Field(
        120.0, gt=0, le=3600, description="The same for fetching a finished image.", examples=["120"]
    )
    result_allow: Hosts = Field(
        (),
        description="Private hosts that may hold results, beside SORA_BASE_URL's: host or host:port, comma-separated.",
        examples=["media.local:8080,10.0.0.7"],
    )
    settle_time: float = Field(
        20.0,
        ge=0,
        le=600,
        description="How long to look upstream for an order of unknown outcome. Must exceed the list lag there.",
        examples=["20"],
    )
    on_unknown: Literal["auto", "requeue", "fail"] = Field(
        "auto",
        description="What to do with an order of unknown outcome: `auto` sends it again if a search proved that the "
        "back end does not have it, `requeue` also where nothing can be searched, `fail` never.",
        examples=["auto"],
    )
    on_lost: Literal["fail", "requeue"] = Field(
        "fail",
        description="What to do with an order that the back end took and lost: `fail`, or `requeue`, which sends it "
        "again.",
        examples=["fail"],
    )
    generation_timeout: float = Field(
        1800.0,
        gt=0,
        le=86400,
        description="How long clients wait for an order that the back end took. Then they get 504, and it continues.",
        examples=["1800"],
    )
    give_up_after: float = Field(
        21_600.0, gt=0, le=604_800, description="The longest time such an order may take.", examples=["21600"]
    )
    model_aliases: Aliases | None = Field(
        None,
        description="Other names of the models, comma-separated NAME=MODEL; `*` stands for any text. Unset: "
        "gpt-image-1, gpt-image-1-mini, gpt-image-1.5, gpt-image-2, chatgpt-image-latest, dall-e-2, dall-e-3 and "
        "gpt-image-* for the image model.",
        examples=["dall-e-3=sora-image"],
    )
    max_images_per_day: int | None = Field(
        None,
        ge=1,
        description="Images that may be ordered on a UTC day, at all back ends together; then 429. A cap of one back "
        "end is `max_images_per_day` in its `options`.",
        examples=["500"],
    )
    simulator_seconds: float = Field(
        8.0, gt=0, le=3600, description="How long the built-in simulator takes for an image.", examples=["8"]
    )
