"""The secret that signs webhooks, which is configured or stored in a file."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from sora_proxy.blocking import BlockingPool
from sora_proxy.database import Database
from sora_proxy.errors import ConfigurationError
from sora_proxy.log import Redactor
from sora_proxy.settings.options import Settings
from sora_proxy.settings.secret_kinds import webhook_secret
from sora_proxy.webhooks.webhooks import Webhooks

RULE = "must be `whsec_` followed by the base64 of 24 to 64 bytes"
BAD = ["", "whsec_", "secret", "whsec_c2hvcnQ=", "whsec_" + "A" * 88, "whpk_" + "A" * 32, "A" * 32, "whsec_" + "ü" * 32]


def webhooks(folder: Path, redactor: Redactor, *allowed: str) -> Webhooks:
    settings = Settings.model_construct(data_dir=folder, webhook_allow=allowed)
    return Webhooks(settings, Database(folder / "never-opened.db", BlockingPool()), redactor)


@pytest.mark.parametrize("text", BAD)
def test_a_secret_that_does_not_have_the_required_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=RULE):
        webhook_secret(SecretStr(text))


@pytest.mark.parametrize("text", ["whsec_" + "A" * 32, "whsec_" + "A" * 84 + "AA=="])
def test_a_secret_of_24_to_64_bytes_is_accepted(text: str) -> None:
    assert webhook_secret(SecretStr(text)).get_secret_value() == text


def test_the_message_about_a_bad_secret_file_does_not_show_its_content(tmp_path: Path) -> None:
    (tmp_path / "webhook_secret").write_text("MARKED")
    with pytest.raises(
        ConfigurationError, match=f"webhook_secret: {RULE}. Remove the file to get a new secret"
    ) as caught:
        webhooks(tmp_path, Redactor(), "*")
    assert "MARKED" not in str(caught.value)


def test_a_generated_secret_is_masked_in_logs(tmp_path: Path) -> None:
    redactor = Redactor()
    webhooks(tmp_path, redactor, "hooks.example.com")
    made = (tmp_path / "webhook_secret").read_text().strip()
    assert redactor(None, "info", {"event": f"it is {made}"})["event"] == "it is ***"


def test_no_secret_is_generated_if_no_webhook_host_is_allowed(tmp_path: Path) -> None:
    webhooks(tmp_path, Redactor())
    assert list(tmp_path.iterdir()) == []
