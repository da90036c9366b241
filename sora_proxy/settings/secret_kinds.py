"""The kinds of secrets among the settings: keys, tokens and webhook secrets. No error repeats a secret."""

import base64
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

HIDDEN = "…"  # shown to operators instead of a secret
WEBHOOK_SECRET_BYTES = range(24, 65)
# Example values for ADMIN_KEY, API_AUTH_TOKEN and requests in sora-api's README. The first one is also the default key
# of sora-api.
PUBLIC_KEYS = frozenset({"sk-123456", "sk-youradminkey", "your-auth-token", "your-api-key"})


def _secret(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text.isprintable() or text != text.strip():
        raise ValueError("must be printable text without spaces around it")
    if text in PUBLIC_KEYS:
        raise ValueError("is a published example. Choose a key of 16 characters or more, or leave it unset")
    return value


def webhook_secret(value: SecretStr) -> SecretStr:
    """Check that a secret has the format that the Standard Webhooks specification defines. Raises ValueError."""
    prefix, _, encoded = value.get_secret_value().partition("_")
    try:
        size = len(base64.b64decode(encoded, validate=True))
    except ValueError:
        size = 0
    if prefix != "whsec" or size not in WEBHOOK_SECRET_BYTES:
        raise ValueError("must be `whsec_` followed by the base64 of 24 to 64 bytes")
    return value


def _bare_token(value: Any) -> Any:
    """A token without its optional `Bearer `. Raises ValueError."""
    if not isinstance(value, str):
        return value
    token = value.strip().removeprefix("Bearer ").removeprefix("bearer ").strip()
    if (
        token in ("", "Bearer", "bearer")
        or not token.isascii()
        or any(not character.isprintable() or character == " " for character in token)
    ):
        raise ValueError("must be a token, with or without 'Bearer '")
    return token


def hidden(values: Mapping[str, Any]) -> dict[str, str]:
    """An object as it is shown to operators: its names without their values."""
    return dict.fromkeys(values, HIDDEN)


def restored(given: Any, present: Any) -> Any:
    """An object that an operator sends back, with hidden values replaced by the current ones."""
    if not isinstance(given, dict) or not isinstance(present, Mapping):
        return given
    return {name: present.get(name, value) if value == HIDDEN else value for name, value in given.items()}


def without_hidden(value: Any) -> Any:
    """Check that no value of an object is still hidden. Raises ValueError."""
    for name, text in value.items() if isinstance(value, dict) else ():
        if text == HIDDEN:
            raise ValueError(f"has {HIDDEN} for {name[:40]!r}, which stands for the current value, but there is none")
    return value


Secret = Annotated[SecretStr, Field(min_length=1), AfterValidator(_secret)]
WebhookSecret = Annotated[SecretStr, AfterValidator(webhook_secret)]
Token = Annotated[SecretStr, BeforeValidator(_bare_token)]
