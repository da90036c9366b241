"""Options that operators change at run time: changes take effect at once, and are stored and audited."""

import logging
from typing import Any

import aiohttp
import pytest

from tests.conftest import ADMIN_KEY, HOUR, Proxy, Simulator, StartProxy, in_front_of
from tests.streams import read_stream

SETTINGS, AUDIT = "/admin/api/settings", "/admin/api/audit"
HEADERS = {"authorization": f"Bearer {ADMIN_KEY}"}
UNSPECIFIED = ("0.0.0.0", "0", "0x0", "[::]", "[0:0::0]")  # noqa: S104 - addresses to listen on, which clients can't use


async def read(session: aiohttp.ClientSession, proxy: Proxy, path: str = SETTINGS) -> Any:
    async with session.get(proxy.url + path, headers=HEADERS) as answer:
        assert answer.status == 200
        return await answer.json()


async def change(session: aiohttp.ClientSession, proxy: Proxy, **options: Any) -> tuple[int, Any]:
    async with session.patch(proxy.url + SETTINGS, json=options, headers=HEADERS) as answer:
        return answer.status, await answer.json()


async def audited_changes(session: aiohttp.ClientSession, proxy: Proxy) -> list[dict[str, Any]]:
    """The entries of the audit log about settings, newest first."""
    entries = (await read(session, proxy, AUDIT))["data"]
    return [entry for entry in entries if entry["action"] == "settings.change"]


async def image_link(proxy: Proxy) -> str:
    async with proxy.chat() as answer:
        content: str = (await answer.json())["choices"][0]["message"]["content"]
    return content.partition("](")[2].rstrip(")")


async def test_a_changed_base_url_takes_effect_at_once_and_survives_a_restart(
    start_proxy: StartProxy, simulator: Simulator, session: aiohttp.ClientSession
) -> None:
    settings = in_front_of(simulator) | {"image_localization": True}
    async with start_proxy(**settings) as proxy:
        assert (await image_link(proxy)).startswith(f"{proxy.url}/images/")
        status, told = await change(session, proxy, BASE_URL="https://images.example.com/")
        assert status == 200
        assert told["settings"]["BASE_URL"] == {"value": "https://images.example.com", "source": "admin"}
        assert (await image_link(proxy)).startswith("https://images.example.com/images/")
    async with start_proxy(**settings) as proxy:
        assert (await image_link(proxy)).startswith("https://images.example.com/images/")
        await change(session, proxy, BASE_URL=None)
        assert (await image_link(proxy)).startswith(f"{proxy.url}/images/")
    async with start_proxy(**settings) as proxy:
        assert (await image_link(proxy)).startswith(f"{proxy.url}/images/")


async def test_a_change_of_image_localization_applies_to_running_orders(
    start_proxy: StartProxy, start_simulator: Any, session: aiohttp.ClientSession
) -> None:
    async with (
        start_simulator(seconds=HOUR) as simulator,
        start_proxy(**in_front_of(simulator), image_localization=False) as proxy,
        proxy.chat(stream=True) as answer,
    ):
        await simulator.wait_for(registered=1)
        assert (await change(session, proxy, IMAGE_LOCALIZATION=True))[0] == 200
        await simulator.let_pass()
        assert f"({proxy.url}/images/" in (await answer.read()).decode()


async def test_a_waiting_order_uses_a_new_egress_at_once(
    start_proxy: StartProxy, simulator: Simulator, session: aiohttp.ClientSession
) -> None:
    dead = "http://user:marker@127.0.0.1:9"
    settings = in_front_of(simulator) | {"proxies": dead}
    async with start_proxy(**settings) as proxy:
        assert (await read(session, proxy))["settings"]["PROXIES"]["value"] == "http://127.0.0.1:9"
        async with proxy.chat(stream=True) as waiting:
            status, told = await change(session, proxy, PROXIES="direct")
            assert (status, told["settings"]["PROXIES"]["value"]) == (200, "direct")
            assert (await read_stream(waiting)).done
        _, told = await change(session, proxy, PROXIES=f"{dead},direct")
        assert told["settings"]["PROXIES"]["value"] == "http://127.0.0.1:9, direct"
        assert "marker" not in str(await audited_changes(session, proxy))
    async with start_proxy(**settings) as proxy, proxy.chat() as answer:
        assert answer.status == 200


async def test_verbose_logging_can_be_switched_on_and_off_at_run_time(
    proxy: Proxy, session: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    level = logging.getLogger().level
    try:
        for verbose, prompt in ((True, "a loud fox"), (None, "a quiet fox")):
            await change(session, proxy, VERBOSE_LOGGING=verbose)
            async with proxy.chat(prompt) as answer:
                assert answer.status == 200
            assert (prompt in caplog.text) is (verbose is True)
    finally:
        logging.getLogger().setLevel(level)


@pytest.mark.parametrize(
    ("options", "param"),
    [
        *(({"BASE_URL": f"http://{host}:8890"}, "BASE_URL") for host in UNSPECIFIED),
        ({"BASE_URL": "javascript:alert(1)"}, "BASE_URL"),
        ({"BASE_URL": "https://images.example.com/\nx: y"}, "BASE_URL"),
        ({"BASE_URL": ["https://images.example.com"]}, "BASE_URL"),
        ({"IMAGE_LOCALIZATION": "perhaps"}, "IMAGE_LOCALIZATION"),
        ({"IMAGE_LOCALIZATION": 10**30}, "IMAGE_LOCALIZATION"),
        ({"VERBOSE_LOGGING": {}}, "VERBOSE_LOGGING"),
        ({"PROXIES": "http://user:marker@h:1\nAPI_PORT=1"}, "PROXIES"),
        ({"PROXIES": "ftp://h:1"}, "PROXIES"),
        ({"IMAGE_SAVE_DIR": "/etc"}, "IMAGE_SAVE_DIR"),
        ({"ADMIN_KEY": "sk-123456"}, "ADMIN_KEY"),
        ({"base_url": "https://images.example.com"}, "base_url"),
        ({"VERBOSE_LOGGING": True, "API_PORT": 1}, "API_PORT"),
    ],
    ids=str,
)
async def test_an_invalid_change_is_refused_with_the_name_of_the_option(
    proxy: Proxy, session: aiohttp.ClientSession, options: dict[str, Any], param: str
) -> None:
    before = await read(session, proxy)
    status, told = await change(session, proxy, **options)
    assert (status, told["error"]["param"]) == (400, param)
    assert "marker" not in str(told)
    assert await read(session, proxy) == before
    assert await audited_changes(session, proxy) == []


async def test_every_change_is_audited_with_the_old_and_the_new_value(
    proxy: Proxy, session: aiohttp.ClientSession
) -> None:
    await change(session, proxy, BASE_URL="https://a.example.com", IMAGE_LOCALIZATION=False)
    await change(session, proxy, BASE_URL="https://b.example.com")
    newest, oldest = await audited_changes(session, proxy)
    assert (newest["who"], newest["address"], newest["action"]) == ("admin key", "127.0.0.1", "settings.change")
    assert newest["changes"] == {"BASE_URL": ["https://a.example.com", "https://b.example.com"]}
    assert oldest["target"] == "BASE_URL, IMAGE_LOCALIZATION"
    assert oldest["changes"] == {"BASE_URL": [None, "https://a.example.com"], "IMAGE_LOCALIZATION": [True, False]}
