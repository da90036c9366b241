"""The keys of clients and operators.

There is no default secret: if a key is not set, one is generated, and stored in a file with mode 0600.
"""

import functools
import hashlib
import secrets
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from sora_proxy.settings.kept_secret import read_or_make
from sora_proxy.settings.kinds import ClientKey
from sora_proxy.settings.options import Settings


def fingerprint(secret: str) -> str:
    """A stable name for a secret, from which the secret can't be guessed: 16 hex digits."""
    return hashlib.sha256(secret.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Access:
    """The accepted keys: `client_key` for clients, `admin_key` for the operator, and `others`, the additional client
    keys. `client_key_file` and `admin_key_file` are the files of generated keys; None: the key was configured."""

    client_key: str
    admin_key: str
    others: tuple[ClientKey, ...] = ()
    client_key_file: Path | None = None
    admin_key_file: Path | None = None

    @functools.cached_property
    def holders(self) -> list[tuple[bytes, str]]:
        """Each accepted key, and the fingerprint that identifies its holder everywhere else."""
        keys = (self.client_key, self.admin_key, *(other.token for other in self.others))
        return [(key.encode(), fingerprint(key)) for key in keys]

    @functools.cached_property
    def weights(self) -> dict[str, float]:
        """The shares of the queue, by the fingerprints of client keys. Any other key has the share 1."""
        return {fingerprint(other.token): other.weight for other in self.others}

    @functools.cached_property
    def names(self) -> dict[str, str]:
        """The operator's names for the client keys, by the keys' fingerprints."""
        names = {fingerprint(self.client_key): "client", fingerprint(self.admin_key): "admin"}
        return names | {fingerprint(other.token): other.name for other in self.others}


def load_access(settings: Settings) -> Access:
    """The keys in the settings. A client or admin key that is not set is read from the data folder, or generated there.

    Raises ConfigurationError if the file of a generated key can't be read or written.
    """
    client_key, client_key_file = _key(settings.api_auth_token, settings.data_dir / "client_key")
    admin_key, admin_key_file = _key(settings.admin_key, settings.data_dir / "admin_key")
    return Access(client_key, admin_key, settings.client_keys, client_key_file, admin_key_file)


def _key(configured: SecretStr | None, path: Path) -> tuple[str, Path | None]:
    """The configured key and None; if no key is configured, the generated key and the file that contains it."""
    if configured:
        return configured.get_secret_value(), None
    return read_or_make(path, lambda: f"sk-{secrets.token_urlsafe(32)}"), path
