"""Where the client key and the admin key come from: the configuration, or a key that is generated once and stored."""

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


@pytest.mark.parametrize("name", ["client_key", "admin_key"])
def test_unset_keys_are_generated_once_and_readable_only_by_their_owner(tmp_path: Path, name: str) -> None:
    umask = os.umask(0)  # the test must not depend on the umask of the process
    try:
        first = load_access(settings(tmp_path))
    finally:
        os.umask(umask)
    key, file = getattr(first, name), getattr(first, f"{name}_file")
    assert file == tmp_path / "data" / name
    assert file.read_text() == f"{key}\n"
    assert len(key) >= 40
    assert mode(file) == 0o600
    assert mode(file.parent) == 0o700
    assert sorted(os.listdir(file.parent)) == ["admin_key", "client_key"]  # noqa: PTH208
    assert load_access(settings(tmp_path)) == first


def test_generated_keys_differ_from_each_other_and_between_folders(tmp_path: Path) -> None:
    accesses = load_access(settings(tmp_path / "a")), load_access(settings(tmp_path / "b"))
    assert len({key for access in accesses for key in (access.client_key, access.admin_key)}) == 4


@pytest.mark.parametrize("content", ["", "\n", "  \n"])
def test_an_empty_key_file_is_replaced_and_an_empty_key_is_never_accepted(tmp_path: Path, content: str) -> None:
    path = tmp_path / "data/admin_key"
    path.parent.mkdir()
    path.write_text(content)
    access = load_access(settings(tmp_path))
    assert path.read_text().strip() == access.admin_key != ""
    assert mode(path) == 0o600


def test_a_key_that_a_crash_left_half_written_is_never_used(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / ".admin_key.0123456789abcdef.part").write_text("sk-half")
    assert load_access(settings(tmp_path)).admin_key != "sk-half"


def test_configured_keys_take_precedence_over_stored_keys_and_write_no_file(tmp_path: Path) -> None:
    load_access(settings(tmp_path))
    both = {"admin_key": SecretStr("sk-admin"), "api_auth_token": SecretStr("sk-client")}
    for folder in (tmp_path, tmp_path / "other"):
        assert load_access(settings(folder, **both)) == Access("sk-client", "sk-admin")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("name", ["api_auth_token", "admin_key"])
def test_a_configured_client_key_or_admin_key_is_not_used_as_the_other_key(tmp_path: Path, name: str) -> None:
    access = load_access(settings(tmp_path, **{name: SecretStr("sk-one")}))
    assert len({access.client_key, access.admin_key, "sk-one"}) == 2


def test_an_unusable_data_folder_is_reported_as_a_single_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(ConfigurationError) as caught:
        load_access(settings(tmp_path))
    assert caught.value.faults == [f"DATA_DIR: {tmp_path / 'data/client_key'}: Not a directory. Example: DATA_DIR=data"]


def test_a_key_file_that_is_not_text_is_reported_as_a_single_configuration_error(tmp_path: Path) -> None:
    path = tmp_path / "data/admin_key"
    path.parent.mkdir()
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError) as caught:
        load_access(settings(tmp_path))
    assert caught.value.faults == [f"DATA_DIR: {path}: does not contain a key. Remove the file to get a new key"]


def test_a_fingerprint_is_stable_and_different_for_every_secret() -> None:
    assert fingerprint("secret") == fingerprint("secret") == "2bb80d537b1da3e3"
    assert fingerprint("secret") != fingerprint("secret ")
