"""A background loop that dies is logged, reported by the readiness check, and restarted."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sora_proxy import background
from sora_proxy.api.admin.context import KEY_REGISTRY
from sora_proxy.key_keeping.registry import KeyRegistry
from tests.conftest import Proxy, Simulator, StartProxy, in_front_of, upstream_keys
from tests.eventually import eventually

SECONDS = 60  # the time limit of each test
LOOPS = ["key_expiry", "key_source", "retention", "webhooks"]


def tasks_of_loops() -> dict[str, asyncio.Task[None]]:
    return {task.get_name(): task for task in asyncio.all_tasks() if task.get_name() in LOOPS}


@asynccontextmanager
async def server_with_all_loops(start_proxy: StartProxy, simulator: Simulator, folder: Path) -> AsyncIterator[Proxy]:
    file = folder / "keys.json"
    await asyncio.to_thread(file.write_text, json.dumps(upstream_keys()))
    settings = in_front_of(simulator) | {"api_keys": (), "keys_storage_file": file, "webhook_allow": ("127.0.0.1",)}
    async with asyncio.timeout(SECONDS), start_proxy(**settings) as proxy:
        yield proxy


async def test_killed_background_loops_are_logged_and_shown_by_the_readiness_check(
    start_proxy: StartProxy,
    simulator: Simulator,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(background, "FIRST_PAUSE_SECONDS", 3600.0)
    async with server_with_all_loops(start_proxy, simulator, tmp_path) as proxy:
        assert (await proxy.get("/health/ready"))["restarting"] == []
        killed = tasks_of_loops()
        assert sorted(killed) == LOOPS
        for task in killed.values():
            task.cancel()
        await asyncio.wait(killed.values())
        assert (await proxy.get("/health/ready"))["restarting"] == LOOPS
    for loop in LOOPS:
        assert f"loop='{loop}'" in caplog.text
    assert caplog.text.count("background loop crashed") == len(LOOPS)


async def test_killed_background_loops_are_restarted(
    start_proxy: StartProxy, simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "FIRST_PAUSE_SECONDS", 0.02)
    async with server_with_all_loops(start_proxy, simulator, tmp_path) as proxy:
        killed = tasks_of_loops()
        for task in killed.values():
            task.cancel()
        await asyncio.wait(killed.values())

        async def all_run() -> bool:
            return sorted(tasks_of_loops()) == LOOPS

        async def none_is_reported() -> bool:
            return not (await proxy.get("/health/ready"))["restarting"]

        await eventually(all_run)
        assert set(tasks_of_loops().values()).isdisjoint(killed.values())
        await eventually(none_is_reported)


async def test_keys_are_imported_although_an_unforeseen_error_ends_the_first_import(
    start_proxy: StartProxy, simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "FIRST_PAUSE_SECONDS", 0.02)
    file = tmp_path / "keys.json"
    await asyncio.to_thread(file.write_text, '[{"key": "one"}]')
    settings = {"upstream": "sora", "sora_base_url": simulator.url, "keys_storage_file": file}
    async with start_proxy(**settings) as proxy:
        import_keys, broke = KeyRegistry._import_keys, asyncio.Event()

        async def break_once(*entries: Any) -> None:
            monkeypatch.setattr(KeyRegistry, "_import_keys", import_keys)
            broke.set()
            raise ZeroDivisionError

        monkeypatch.setattr(KeyRegistry, "_import_keys", break_once)
        await asyncio.to_thread(file.write_text, '[{"key": "one"}, {"key": "two"}]')
        await broke.wait()

        async def both() -> bool:
            return len(proxy.app[KEY_REGISTRY].records) == 2

        await eventually(both)
