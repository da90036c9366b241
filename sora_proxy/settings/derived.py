"""Derives values from the options, most of them from several options."""

import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from sora_proxy.settings.accounts import Proxy
from sora_proxy.settings.backends import BackendConfig, EntryOptions, LoginOptions
from sora_proxy.settings.kinds import UpstreamKey
from sora_proxy.settings.options import Settings

HOW_TO_NAME_A_BACKEND = "set BACKENDS, COMFYUI_URL, SORA_BASE_URL, UPSTREAM=openai or UPSTREAM=sora, and restart"
AUTO, COMFYUI, OPENAI = "auto", "comfyui", "openai"
MAX_RPM = 10_000  # the `max_rpm` of keys that stand for servers: servers limit their load themselves
MAX_KEY_NAME = 40  # characters
SORA_OPTIONS = ("sora_base_url", "api_keys", "keys_storage_file")
CHOOSING_OPTIONS = (*SORA_OPTIONS, "comfyui_url")  # each of them chooses a back end


def egresses_of(settings: Settings) -> tuple[Proxy | None, ...]:
    """The egresses to back ends, in order of preference; None is a direct connection."""
    url = f"http://{settings.proxy_host}:{settings.proxy_port}"
    older_form = Proxy(url, settings.proxy_user, settings.proxy_pass) if settings.proxy_host else None
    return settings.proxies or (older_form,)


def upstream_of(settings: Settings) -> str:
    """The value of UPSTREAM, or `comfyui` if UPSTREAM is `auto` and COMFYUI_URL is set."""
    chosen = settings.upstream == AUTO and "comfyui_url" in settings.model_fields_set
    return COMFYUI if chosen else settings.upstream


def backends_of(settings: Settings) -> Sequence[BackendConfig]:
    """The entries of BACKENDS, or the one entry that OpenAI's or ComfyUI's options describe."""
    chosen = upstream_of(settings)
    if chosen == OPENAI:
        return [_openai(settings)]
    if chosen == COMFYUI:
        return [_comfyui(settings)]
    return settings.backends


def _openai(settings: Settings) -> BackendConfig:
    options = {"profile": settings.openai_profile} if settings.openai_profile else {}
    return BackendConfig(
        name=OPENAI,
        kind="openai_images",
        base_url=settings.openai_base_url,
        keys=(UpstreamKey(key=settings.openai_api_key or SecretStr(""), name=OPENAI, max_rpm=MAX_RPM),),
        models=settings.openai_models or None,
        options=EntryOptions.model_validate(options),
    )


def _comfyui(settings: Settings) -> BackendConfig:
    """The back end that ComfyUI's options describe. Each server is a key without a token."""
    keys = [
        UpstreamKey(name=_server_name(url, number), base_url=url, max_rpm=MAX_RPM)
        for number, url in enumerate(settings.comfyui_url, 1)
    ]
    return BackendConfig(
        name=COMFYUI,
        kind=COMFYUI,
        base_url=settings.comfyui_url[0],
        keys=tuple(keys),
        options=LoginOptions(extra_headers=settings.comfyui_extra_headers),
    )


def _server_name(url: str, number: int) -> str:
    """The name of a server's key: the host, port and path, with special characters replaced. It has at most
    `MAX_KEY_NAME` characters."""
    parts = urlsplit(url)
    name = re.sub(r"[^\w.:-]+", "-", parts.netloc + parts.path).strip("-")
    ending = f"-{number}"
    return name if len(name) <= MAX_KEY_NAME else name[: MAX_KEY_NAME - len(ending)] + ending


def sora_is_chosen(settings: Settings) -> bool:
    """Whether any option that chooses Sora as the back end is set, whatever its value."""
    return not settings.model_fields_set.isdisjoint(SORA_OPTIONS)


def images_dir_of(settings: Settings) -> Path:
    """The folder of the finished images."""
    return settings.image_save_dir or (settings.static_dir or settings.data_dir) / "images"


def database_path_of(settings: Settings) -> Path:
    """The file of the database."""
    url = settings.database_url
    return Path(url.removeprefix("sqlite:///")) if url else settings.data_dir / "sora_proxy.db"
