"""The source of the configured upstream keys: API_KEYS, or else a file that is checked for changes."""

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sora_proxy.blocking import BlockingPool
from sora_proxy.errors import ConfigurationError
from sora_proxy.key_keeping.source import KeySource
from sora_proxy.key_keeping.store import Origin
from tests.conftest import settings_for

SECRET = "eyJsupersecret0123456789"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "api_keys.json"


@pytest.fixture(autouse=True)
def _in_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def threads() -> Iterator[BlockingPool]:
    threads = BlockingPool()
    yield threads
    threads.close()


@pytest.fixture
def source(file: Path, threads: BlockingPool) -> Callable[..., KeySource]:
    return lambda **settings: KeySource(settings_for(file.parent, keys_storage_file=file, **settings), threads)


def tokens(keys: Any) -> list[str]:
    return [key.token for _, key in keys]


def test_the_option_api_keys_takes_precedence_over_the_key_file(file: Path, source: Callable[..., KeySource]) -> None:
    file.write_text('[{"key": "of-the-file", "name": "first"}]')
    assert (tokens(source().read()), source().origin) == (["of-the-file"], Origin.file)
    configured = source(api_keys=[{"key": "of-the-environment"}])
    assert (tokens(configured.read()), configured.origin) == (["of-the-environment"], Origin.environment)


def test_there_are_no_keys_if_the_default_key_file_is_missing(tmp_path: Path, threads: BlockingPool) -> None:
    source = KeySource(settings_for(tmp_path), threads)
    assert (source.read(), source.found) == ((), False)


def test_a_configured_key_file_that_does_not_exist_is_a_configuration_error(
    file: Path, source: Callable[..., KeySource]
) -> None:
    for settings in ({}, {"api_keys": [{"key": "of-the-environment"}]}):
        with pytest.raises(ConfigurationError) as caught:
            source(**settings).read()
        assert caught.value.faults == [f"KEYS_STORAGE_FILE: {file}: No such file or directory"]


def test_the_default_key_file_is_ignored_if_the_option_api_keys_is_set(tmp_path: Path, threads: BlockingPool) -> None:
    settings = settings_for(tmp_path, api_keys=[{"key": "of-the-environment"}])
    assert tokens(KeySource(settings, threads).read()) == ["of-the-environment"]


def test_a_dangling_link_in_place_of_the_default_key_file_is_a_configuration_error(
    tmp_path: Path, file: Path, threads: BlockingPool
) -> None:
    file.symlink_to(tmp_path / "nothing")
    with pytest.raises(ConfigurationError):
        KeySource(settings_for(tmp_path), threads).read()


def test_an_empty_key_file_counts_as_a_source_of_keys(tmp_path: Path, file: Path, threads: BlockingPool) -> None:
    file.write_text("[]")
    source = KeySource(settings_for(tmp_path), threads)
    assert (source.read(), source.found) == ((), True)


def test_the_counters_in_a_key_file_of_sora_api_are_ignored(file: Path, source: Callable[..., KeySource]) -> None:
    counters = {"requests": 2, "last_reset": 1795773139.6, "available": False, "created_at": 1795773139.6}
    resting = "\n[自动] 在 2026-11-27 09:52:19 被临时禁用12小时"
    entries = [
        {"id": "a", "name": "", "key": "Bearer one", "weight": 1, "max_rpm": 60, "is_enabled": True, "notes": None},
        {"id": "b", "name": "", "key": "two", "weight": 2, "max_rpm": 30, "is_enabled": True, "notes": resting},
        {"id": "c", "name": "备用", "key": "Bearer three", "is_enabled": False, "notes": "spare"},
    ]
    written = {"keys": [entry | counters for entry in entries], "usage_stats": {"a": {"total_requests": 1}}}
    file.write_text(json.dumps(written))
    keys = [key for _, key in source().read()]
    assert [(key.token, key.weight, key.max_rpm, key.name, key.enabled) for key in keys] == [
        ("one", 1, 60, None, True),
        ("two", 2, 30, None, True),
        ("three", 1, 60, "备用", False),
    ]
    assert [key.notes for key in keys] == [None, resting.strip(), "spare"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\x00",
        b"{",
        b"{}",
        b"null",
        f'["{SECRET}"]'.encode(),
        f'{{"{SECRET}": 1}}'.encode(),
        f'[{{"{SECRET}": 1, "key": "k"}}]'.encode(),
        f'[{{"key": "{SECRET}", "weight": 0}}]'.encode(),
        f'[{{"key": "{SECRET}", "max_rpm": 0}}]'.encode(),
        f'[{{"key": "{SECRET}", "max_concurrent": 0}}]'.encode(),
        f'[{{"key": "{SECRET}", "name": "{SECRET}\\n"}}]'.encode(),
        f'[{{"key": "k", "proxy": "http://user:{SECRET}@"}}]'.encode(),
        f'[{{"key": "{SECRET} and more"}}]'.encode(),
        f'[{{"key": "{SECRET}\\u00fc"}}]'.encode(),
        f'[{{"key": "{SECRET}"}}, {{"key": "Bearer {SECRET}"}}]'.encode(),
        b"[" * 5000,
        f'{{"keys": {{"{SECRET}": 1}}}}'.encode(),
        f'{{"keys": ["{SECRET}"]}}'.encode(),
        f'{{"keys": [{{"key": "{SECRET}", "name": "{SECRET}\\n"}}]}}'.encode(),
        f'{{"keys": [{{"key": "{SECRET}", "is_enabled": "{SECRET}"}}]}}'.encode(),
    ],
)
def test_the_message_about_an_unusable_key_file_shows_no_secret(
    file: Path, source: Callable[..., KeySource], content: bytes
) -> None:
    file.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        source().read()
    (fault,) = caught.value.faults
    assert fault.startswith(f"KEYS_STORAGE_FILE: {file}: ")
    assert "Example: " in fault
    assert SECRET not in fault
    assert "\n" not in fault


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "is not valid JSON"),
        ('{"key": "a"}', "must be a JSON list"),
        ('[{"key": "a"}, {"key": "b", "weigth": 2}]', "[1].weigth: is not a known field"),
    ],
)
def test_the_message_about_a_bad_key_file_says_what_is_wrong_and_where(
    file: Path, source: Callable[..., KeySource], content: str, told: str
) -> None:
    file.write_text(content)
    with pytest.raises(ConfigurationError) as caught:
        source().read()
    (fault,) = caught.value.faults
    assert fault.startswith(f"KEYS_STORAGE_FILE: {file}: {told}")


def test_a_key_file_that_cannot_be_read_is_a_configuration_error(file: Path, source: Callable[..., KeySource]) -> None:
    file.mkdir()
    with pytest.raises(ConfigurationError) as caught:
        source().read()
    assert caught.value.faults == [f"KEYS_STORAGE_FILE: {file}: Is a directory"]


def test_a_key_file_that_is_a_named_pipe_is_refused_without_reading_it(
    file: Path, source: Callable[..., KeySource]
) -> None:
    os.mkfifo(file)
    with pytest.raises(ConfigurationError) as caught:
        source().read()
    assert caught.value.faults == [f"KEYS_STORAGE_FILE: {file}: Not a regular file"]


def write(file: Path, content: str) -> None:
    """Replace a file as editors and orchestrators do: by giving its name to another file."""
    part = file.with_suffix(".part")
    part.write_text(content)
    part.rename(file)


async def test_each_change_of_the_file_is_reported_unless_the_file_is_broken_or_missing(
    file: Path,
    source: Callable[..., KeySource],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("sora_proxy.key_keeping.source.FILE_CHECK_SECONDS", 0.02)
    await asyncio.to_thread(file.write_text, '[{"key": "a"}]')
    watched = await asyncio.to_thread(source)
    assert tokens(await asyncio.to_thread(watched.read)) == ["a"]
    changes = watched.changes()
    told = asyncio.ensure_future(anext(changes))
    await asyncio.sleep(0.1)
    assert not told.done()
    await asyncio.to_thread(write, file, '[{"key": "a"}, {"key": "b"}]')
    assert tokens(await told) == ["a", "b"]
    told = asyncio.ensure_future(anext(changes))
    for step in (lambda: write(file, f'[{{"key": "{SECRET}"'), lambda: os.remove(file)):  # noqa: PTH107
        await asyncio.to_thread(step)
        await asyncio.sleep(0.1)
    assert not told.done()
    assert caplog.text.count("key file unusable") == 1
    assert SECRET not in caplog.text
    await asyncio.to_thread(write, file, "[]")
    assert await told == ()
    watched.read_again()
    assert await anext(changes) == ()
    await changes.aclose()


async def test_keys_of_the_environment_never_change(source: Callable[..., KeySource]) -> None:
    configured = await asyncio.to_thread(source, api_keys=[{"key": "a"}])
    assert [keys async for keys in configured.changes()] == []
