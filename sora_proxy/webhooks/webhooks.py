"""Webhooks: clients are notified when their orders end, by a signed POST to an address that came with the order.

`outbox.py` puts the message into the database, in the transaction that ends the generation; `deliverer.py` sends it
until the receiver accepts it or the last attempt has failed, even after restarts. Both follow the Standard Webhooks
specification.
"""

import base64
import contextlib
import secrets
from contextlib import AbstractAsyncContextManager

from pydantic import SecretStr
from standardwebhooks import Webhook

from sora_proxy.background import Background
from sora_proxy.database import Database
from sora_proxy.errors import ConfigurationError
from sora_proxy.foreign.public_http import PublicHttp
from sora_proxy.generation import Step
from sora_proxy.log import Redactor
from sora_proxy.settings.kept_secret import read_or_make
from sora_proxy.settings.options import Settings
from sora_proxy.settings.secret_kinds import webhook_secret
from sora_proxy.webhooks.deliverer import Deliverer
from sora_proxy.webhooks.outbox import Outbox

ANY_PUBLIC_HOST = "*"


class Webhooks:
    """The interface of this folder: checks addresses and sends messages. Creating it may raise ConfigurationError."""

    def __init__(self, settings: Settings, database: Database, redactor: Redactor) -> None:
        listed = [host for host in settings.webhook_allow if host != ANY_PUBLIC_HOST]
        public_schemes = ["https"] if ANY_PUBLIC_HOST in settings.webhook_allow else []
        self._http = PublicHttp("the webhook's address", listed, public_schemes)
        self.deliverer: Deliverer | None = None  # None if the operator allows no host
        if settings.webhook_allow:
            secret = _secret(settings)
            redactor.hide([secret])
            self.deliverer = Deliverer(Outbox(database), self._http, Webhook(secret))

    def check(self, address: str) -> None:
        """Check that a webhook may be sent to an address.

        Raises AddressRefused.
        """
        self._http.check(address)

    def follow(self, step: Step) -> None:
        """Wake the deliverer if a generation with a webhook has ended. Its message is already in the outbox."""
        if self.deliverer and step.ends and step.generation.spec.webhook_url:
            self.deliverer.wake()

    def running(self, background: Background) -> AbstractAsyncContextManager[None]:
        """Send webhooks until the block ends."""
        return background.running(webhooks=self.deliverer.run) if self.deliverer else contextlib.nullcontext()


def _secret(settings: Settings) -> str:
    """The configured secret, else the one in the data folder, else a new one."""
    if settings.webhook_secret:
        return settings.webhook_secret.get_secret_value()
    path = settings.data_dir / "webhook_secret"
    secret, _ = read_or_make(path, lambda: f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}")
    try:
        return webhook_secret(SecretStr(secret)).get_secret_value()
    except ValueError as error:
        raise ConfigurationError([f"DATA_DIR: {path}: {error}. Remove the file to get a new secret"]) from None
