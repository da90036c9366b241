"""The keys of clients and operators.

There is no default secret: if no admin key is set, one is generated and stored in a file with mode 0600.
"""

import functools
import hashlib
import secrets
from dataclasses import dataclass
from pathlib import Path

from sora_proxy.settings.kept_secret import read_or_make
from sora_proxy.settings.kinds import ClientKey
from sora_proxy.settings.options import Settings


def fingerprint(secret: str) -> str:
    """A stable name for a secret, from which the secret can't be guessed: 16 hex digits."""
    return hashlib.sha256(secret.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Access:
    """The accepted keys: `client_key` for clients, `admin_key` for the operator, `others` are additional client keys.
    `generated`: the admin key was generated at this startup. `key_file` is the file of a generated admin key."""

    client_key: str
    admin_key: str
    others: tuple[ClientKey, ...] = ()
    generated: bool = False
    key_file: Path | None = None

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
    """The keys of the settings. An admin key that is not set is read from the data folder, or generated there.

    Raises ConfigurationError if the file with the generated key can't be read or written.
    """
    client_key = settings.api_auth_token.get_secret_value() if settings.api_auth_token else None
    if settings.admin_key:
        admin_key = settings.admin_key.get_secret_value()
        return Access(client_key or admin_key, admin_key, settings.client_keys)
    path = settings.data_dir / "admin_key"
    admin_key, generated = read_or_make(path, lambda: f"sk-{secrets.token_urlsafe(32)}")
    return Access(client_key or admin_key, admin_key, settings.client_keys, generated, path)
