"""Generated secrets: made once if none is configured, and stored in a file that only its owner can read."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from sora_proxy.errors import ConfigurationError


def read_or_make(path: Path, make: Callable[[], str]) -> str:
    """The secret in a file. If there is no such file, a secret is generated and stored there.

    Raises ConfigurationError if the file can't be read or written.
    """
    try:
        return _read_or_make(path, make)
    except OSError as error:
        raise ConfigurationError([f"DATA_DIR: {path}: {error.strerror}. Example: DATA_DIR=data"]) from None
    except UnicodeDecodeError:
        raise ConfigurationError(
            [f"DATA_DIR: {path}: does not contain a key. Remove the file to get a new key"]
        ) from None


def _read_or_make(path: Path, make: Callable[[], str]) -> str:
    try:
        if stored := path.read_text().strip():
            return stored
    except FileNotFoundError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    secret = make()
    # The file is written under another name and then renamed, so that a crash leaves no partial secret.
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secret + "\n")
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)
    return secret
