"""The client key and the admin key, which are configured, or generated once and stored."""

import os
import stat
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from sora_proxy.errors import ConfigurationError
from sora_proxy.settings.access import Access, fingerprint, load_access
from sora_proxy.settings.options import Settings


def settings(folder: Path, **fields: Any) -> Settings:
    return Settings.model_construct(data_dir=folder / "data", **fields)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_key_is_generated_once_and_readable_only_by_its_owner(tmp_path: Path) -> None:
    umask = os.umask(0)  # so that the umask of the process does not matter
    try:
        first = load_access(settings(tmp_path))
    finally:
        os.umask(umask)
    assert first.generated
    assert first.key_file == tmp_path / "data/admin_key"
    assert first.client_key == first.admin_key
    assert len(first.admin_key) >= 40
    assert mode(first.key_file) == 0o600
    assert mode(first.key_file.parent) == 0o700
    assert os.listdir(first.key_file.parent) == ["admin_key"]  # noqa: PTH208
    assert load_access(settings(tmp_path)) == Access(
        first.admin_key, first.admin_key, generated=False, key_file=first.key_file
    )


def test_each_data_folder_gets_its_own_key(tmp_path: Path) -> None:
    assert load_access(settings(tmp_path / "a")).admin_key != load_access(settings(tmp_path / "b")).admin_key


@pytest.mark.parametrize("content", ["", "\n", "  \n"])
def test_an_empty_key_file_is_replaced_and_an_empty_key_is_never_accepted(tmp_path: Path, content: str) -> None:
    path = tmp_path / "data/admin_key"
    path.parent.mkdir()
    path.write_text(content)
    access = load_access(settings(tmp_path))
    assert access.generated
    assert path.read_text().strip() == access.admin_key != ""
    assert mode(path) == 0o600


def test_a_key_that_a_crash_left_half_written_is_never_used(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / ".admin_key.0123456789abcdef.part").write_text("sk-half")
    assert load_access(settings(tmp_path)).admin_key != "sk-half"


def test_configured_keys_take_precedence_over_the_key_file(tmp_path: Path) -> None:
    load_access(settings(tmp_path))
    (tmp_path / "data/admin_key").write_text("sk-kept")
    both = settings(tmp_path, admin_key=SecretStr("sk-admin"), api_auth_token=SecretStr("sk-client"))
    assert load_access(both) == Access("sk-client", "sk-admin")
    assert load_access(settings(tmp_path, admin_key=SecretStr("sk-admin"))) == Access("sk-admin", "sk-admin")
    assert load_access(settings(tmp_path / "other", admin_key=SecretStr("sk-admin"))).key_file is None
    assert not (tmp_path / "other").exists()


def test_a_client_key_alone_does_not_become_the_admin_key(tmp_path: Path) -> None:
    access = load_access(settings(tmp_path, api_auth_token=SecretStr("sk-client")))
    assert access.client_key == "sk-client"
    assert access.admin_key != "sk-client"
    assert access.generated


def test_an_unusable_data_folder_is_reported_as_one_fault(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(ConfigurationError) as caught:
        load_access(settings(tmp_path))
    assert caught.value.faults == [f"DATA_DIR: {tmp_path / 'data/admin_key'}: Not a directory. Example: DATA_DIR=data"]


def test_a_key_file_that_is_not_text_is_reported_as_one_fault(tmp_path: Path) -> None:
    path = tmp_path / "data/admin_key"
    path.parent.mkdir()
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError) as caught:
        load_access(settings(tmp_path))
    assert caught.value.faults == [f"DATA_DIR: {path}: does not contain a key. Remove the file to get a new key"]


def test_a_fingerprint_is_stable_and_different_for_every_secret() -> None:
    assert fingerprint("secret") == fingerprint("secret") == "2bb80d537b1da3e3"
    assert fingerprint("secret") != fingerprint("secret ")
