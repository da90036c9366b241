"""Settings: every option, its default, its check. `reading.py` reads them once, at the start.

Sources, the first one wins: the environment, `.env`, `config/sora_proxy.env`, the defaults. Durations are seconds.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from sora_proxy.settings.backends import BACKENDS_EXAMPLE, BackendConfigs
from sora_proxy.settings.kinds import (
    KEY_EXAMPLE,
    PROXY_EXAMPLE,
    Aliases,
    AtRunTime,
    ClientKeys,
    Headers,
    HostName,
    Hosts,
    HttpUrl,
    Names,
    Networks,
    Origins,
    Proxies,
    PublicUrl,
    Secret,
    Texts,
    UpstreamKeys,
    WebhookSecret,
)

SETTINGS_FILES = ("config/sora_proxy.env", ".env")


class Settings(BaseSettings):
    """All options. The description of each is the one line that `config/` and the README give it."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_file=SETTINGS_FILES, env_file_encoding="utf-8", env_ignore_empty=True
    )

    # Where we listen, and what we call ourselves
    api_host: HostName = Field("0.0.0.0", description="Address to listen on.", examples=["127.0.0.1"])  # noqa: S104
    api_port: int = Field(
        8890,
        ge=0,
        le=65535,
        description="Port to listen on. 0: any free port, which is shown at the start.",
        examples=["8890"],
    )
    base_url: AtRunTime[PublicUrl | None] = Field(
        None,
        description="Public address of this server, for the links to images. Unset: the address the client used.",
        examples=["https://images.example.com"],
    )
    trusted_proxies: Networks = Field(
        (),
        description="Networks of reverse proxies whose X-Forwarded-* headers are believed, comma-separated.",
        examples=["127.0.0.1,10.0.0.0/8"],
    )
    cors_origins: Origins = Field(
        (),
        description="Origins of browser clients that may call the API, comma-separated; `*` is all.",
        examples=["https://chat.example.com"],
    )

    # Access
    api_auth_token: Secret | None = Field(
        None, description="The key that clients send. Unset: they use the admin key.", examples=["sk-…"]
    )
    admin_key: Secret | None = Field(
        None,
        description="The operator's key, of 16 characters or more. Unset: one is generated, kept in DATA_DIR/admin_key "
        "and shown once.",
        examples=["sk-…"],
    )
    client_keys: ClientKeys = Field(
        (),
        description="More keys that clients may send, a JSON list: `key`, `name`, `weight` of its share of the queue.",
        examples=['[{"key": "sk-…", "name": "open-webui", "weight": 2}]'],
    )

    # The back end
    upstream: str = Field(
        "auto",
        description="`sora`, `simulator` (built in), or `auto`: sora if SORA_BASE_URL, API_KEYS or KEYS_STORAGE_FILE "
        "is set or a key exists, else the simulator.",
        examples=["auto"],
    )
    backends: BackendConfigs = Field(
        (),
        description="Several back ends, a JSON list or the name of a file that holds one. Instead of UPSTREAM, "
        "SORA_BASE_URL, API_KEYS and KEYS_STORAGE_FILE.",
        examples=[BACKENDS_EXAMPLE],
    )
    default_model: str | None = Field(
        None,
        description="The model of requests that name none, and of OpenAI's names. Unset: the first one.",
        examples=["sora-image"],
    )
    sora_base_url: HttpUrl = Field(
        "https://sora.chatgpt.com",
        description="The server that speaks Sora's web protocol.",
        examples=["https://sora.example.com"],
    )
    sora_extra_headers: Headers = Field(
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
    simulator_seconds: float = Field(
        8.0, gt=0, le=3600, description="How long the built-in simulator takes for an image.", examples=["8"]
    )

    # The queue and the answers
    max_queue: int = Field(1000, ge=1, le=100_000, description="Orders that may wait for a key.", examples=["1000"])
    max_queue_per_client: int = Field(
        500, ge=1, le=100_000, description="Of them, orders of one client key.", examples=["500"]
    )
    max_queue_wait: float = Field(
        120.0,
        gt=0,
        le=86400,
        description="Beyond this expected wait, new orders are refused with 429. An order that the back end can't take "
        "is offered again for as long, but at most for a minute.",
        examples=["120"],
    )
    queue_timeout: float = Field(
        900.0,
        gt=0,
        le=604_800,
        description="The longest an accepted order waits for a key all the same; then it fails.",
        examples=["900"],
    )
    sync_wait: float = Field(
        120.0,
        ge=0,
        le=3600,
        description='How long a request without `stream` waits for its image before it answers "processing".',
        examples=["120"],
    )
    image_wait: float = Field(
        600.0,
        gt=0,
        le=3600,
        description="How long a request to `/v1/images` waits before it is answered with 504 and the id.",
        examples=["600"],
    )
    side_calls: bool = Field(
        True,
        description="Answer what chat programs ask for themselves (titles, tags, follow-ups) here, without an image.",
        examples=["True"],
    )
    side_call_prompts: Texts = Field(
        (), description="More beginnings of such questions, a JSON list.", examples=['["Suggest a name for this chat"]']
    )
    progress_style: Literal["reasoning", "think", "none"] = Field(
        "reasoning",
        description="Progress in streams: `reasoning_content`, a `<think>` block in the text, or none.",
        examples=["reasoning"],
    )
    on_abandon: Literal["keep", "cancel"] = Field(
        "keep",
        description="What becomes of an order whose last waiting client left: `keep` it, or `cancel` it.",
        examples=["keep"],
    )
    abandon_grace: float = Field(
        10.0, ge=0, le=3600, description="How long such a client has to come back.", examples=["10"]
    )
    keepalive_after: float = Field(
        45.0,
        ge=0,
        le=3600,
        description="How long a request without `stream` is kept without a status; then come 200 and heartbeats.",
        examples=["45"],
    )
    heartbeat_interval: float = Field(
        10.0,
        ge=0.05,
        le=60,
        description="Seconds of silence on a stream, or after KEEPALIVE_AFTER, before a heartbeat.",
        examples=["10"],
    )

    # Images and data
    data_dir: Path = Field(
        Path("data"), description="Folder of the database, generated keys and images.", examples=["/data"]
    )
    database_url: str | None = Field(
        None,
        pattern=r"^sqlite:///.+",
        description="Where the database is. Unset: sora_proxy.db in DATA_DIR.",
        examples=["sqlite:////data/sora_proxy.db"],
    )
    static_dir: Path | None = Field(
        None, description="Kept from the older service: images go to STATIC_DIR/images.", examples=["static"]
    )
    image_save_dir: Path | None = Field(
        None, description="Folder of the images. Unset: `images` in DATA_DIR.", examples=["/data/images"]
    )
    image_localization: AtRunTime[bool | None] = Field(
        None,
        description="Keep the images and link them. Off: the upstream's links. Unset: on with the simulator.",
        examples=["True"],
    )
    image_input: Literal["public", "off"] = Field(
        "public",
        description="Reference images by http(s) address: from `public` addresses only, or `off`.",
        examples=["public"],
    )
    image_input_allow: Names = Field(
        (),
        description="Hosts that may be fetched from although they are not public: host or host:port, comma-separated.",
        examples=["nas.local:8080"],
    )
    retention_days: float = Field(
        30.0,
        ge=0,
        le=36500,
        description="Days that ended orders and their images are kept; 0: for ever.",
        examples=["30"],
    )
    retention_count: int = Field(
        100_000, ge=0, description="How many ended orders are kept, the newest; 0: all.", examples=["100000"]
    )

    # Webhooks
    webhook_allow: Names = Field(
        (),
        description="Hosts that webhooks may go to, host or host:port, comma-separated; `*`: any public one, by https.",
        examples=["hooks.example.com,*"],
    )
    webhook_secret: WebhookSecret | None = Field(
        None,
        description="Signs webhooks: `whsec_` and base64. Unset: one is generated and kept in DATA_DIR/webhook_secret.",
        examples=["whsec_cmVwbGFjZS1tZS13aXRoLTI0LWJ5dGVz"],
    )

    # Running it
    shutdown_grace: float = Field(
        25.0,
        ge=0,
        le=3600,
        description="The longest a stop may take. Keep it below the orchestrator's.",
        examples=["25"],
    )
    verbose_logging: AtRunTime[bool] = Field(False, description="Log more, prompts included.", examples=["False"])
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="`json` lines, coloured `console` text, or `auto`: text on a terminal.", examples=["json"]
    )
