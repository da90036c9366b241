"""Settings: every option with its default and its check. `reading.py` reads them once, at startup.

Sources, the first one wins: the environment, `.env`, `config/sora_proxy.env`, the defaults. Durations are seconds.
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
    max_queue: int = Field(1000, ge=1, le=100_000, description="Orders that may wait for a key.", examples=["1000"])
    max_queue_per_client: int = Field(
        500, ge=1, le=100_000, description="Of them, orders of one client key.", examples=["500"]
    )
    max_queue_wait: float | None = Field(
        None,
        gt=0,
        le=86400,
        description="Beyond this expected wait, new orders are refused with 429. An order that the back end can't take "
        "is offered again for as long, but at most for a minute. Unset: 120, and QUEUE_TIMEOUT with ComfyUI.",
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
