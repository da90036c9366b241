"""The simulator answers only if it is configured, or if no back end is configured; it never replaces a real one."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from sora_proxy.settings.access import fingerprint
from tests.conftest import UPSTREAM_TOKEN, Proxy, Simulator, StartProxy, in_front_of, upstream_keys
from tests.eventually import eventually

TOKEN = "another-upstream-token-of-the-tests"
SIMULATORS_KEY = fingerprint("simulated")
KEYS = "/admin/api/keys"
ON_PURPOSE = {"upstream": "simulator"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of the test, which may contain the default key file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sora_proxy.key_keeping.source.FILE_CHECK_SECONDS", 0.02)
    return tmp_path


def write(file: Path, content: str) -> None:
    """Write a file as editors do: write a new file and rename it."""
    part = file.with_suffix(".part")
    part.write_text(content)
    part.rename(file)


async def keys_of(proxy: Proxy) -> dict[str, str]:
    """The states of the keys, by their ids."""
    return {key["id"]: key["state"] for key in (await proxy.ask("GET", KEYS))[1]["data"]}


async def assert_simulated(proxy: Proxy) -> None:
    assert (await proxy.get("/health/ready"))["backend"] == "simulator"
    async with proxy.chat() as answer:
        assert (answer.status, answer.headers["x-sora-proxy-backend"]) == (200, "simulator")


async def assert_refused(proxy: Proxy) -> None:
    """Assert that no image is made: the real back end has no usable key, and the simulator does not replace it."""
    async with proxy.chat() as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (503, "no_upstream_key")
    async with proxy.client.get(f"{proxy.url}/health/ready") as answer:
        assert answer.status == 503


# --- Which back end is chosen at startup ------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, {"upstream": "auto"}], ids=["unset", "auto"])
async def test_the_simulator_is_used_whenever_no_key_or_back_end_is_configured(
    start_proxy: StartProxy, settings: dict[str, Any]
) -> None:
    for _ in range(2):
        async with start_proxy(**settings) as proxy:
            await assert_simulated(proxy)
            assert await keys_of(proxy) == {SIMULATORS_KEY: "ready"}


@pytest.mark.parametrize("settings", [{}, {"upstream": "auto"}], ids=["unset", "auto"])
@pytest.mark.parametrize(
    "named",
    [
        {"sora_base_url": "http://127.0.0.1:9"},
        {"sora_base_url": "https://sora.chatgpt.com"},  # the default, written out
        {"api_keys": []},
        {"keys_storage_file": "keys.json"},
    ],
    ids=str,
)
async def test_any_back_end_or_key_option_prevents_the_use_of_the_simulator(
    start_proxy: StartProxy, folder: Path, settings: dict[str, Any], named: dict[str, Any]
) -> None:
    await asyncio.to_thread(write, folder / "keys.json", "[]")
    async with start_proxy(**settings, **named) as proxy:
        await assert_refused(proxy)


async def test_a_default_key_file_prevents_the_use_of_the_simulator(start_proxy: StartProxy, folder: Path) -> None:
    await asyncio.to_thread(write, folder / "api_keys.json", "[]")
    async with start_proxy() as proxy:
        await assert_refused(proxy)


@pytest.mark.parametrize("fields", [{}, {"enabled": False}], ids=["enabled", "disabled"])
async def test_a_key_from_the_admin_api_is_loaded_at_the_next_startup(
    start_proxy: StartProxy, fields: dict[str, Any]
) -> None:
    async with start_proxy(upstream="sora") as proxy:
        assert (await proxy.ask("POST", KEYS, {"key": TOKEN, "proxy": "http://127.0.0.1:9"} | fields))[0] == 201
    async with start_proxy() as proxy:
        assert (await proxy.ask("GET", f"{KEYS}/{fingerprint(TOKEN)}"))[1]["backend"] == "sora"


async def test_stored_keys_that_are_no_longer_configured_prevent_the_use_of_the_simulator(
    start_proxy: StartProxy, simulator: Simulator
) -> None:
    async with start_proxy(**in_front_of(simulator)):
        pass
    async with start_proxy() as proxy:
        await assert_refused(proxy)
        assert (await proxy.ask("DELETE", f"{KEYS}/{fingerprint(UPSTREAM_TOKEN)}"))[0] == 200
    async with start_proxy() as proxy:
        await assert_refused(proxy)
        assert (await proxy.ask("DELETE", "/admin/api/backends/sora"))[0] == 200
    async with start_proxy() as proxy:
        await assert_simulated(proxy)


# --- A key that would never be used -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", KEYS, {"key": TOKEN}),
        ("POST", KEYS, {"key": TOKEN, "enabled": False}),
        ("POST", f"{KEYS}/import", {"text": f"{TOKEN}\nand-another-one-of-the-tests"}),
        ("POST", f"{KEYS}/import", {"text": TOKEN, "dry_run": True}),
        ("PATCH", f"{KEYS}/{SIMULATORS_KEY}", {"key": TOKEN}),
    ],
    ids=["add", "add disabled", "import", "dry run", "change of the token"],
)
async def test_no_key_can_be_added_while_the_simulator_is_the_default(
    start_proxy: StartProxy, method: str, path: str, body: Any
) -> None:
    async with start_proxy() as proxy:
        status, told = await proxy.ask(method, path, body)
        assert (status, told["error"]["code"]) == (409, "simulator_in_use")
        for way in ("UPSTREAM=sora", "SORA_BASE_URL", "restart", "UPSTREAM=simulator"):
            assert way in told["error"]["message"]
        assert await keys_of(proxy) == {SIMULATORS_KEY: "ready"}
        await assert_simulated(proxy)
    async with start_proxy() as proxy:  # the refused keys were not stored
        await assert_simulated(proxy)


async def test_the_simulators_own_key_can_be_changed(start_proxy: StartProxy) -> None:
    async with start_proxy() as proxy:
        assert (await proxy.ask("PATCH", f"{KEYS}/{SIMULATORS_KEY}", {"weight": 2}))[0] == 200
        for action, state in (("disable", "disabled"), ("enable", "ready")):
            await proxy.ask("POST", f"{KEYS}/batch", {"ids": [SIMULATORS_KEY], "action": action})
            assert await keys_of(proxy) == {SIMULATORS_KEY: state}


@pytest.mark.parametrize("content", [f'[{{"key": "{TOKEN}"}}]', "[]"], ids=["a key", "empty"])
async def test_a_new_key_file_is_logged_and_used_at_the_next_startup(
    start_proxy: StartProxy, folder: Path, caplog: pytest.LogCaptureFixture, content: str
) -> None:
    async def warnings() -> list[str]:
        found = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        return [message for message in found if "key file" in message]

    async with start_proxy() as proxy:
        await asyncio.to_thread(write, folder / "api_keys.json", content)
        (warning,) = await eventually(warnings)
        assert "restart the server to use UPSTREAM=sora" in warning
        assert "UPSTREAM=sora" in warning
        assert TOKEN not in caplog.text
        assert await keys_of(proxy) == {SIMULATORS_KEY: "ready"}
        await assert_simulated(proxy)
    async with start_proxy() as proxy:
        found = (await proxy.ask("GET", KEYS))[1]["data"]
        assert {key["backend"] for key in found} == {"sora"}
        assert (fingerprint(TOKEN) in {key["id"] for key in found}) == (TOKEN in content)
    assert len(await warnings()) == 1


async def test_keys_are_accepted_if_the_simulator_is_configured(start_proxy: StartProxy, folder: Path) -> None:
    async with start_proxy(**ON_PURPOSE) as proxy:
        assert (await proxy.ask("POST", KEYS, {"key": TOKEN}))[0] == 201
        assert (await proxy.ask("POST", f"{KEYS}/import", {"text": "one-more-token-of-the-tests"}))[0] == 200
        tokens = ("simulated", TOKEN, "one-more-token-of-the-tests")
        assert await keys_of(proxy) == {fingerprint(token): "ready" for token in tokens}
        await asyncio.to_thread(write, folder / "api_keys.json", f'[{{"key": "{UPSTREAM_TOKEN}"}}]')

        async def it_is_taken() -> bool:
            return fingerprint(UPSTREAM_TOKEN) in await keys_of(proxy)

        await eventually(it_is_taken)
        await assert_simulated(proxy)


async def test_a_configured_simulator_is_used_despite_stored_keys(
    start_proxy: StartProxy, simulator: Simulator
) -> None:
    async with start_proxy(**in_front_of(simulator)):
        pass
    async with start_proxy(**ON_PURPOSE) as proxy:
        await assert_simulated(proxy)
    async with start_proxy(**ON_PURPOSE, api_keys=upstream_keys(TOKEN)) as proxy:
        await assert_simulated(proxy)
        assert (await keys_of(proxy))[fingerprint(TOKEN)] in ("ready", "busy")
    assert (await simulator.stats())["registered"] == 0
