"""Configuration: reads the settings, and explains each value that can't be used.

Each fault is reported in one line: the option, what is wrong, and an example. Values that are secrets, or may contain
them, are not shown.
"""

import difflib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import DotEnvSettingsSource

from sora_proxy.errors import ConfigurationError
from sora_proxy.settings.derived import AUTO, CHOOSING_OPTIONS, COMFYUI, OPENAI, SORA_OPTIONS, upstream_of
from sora_proxy.settings.faults import safe_place_of, words_of
from sora_proxy.settings.kinds import KEY_EXAMPLE
from sora_proxy.settings.listening import is_loopback
from sora_proxy.settings.options import SETTINGS_FILES, Settings

MIN_ADMIN_KEY_LENGTH = 16  # because anyone who can reach the server can try to guess the key
OUR_PREFIX = re.compile(r"^(sora_proxy|sora)_")  # prefixes that are often put before the name of an option
MIN_SIMILARITY = 0.85  # how similar a name must be to an option to count as misspelt, from 0 to 1
# The value of an option is not shown if the option's type contains one of these names.
SECRET_KINDS = ("Secret", "UpstreamKey", "BackendConfig", "ClientKey", "Proxy", "dict")


def load_settings() -> Settings:
    """Read the settings from all their sources.

    Raises ConfigurationError with one line per fault.
    """
    if faults := list(_unreadable_files()):
        raise ConfigurationError(faults)
    try:
        settings = Settings()
    except ValidationError as error:
        raise ConfigurationError(list(explain(error))) from None
    except (OSError, UnicodeDecodeError) as error:
        files = " or ".join(SETTINGS_FILES)
        raise ConfigurationError([f"{files}: can't be read as UTF-8 text ({type(error).__name__})"]) from None
    faults = _cross_checks(settings)
    if faults:
        raise ConfigurationError(faults)
    return settings


def misspelt_options() -> Iterator[tuple[str, str]]:
    """Misspelt names in the settings' sources, each with the option that it resembles.

    Other unknown names are ignored, since the environment and `.env` also serve other programs.
    """
    options = Settings.model_fields.keys()
    for name in sorted(_source_values().keys() - options):
        plain = name.replace("-", "_")
        for option in difflib.get_close_matches(plain, options, n=1, cutoff=MIN_SIMILARITY) or (
            difflib.get_close_matches(OUR_PREFIX.sub("", plain), options, n=1, cutoff=MIN_SIMILARITY)
        ):
            yield name.upper(), option.upper()


def signs_of_a_backend() -> list[str]:
    """Signs that the operator meant to configure a back end: empty variables and misspelt option names.

    For example, a secret that is missing from a deployment becomes an empty variable. Returns one line per fault.
    """
    on_purpose = "To use simulator images on purpose, set UPSTREAM=simulator"
    given, names = _source_values(), [option.upper() for option in (*CHOOSING_OPTIONS, "upstream")]
    empty = [name for name in names if not given.get(name.lower(), "set")]
    misspelt = [(name, option) for name, option in misspelt_options() if option in names]
    return [f"{name}: is set but empty. Give it a value, or remove it. {on_purpose}" for name in empty] + [
        f"{name}: is not an option, but {option} is. Correct the name, or remove it. {on_purpose}"
        for name, option in misspelt
    ]


def _source_values() -> dict[str, str | None]:
    """All values in the sources, including empty ones, by their names in lower case. The environment wins."""
    files = DotEnvSettingsSource(Settings, env_ignore_empty=False).env_vars
    return dict(files) | {name.lower(): value for name, value in os.environ.items()}


def _unreadable_files() -> Iterator[str]:
    """The faults of settings files that are not regular files, such as the folder that a failed mount leaves behind."""
    for path in map(Path, SETTINGS_FILES):
        if (path.is_symlink() or path.exists()) and not path.is_file():
            yield f"{path}: is not a file. Remove it, or put the settings file there"


def _cross_checks(settings: Settings) -> list[str]:
    faults = []
    if settings.backends and (others := settings.model_fields_set & {*CHOOSING_OPTIONS, "upstream"}):
        names = " and ".join(sorted(option.upper() for option in others))
        faults.append(f"BACKENDS: can't be combined with {names}. Put their values into an entry of BACKENDS")
    elif settings.upstream == OPENAI:
        faults += _faults_of_openai(settings)
    elif upstream_of(settings) == COMFYUI:
        faults += _faults_of_comfyui(settings)
    if "workflows_dir" in settings.model_fields_set and not settings.workflows_dir.is_dir():
        faults.append(
            f"WORKFLOWS_DIR: {str(settings.workflows_dir)!r} is not a folder. Example: WORKFLOWS_DIR=config/workflows"
        )
    if settings.proxy_host and not settings.proxy_port:
        faults.append("PROXY_PORT: must be set if PROXY_HOST is set. Example: PROXY_PORT=7890")
    if settings.proxy_user and not settings.proxy_host:
        faults.append("PROXY_HOST: must be set if PROXY_USER is set. Example: PROXY_HOST=127.0.0.1")
    is_short = settings.admin_key and len(settings.admin_key) < MIN_ADMIN_KEY_LENGTH
    if is_short and not all(map(is_loopback, settings.api_host)):
        faults.append(
            f"ADMIN_KEY: must have {MIN_ADMIN_KEY_LENGTH} characters or more, except with API_HOST=127.0.0.1."
            " Example: ADMIN_KEY=sk-…"
        )
    return faults


def _faults_of_openai(settings: Settings) -> Iterator[str]:
    for option in sorted(settings.model_fields_set & {*SORA_OPTIONS}):
        yield (
            f"{option.upper()}: can't be used with UPSTREAM=openai. Use OPENAI_API_KEY and OPENAI_BASE_URL, or BACKENDS"
        )
    if settings.openai_api_key is None and "openai_base_url" not in settings.model_fields_set:
        yield "OPENAI_API_KEY: must be set. For another server, set OPENAI_BASE_URL. Example: OPENAI_API_KEY=sk-…"


def _faults_of_comfyui(settings: Settings) -> Iterator[str]:
    chosen = "COMFYUI_URL" if settings.upstream == AUTO else "UPSTREAM=comfyui"
    for option in sorted(settings.model_fields_set & {*SORA_OPTIONS}):
        yield f"{option.upper()}: can't be used with {chosen}. Use COMFYUI_URL alone, or BACKENDS"


def explain(error: ValidationError) -> Iterable[str]:
    """One line per fault: the option, what is wrong, and an example. Values that may contain a secret are not shown."""
    for fault in error.errors(include_url=False, include_context=False):
        name = str(fault["loc"][0])
        field = Settings.model_fields.get(name)
        secret = field is None or any(kind in repr(field.annotation) for kind in SECRET_KINDS)
        # An address with user and password may have been put into any option.
        value = "" if secret or "@" in str(fault["input"]) else f"{str(fault['input'])[:60]!r} "
        example = (
            f" Example: {name.upper()}={field.examples[0]}" if field and field.examples else f" Example: {KEY_EXAMPLE}"
        )
        yield f"{name.upper()}{safe_place_of(fault['loc'][1:])}: {value}{words_of(fault)}.{example}"
