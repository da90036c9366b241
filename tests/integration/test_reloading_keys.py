"""A reload reads the key file at once and logs its outcome, whatever the file contains."""

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from sora_proxy.api.admin.context import KEY_REGISTRY
from sora_proxy.api.context import KEY_SOURCE
from sora_proxy.key_keeping import source
from tests.conftest import Proxy, StartProxy, upstream_keys
from tests.eventually import turns_until


@pytest.fixture(autouse=True)
def _no_check_by_itself(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(source, "FILE_CHECK_SECONDS", 3600.0)
    caplog.set_level(logging.INFO)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(upstream_keys("one")))
    return path


def with_file(file: Path) -> dict[str, Any]:
    return {"upstream": "sora", "sora_base_url": "http://127.0.0.1:9", "keys_storage_file": file}


async def reloaded(proxy: Proxy, caplog: pytest.LogCaptureFixture, event: str) -> str:
    """Reload the key file; returns the only line that the reload logs."""
    caplog.clear()
    proxy.app[KEY_SOURCE].reload()
    await turns_until(lambda: event in caplog.text)
    (line,) = [record.getMessage() for record in caplog.records if "key file" in record.getMessage()]
    return line


def number_of_keys(proxy: Proxy) -> int:
    return len(proxy.app[KEY_REGISTRY].records)


async def test_a_reload_reads_a_changed_file_at_once(
    start_proxy: StartProxy, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with start_proxy(**with_file(file)) as proxy:
        await asyncio.to_thread(file.write_text, json.dumps(upstream_keys("one", "two")))
        line = await reloaded(proxy, caplog, "key file reloaded")
        assert f"path='{file}' entries=2" in line
        await turns_until(lambda: number_of_keys(proxy) == 2)


async def test_each_reload_of_an_unchanged_file_is_logged(
    start_proxy: StartProxy, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with start_proxy(**with_file(file)) as proxy:
        for _ in range(3):
            assert "entries=1" in await reloaded(proxy, caplog, "key file reloaded")
        assert "upstream keys imported" not in caplog.text
        assert number_of_keys(proxy) == 1


@pytest.mark.parametrize("text", ["[", '[{"key": "a", "weight": -1}]', None], ids=str)
async def test_the_reload_of_an_unusable_file_changes_no_keys(
    start_proxy: StartProxy, file: Path, caplog: pytest.LogCaptureFixture, text: str | None
) -> None:
    async with start_proxy(**with_file(file)) as proxy:
        await asyncio.to_thread(file.unlink if text is None else lambda: file.write_text(text))
        assert str(file) in await reloaded(proxy, caplog, "key file unusable")
        assert number_of_keys(proxy) == 1
        await asyncio.to_thread(file.write_text, json.dumps(upstream_keys("one", "two")))
        await reloaded(proxy, caplog, "key file reloaded")
        await turns_until(lambda: number_of_keys(proxy) == 2)


@pytest.fixture
def _folder_without_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_folder_without_keys")
async def test_a_reload_without_a_key_file_logs_why_nothing_is_read(
    start_proxy: StartProxy, caplog: pytest.LogCaptureFixture
) -> None:
    settings = {"upstream": "sora", "sora_base_url": "http://127.0.0.1:9"}
    async with start_proxy(**settings) as proxy:
        assert "api_keys.json does not exist" in await reloaded(proxy, caplog, "no key file to reload")
    async with start_proxy(**settings, api_keys=upstream_keys()) as proxy:
        assert "in the environment" in await reloaded(proxy, caplog, "no key file to reload")
        assert number_of_keys(proxy) == 1
