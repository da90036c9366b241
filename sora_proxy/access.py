"""The keys that let callers in. There is no default secret: what is not set is generated, and kept in a 0600 file."""

import functools
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from sora_proxy.errors import ConfigurationError
from sora_proxy.keys import fingerprint
from sora_proxy.setting_types import ClientKey
from sora_proxy.settings import Settings


@dataclass(frozen=True)
class Access:
    """`client_key` is what callers of the API send, `admin_key` the operator's, `others` are those of more callers.
    `generated` is set if this start made the admin key; `key_file` is where a generated one is kept."""

    client_key: str
    admin_key: str
    others: tuple[ClientKey, ...] = ()
    generated: bool = False
    key_file: Path | None = None

    @functools.cached_property
    def holders(self) -> list[tuple[bytes, str]]:
        """Each key that is let in, and the fingerprint by which its holder is known everywhere else."""
        keys = (self.client_key, self.admin_key, *(other.token for other in self.others))
        return [(key.encode(), fingerprint(key)) for key in keys]

    @functools.cached_property
    def weights(self) -> dict[str, float]:
        """The shares of the queue, by the fingerprints of client keys; those that are not in it have 1."""
        return {fingerprint(other.token): other.weight for other in self.others}

    @functools.cached_property
    def names(self) -> dict[str, str]:
        """What operators call the client keys, by their fingerprints."""
        names = {fingerprint(self.client_key): "client", fingerprint(self.admin_key): "admin"}
        return names | {fingerprint(other.token): other.name for other in self.others}


def load_access(settings: Settings) -> Access:
    """The keys of the settings, else those of the data folder, else new ones.

    Raises ConfigurationError if the file with the generated key can't be read or written.
    """
    client_key = settings.api_auth_token.get_secret_value() if settings.api_auth_token else None
    if settings.admin_key:
        admin_key = settings.admin_key.get_secret_value()
        return Access(client_key or admin_key, admin_key, settings.client_keys)
    path = settings.data_dir / "admin_key"
    try:
        admin_key, generated = _read_or_make(path)
    except OSError as error:
        raise ConfigurationError([f"DATA_DIR: {path}: {error.strerror}. Example: DATA_DIR=data"]) from None
    except UnicodeDecodeError:
        raise ConfigurationError([f"DATA_DIR: {path}: holds no key; remove it to get a new one"]) from None
    return Access(client_key or admin_key, admin_key, settings.client_keys, generated, path)


def _read_or_make(path: Path) -> tuple[str, bool]:
    try:
        if kept := path.read_text().strip():
            return kept, False
    except FileNotFoundError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = f"sk-{secrets.token_urlsafe(32)}"
    # Written apart and then renamed: a crash leaves no half key behind.
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(key + "\n")
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)
    return key, True
