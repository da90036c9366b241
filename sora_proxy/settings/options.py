"""Settings: every option with its default and its check. `reading.py` reads them once, at startup.

The first source that has an option wins: the environment, `.env`, `config/sora_proxy.env`, the defaults. Durations are
in seconds.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from sora_proxy.settings.backend_options import BackendSettings
from sora_proxy.settings.kinds import AtRunTime, Names, Texts
from sora_proxy.settings.secret_kinds import WebhookSecret

SETTINGS_FILES = ("config/sora_proxy.env", ".env")


class Settings(BackendSettings):
    """All options; those of access and back ends are in the base classes. The documents quote each description."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_file=SETTINGS_FILES, env_file_encoding="utf-8", env_ignore_empty=True
    )

    # The queue and the answers
    max_queue: int = Field(
        1000,
        ge=1,
        le=100_000,
        description="How many orders may wait for a key. Further orders get 429.",
        examples=["1000"],
    )
    max_queue_per_client: int = Field(
        500,
        ge=1,
        le=100_000,
        description="How many orders of one client key may wait for a key. Further orders get 429.",
        examples=["500"],
    )
    max_queue_wait: float | None = Field(
        None,
        gt=0,
        le=86400,
        description="Longest expected wait for a key, in seconds. Orders that would wait longer get 429. An order "
        "that the back end refuses temporarily is offered again for up to this time, but for at most one minute. "
        "Unset: QUEUE_TIMEOUT for servers that make one image at a time, such as ComfyUI, and 120 for other back "
        "ends.",
        examples=["120"],
    )
    queue_timeout: float = Field(
        900.0,
        gt=0,
        le=604_800,
        description="How long an accepted order may wait for a key, in seconds. Then it fails.",
        examples=["900"],
    )
    sync_wait: float = Field(
        120.0,
        ge=0,
        le=3600,
        description="How long a request without `stream` waits for its image, in seconds. Then it is answered with "
        '"processing".',
        examples=["120"],
    )
    image_wait: float = Field(
        600.0,
        gt=0,
        le=3600,
        description="How long a request to `/v1/images` waits for its images, in seconds. Then it is answered with "
        "504 and the id of the order.",
        examples=["600"],
    )
    side_calls: bool = Field(
        True,
        description="Whether requests that chat programs make for their own use (titles, tags, follow-ups) are "
        "answered by this server, without an image.",
        examples=["True"],
    )
    side_call_prompts: Texts = Field(
        (),
        description="Additional prompt prefixes by which SIDE_CALLS recognizes the programs' own requests, a JSON "
        "list. Unset: only the built-in ones.",
        examples=['["Suggest a name for this chat"]'],
    )
    progress_style: Literal["reasoning", "think", "none"] = Field(
        "reasoning",
        description="How streams show progress: `reasoning` in `reasoning_content`, `think` in a `<think>` block of "
        "the text, or `none`.",
        examples=["reasoning"],
    )
    on_abandon: Literal["keep", "cancel"] = Field(
        "keep",
        description="What happens to an order when its last waiting client has disconnected: `keep` continues it, "
        "`cancel` cancels it.",
        examples=["keep"],
    )
    abandon_grace: float = Field(
        10.0,
        ge=0,
        le=3600,
        description="How long a client that has disconnected may take to return before ON_ABANDON=cancel takes "
        "effect, in seconds.",
        examples=["10"],
    )
    keepalive_after: float = Field(
        45.0,
        ge=0,
        le=3600,
        description="How long a request without `stream` may wait before the status 200 is sent, in seconds. From "
        "then on, heartbeats keep the connection open until the answer.",
        examples=["45"],
    )
    heartbeat_interval: float = Field(
        10.0,
        ge=0.05,
        le=60,
        description="How long a stream may be silent before it gets a heartbeat, in seconds. The same applies to an "
        "answer whose connection KEEPALIVE_AFTER keeps open.",
        examples=["10"],
    )

    # Images and data
    data_dir: Path = Field(
        Path("data"), description="Folder of the database, of generated keys and of images.", examples=["/data"]
    )
    database_url: str | None = Field(
        None,
        pattern=r"^sqlite:///.+",
        description="Location of the database, as sqlite:///PATH. Unset: sora_proxy.db in DATA_DIR.",
        examples=["sqlite:////data/sora_proxy.db"],
    )
    static_dir: Path | None = Field(
        None,
        description="Folder that contains the folder `images`, as in sora-api. IMAGE_SAVE_DIR overrides it. Unset: "
        "DATA_DIR.",
        examples=["static"],
    )
    image_save_dir: Path | None = Field(
        None,
        description="Folder of the images. Unset: `images` in STATIC_DIR, else in DATA_DIR.",
        examples=["/data/images"],
    )
    image_localization: AtRunTime[bool | None] = Field(
        None,
        description="Whether images are stored on this server and links point to it; otherwise links point to the back "
        "end. Unset: images are stored here, except those of back ends of the kind `sora`. Images that clients can't "
        "fetch from the back end, such as ComfyUI's, are always stored here.",
        examples=["True"],
    )
    image_input: Literal["public", "off"] = Field(
        "public",
        description="Whether reference images may be http(s) addresses: `public` fetches them from public addresses, "
        "`off` accepts data URIs only.",
        examples=["public"],
    )
    image_input_allow: Names = Field(
        (),
        description="Private hosts from which reference images may be fetched: host or host:port, comma-separated. "
        "Unset: no private host.",
        examples=["nas.local:8080"],
    )
    retention_days: float = Field(
        30.0,
        ge=0,
        le=36500,
        description="How many days ended orders and their images are kept. 0: no limit.",
        examples=["30"],
    )
    retention_count: int = Field(
        100_000,
        ge=0,
        description="How many ended orders are kept, with their images; the oldest are removed first. 0: no limit.",
        examples=["100000"],
    )

    # Webhooks
    webhook_allow: Names = Field(
        (),
        description="Hosts to which webhooks may be sent: host or host:port, comma-separated; `*` allows any "
        "public host, over HTTPS. Unset: no host.",
        examples=["hooks.example.com,*"],
    )
    webhook_secret: WebhookSecret | None = Field(
        None,
        description="Secret that signs webhooks: `whsec_` and base64. Unset: one is generated and stored in "
        "DATA_DIR/webhook_secret.",
        examples=["whsec_cmVwbGFjZS1tZS13aXRoLTI0LWJ5dGVz"],
    )

    # Operation
    shutdown_grace: float = Field(
        25.0,
        ge=0,
        le=3600,
        description="How long a shutdown may take, in seconds. It must be shorter than the time that Docker, "
        "Kubernetes or systemd allows.",
        examples=["25"],
    )
    verbose_logging: AtRunTime[bool] = Field(
        False, description="Whether the log contains debug lines, with prompts.", examples=["False"]
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto",
        description="Format of the log: `json` lines, coloured `console` text, or `auto`: text on a terminal, JSON "
        "elsewhere.",
        examples=["json"],
    )
