"""What follows from the options: values that several of them decide together."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import SecretStr

from sora_proxy.settings.accounts import Proxy
from sora_proxy.settings.backends import BackendConfig, EntryOptions
from sora_proxy.settings.kinds import UpstreamKey
from sora_proxy.settings.options import Settings

HOW_TO_NAME_A_BACKEND = "set BACKENDS, SORA_BASE_URL, UPSTREAM=openai or UPSTREAM=sora, and restart"
OPENAI = "openai"
MAX_RPM = 10_000  # of the key of UPSTREAM=openai: the server itself says what is too much
BACKEND_OPTIONS = ("sora_base_url", "api_keys", "keys_storage_file")


def egresses_of(settings: Settings) -> tuple[Proxy | None, ...]:
    """The proxies through which the back end is reached, in the order of their use; None is a direct connection."""
    url = f"http://{settings.proxy_host}:{settings.proxy_port}"
    older_form = Proxy(url, settings.proxy_user, settings.proxy_pass) if settings.proxy_host else None
    return settings.proxies or (older_form,)


def backends_of(settings: Settings) -> Sequence[BackendConfig]:
    """The entries of BACKENDS, or the one that UPSTREAM=openai stands for."""
    if settings.upstream != OPENAI:
        return settings.backends
    options = {"profile": settings.openai_profile} if settings.openai_profile else {}
    entry = BackendConfig(
        name=OPENAI,
        kind="openai_images",
        base_url=settings.openai_base_url,
        keys=(UpstreamKey(key=settings.openai_api_key or SecretStr(""), name=OPENAI, max_rpm=MAX_RPM),),
        models=settings.openai_models or None,
        options=EntryOptions.model_validate(options),
    )
    return [entry]


def backend_is_meant(settings: Settings) -> bool:
    """Whether an option is set that speaks for a real back end, whatever its value."""
    return not settings.model_fields_set.isdisjoint(BACKEND_OPTIONS)


def images_dir_of(settings: Settings) -> Path:
    """The folder of the finished images."""
    return settings.image_save_dir or (settings.static_dir or settings.data_dir) / "images"


def database_path_of(settings: Settings) -> Path:
    """The file of the database."""
    url = settings.database_url
    return Path(url.removeprefix("sqlite:///")) if url else settings.data_dir / "sora_proxy.db"
