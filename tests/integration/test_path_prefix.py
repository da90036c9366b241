"""The addresses that the server shows behind proxies that add a path prefix or connect to a unix socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from sora_proxy.api.context import SUPERVISOR
from sora_proxy.api.listening import Listener
from tests.api_page import ApiPage
from tests.conftest import (
    ADMIN_KEY,
    CLIENT_KEY,
    HOUR,
    Proxy,
    Simulator,
    StartProxy,
    StartSimulator,
    app_for,
    in_front_of,
)
from tests.eventually import PATIENCE
from tests.receiver import Receiver

FORWARDED = {"x-forwarded-proto": "https", "x-forwarded-host": "images.example.com", "x-forwarded-prefix": "/sora"}
PUBLIC = "https://images.example.com/sora"
TRUSTED = {"trusted_proxies": "127.0.0.1"}
NOT_PREFIXES = [
    "sora",
    "//evil.example",
    "/../admin",
    "/a/./b",
    "/a//b",
    "https://evil.example",
    "/a'b",
    '/a"b',
    "/a b",
]
NOT_PREFIXES += ["/a?b", "/a#b", "/%2e%2e", "/a\\b", "/<b>", "/$(id)", "/`id`", "/a;b", "/", ""]


@pytest.fixture
def on_unix_socket(tmp_path: Path, socket_path: Path) -> StartProxy:
    """Start a server that listens only on a unix socket."""

    @asynccontextmanager
    async def start(**settings: Any) -> AsyncIterator[Proxy]:
        app = await asyncio.to_thread(app_for, tmp_path, **settings)
        listener = Listener([f"unix:{socket_path}"], 0)
        app.cleanup_ctx.append(listener.bound)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        try:
            await runner.setup()
            await listener.start(runner)
            headers = {"authorization": f"Bearer {CLIENT_KEY}"}
            connector = aiohttp.UnixConnector(str(socket_path))
            async with aiohttp.ClientSession(headers=headers, connector=connector) as client:
                yield Proxy("http://localhost", client, app)
        finally:
            await runner.cleanup()

    return start


async def origin_of(proxy: Proxy, **headers: str) -> str:
    """The origin that the server shows to a client that sends these headers."""
    async with proxy.client.get(f"{proxy.url}/docs", headers=headers) as answer:
        command = dict(ApiPage.read(await answer.read()).commands())["GET /health"]
    return command.removeprefix("curl '").removesuffix("/health'")


async def server_of(proxy: Proxy, **headers: str) -> str:
    """The address of the routes in the API document."""
    async with proxy.client.get(f"{proxy.url}/openapi.json", headers=headers) as answer:
        (server,) = (await answer.json())["servers"]
        return str(server["url"])


async def test_every_address_contains_the_prefix_that_a_trusted_proxy_sends(
    start_proxy: StartProxy, simulator: Simulator
) -> None:
    settings = in_front_of(simulator) | {"image_localization": True} | TRUSTED
    async with start_proxy(**settings) as proxy:
        assert await origin_of(proxy, **FORWARDED) == PUBLIC
        assert await server_of(proxy, **FORWARDED) == PUBLIC
        async with proxy.chat(headers=FORWARDED) as answer:
            made = await answer.json()
        link = f"({PUBLIC}/images/"
        assert link in made["choices"][0]["message"]["content"]
        # Links are made when they are shown, so a client that reaches the server directly gets other links.
        assert f"({proxy.url}/images/" in str(await proxy.get(f"/v1/generation/{made['id']}"))
        async with proxy.client.get(f"{proxy.url}/v1/generation/{made['id']}", headers=FORWARDED) as answer:
            assert link in (await answer.json())["choices"][0]["message"]["content"]


async def test_the_address_for_resuming_a_stream_contains_the_prefix(
    start_simulator: StartSimulator, start_proxy: StartProxy
) -> None:
    async with start_simulator(seconds=HOUR) as simulator:
        settings = in_front_of(simulator) | TRUSTED
        async with start_proxy(**settings) as proxy, proxy.chat(stream=True, headers=FORWARDED) as answer:
            await simulator.wait_for(registered=1)
            await proxy.app[SUPERVISOR].stop(PATIENCE)
            address = f"resume this stream at {PUBLIC}/v1/chat/completions/{answer.headers['x-generation-id']}?"
            assert address in (await answer.read()).decode()


async def test_the_link_in_a_webhook_contains_the_prefix_of_its_order(
    start_proxy: StartProxy, simulator: Simulator, receiver: Receiver
) -> None:
    settings = in_front_of(simulator) | {"image_localization": True, "webhook_allow": (receiver.host,)} | TRUSTED
    async with start_proxy(**settings) as proxy:
        metadata = {"webhook_url": receiver.url}
        async with proxy.chat(headers=FORWARDED, background=True, metadata=metadata) as answer:
            assert answer.status == 200
        call = await receiver.until(1)
    assert f"{PUBLIC}/images/" in call.body.decode()


@pytest.mark.parametrize("prefix", NOT_PREFIXES)
async def test_a_prefix_that_is_not_a_plain_path_is_ignored(start_proxy: StartProxy, prefix: str) -> None:
    async with start_proxy(**TRUSTED) as proxy:
        assert await origin_of(proxy, **FORWARDED | {"x-forwarded-prefix": prefix}) == "https://images.example.com"


@pytest.mark.parametrize("prefix", ["/sora/", "/sora, /inner"])
async def test_only_the_first_prefix_is_used_and_its_trailing_slash_is_removed(
    start_proxy: StartProxy, prefix: str
) -> None:
    async with start_proxy(**TRUSTED) as proxy:
        assert await origin_of(proxy, **FORWARDED | {"x-forwarded-prefix": prefix}) == PUBLIC


async def test_a_prefix_from_an_untrusted_client_is_ignored(start_proxy: StartProxy) -> None:
    async with start_proxy(trusted_proxies="10.0.0.0/8,unix") as proxy:
        assert await origin_of(proxy, **FORWARDED) == proxy.url
        assert await server_of(proxy, **FORWARDED) == "/"


async def test_base_url_overrides_the_prefix(start_proxy: StartProxy) -> None:
    async with start_proxy(base_url="https://images.example.com/v", **TRUSTED) as proxy:
        assert await origin_of(proxy, **FORWARDED) == "https://images.example.com/v"
        assert await server_of(proxy, **FORWARDED) == "https://images.example.com/v"


@pytest.mark.parametrize(("trusted", "origin"), [("unix", PUBLIC), ("127.0.0.0/8,0.0.0.0/0,::/0", "http://localhost")])
async def test_a_proxy_at_a_unix_socket_is_trusted_only_if_unix_is_listed(
    on_unix_socket: StartProxy, trusted: str, origin: str
) -> None:
    async with on_unix_socket(trusted_proxies=trusted) as proxy:
        assert await origin_of(proxy, **FORWARDED) == origin


async def test_an_invalid_host_header_at_a_unix_socket_is_not_used_in_links(on_unix_socket: StartProxy) -> None:
    async with on_unix_socket() as proxy:
        assert await origin_of(proxy, host="a:b:c") == "http://localhost"


@pytest.mark.parametrize(
    ("trusted", "forwarded", "address"),
    [
        ("unix", "192.0.2.66", "192.0.2.66"),
        ("unix,10.0.0.0/8", "192.0.2.66, 10.1.2.3", "192.0.2.66"),
        ("unix", "192.0.2.66, 10.1.2.3", "10.1.2.3"),
        ("unix", "192.0.2.66, unix", "unix"),
        ("10.0.0.0/8", "192.0.2.66", "unix"),
    ],
)
async def test_only_a_trusted_proxy_at_a_unix_socket_determines_the_client_address(
    on_unix_socket: StartProxy, trusted: str, forwarded: str, address: str
) -> None:
    async with on_unix_socket(trusted_proxies=trusted) as proxy:
        headers = {"authorization": f"Bearer {ADMIN_KEY}", "x-forwarded-for": forwarded}
        change = {"IMAGE_LOCALIZATION": True}
        async with proxy.client.patch(f"{proxy.url}/admin/api/settings", json=change, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
        entry = (await proxy.admin_get("/admin/api/audit"))["data"][0]
    assert entry["address"] == address
