"""The option BACKENDS: several back ends at once, as a JSON list or as the name of a file that contains one."""

from pathlib import Path
from typing import Annotated, Any

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import NoDecode

from sora_proxy.settings.kinds import MAX_MODEL_NAME, Headers, HttpUrl, KeyEntries, LoginHeaders, ModelName
from sora_proxy.settings.secret_kinds import without_hidden

WITHOUT_LOGIN = ("comfyui",)  # kinds whose servers have no login, so a login header is for a proxy in front of them
DEFAULT_BACKEND = ""  # stands for the back end that is configured without BACKENDS
BACKENDS_EXAMPLE = '[{"name": "main", "kind": "sora", "base_url": "https://sora.example.com", "keys": [{"key": "…"}]}]'


def _models(value: Any) -> Any:
    """Check lists and objects with one validator, so that an error message refers only to what was given."""
    if not isinstance(value, list | tuple | dict):
        raise ValueError("must be a list of names, or an object that maps names for clients to names at the back end")  # noqa: TRY004
    if not value:
        raise ValueError("must contain at least one model. To serve all models of the back end, leave it unset")
    names = [*value, *value.values()] if isinstance(value, dict) else list(value)
    if not all(isinstance(name, str) and name.isprintable() and 0 < len(name) <= MAX_MODEL_NAME for name in names):
        raise ValueError(f"must contain names of 1 to {MAX_MODEL_NAME} printable characters")
    if len({*value}) < len(value):
        raise ValueError("contains the same name twice")
    return value


Models = Annotated[tuple[ModelName, ...] | dict[ModelName, ModelName], BeforeValidator(_models)]


class EntryOptions(BaseModel):
    """The options that every back end has, and those of its kind, which the kind's module checks. Null means unset."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, Annotated[Any, AfterValidator(without_hidden)]]

    max_images_per_day: int | None = Field(None, ge=1, strict=True)
    extra_headers: Headers = {}

    @model_validator(mode="before")
    @classmethod
    def _given(cls, options: Any) -> Any:
        if not isinstance(options, dict):
            return options
        return {name: value for name, value in options.items() if value is not None}

    @property
    def of_kind(self) -> dict[str, Any]:
        return self.model_extra or {}


class LoginOptions(EntryOptions):
    """The options of kinds whose headers may contain the login of a proxy in front of the server."""

    extra_headers: LoginHeaders = {}


class BackendConfig(BaseModel):
    """One back end. `kind` is its protocol, `keys` are as in API_KEYS.

    `models` lists the models to serve, or maps names for clients to the back end's own; unset: all models. A back end
    that is not `enabled` finishes its orders and accepts no new ones.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,39}$")
    kind: str
    base_url: HttpUrl
    keys: KeyEntries = ()
    models: Models | None = None
    options: EntryOptions = EntryOptions()
    enabled: bool = True

    @field_validator("options", mode="before")
    @classmethod
    def _options_of_kind(cls, options: Any, info: ValidationInfo) -> Any:
        if isinstance(options, dict) and info.data.get("kind") in WITHOUT_LOGIN:
            return LoginOptions.model_validate(options)
        return options

    @property
    def secrets(self) -> list[str]:
        """The texts that must not be logged: the values of headers and of other options that are objects."""
        groups = [option.values() for _, option in self.options if isinstance(option, dict)]
        return [value for values in groups for value in values if isinstance(value, str)]

    def record(self) -> dict[str, Any]:
        """The fields of the back end as they are stored, secrets included. Its keys are stored separately."""
        return self.model_dump(mode="json", exclude={"keys"})


def _loaded(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        text = value if value.lstrip().startswith("[") else Path(value).read_bytes()
        loaded = orjson.loads(text)
    except OSError as error:
        raise ValueError(f"its file can't be read: {error.strerror}") from None
    except orjson.JSONDecodeError as error:
        raise ValueError(f"is not valid JSON ({error})") from None
    if not isinstance(loaded, list) or not loaded:
        raise ValueError("must be a JSON list with at least one entry, or the name of a file that contains one")
    return loaded


def _unique(backends: tuple[BackendConfig, ...]) -> tuple[BackendConfig, ...]:
    if len({backend.name for backend in backends}) < len(backends):
        raise ValueError("contains the same name twice")
    return backends


BackendConfigs = Annotated[tuple[BackendConfig, ...], NoDecode, BeforeValidator(_loaded), AfterValidator(_unique)]
