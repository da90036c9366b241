"""Results of back ends are not trusted: neither their addresses nor their number.

The canary is a server on loopback whose origin is not the back end's. Images at its addresses are refused unless
RESULT_ALLOW lists the canary.
"""

import re
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.conftest import Proxy, StartProxy, upstream_keys
from tests.scripted import Serve, behind_socks, leading_to
from tests.sora_server import GIF, Order, Sora, in_front_of

MODES = pytest.mark.parametrize("image_localization", [True, False], ids=["stored", "linked"])


@dataclass
class Canary:
    port: int
    requests: list[str]


@pytest.fixture
async def canary() -> AsyncIterator[Canary]:
    async def handle(request: web.Request) -> web.Response:
        requests.append(request.path)
        return web.Response(body=GIF, content_type="image/gif")

    requests: list[str] = []
    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server()
    yield Canary(server.port or 0, requests)
    await server.close()


def list_results(sora: Sora, *addresses: str) -> None:
    """Make the back end list these results."""

    async def take(order: Order) -> web.StreamResponse:
        task = sora.register(order)
        task["generations"] = [{"url": address} for address in addresses]
        return web.json_response({"id": task["id"]})

    sora.on_order = take


def resolve_to(monkeypatch: pytest.MonkeyPatch, name: str, *answers: str) -> list[str]:
    """Make a name resolve to these IP addresses; returns the list of its look-ups."""
    lookups, real = [], socket.getaddrinfo

    def look_up(host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
        if host != name:
            return real(host, port, *arguments, **options)
        lookups.append(host)
        return [found for answer in answers for found in real(answer, port, type=socket.SOCK_STREAM)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return lookups


async def content_of(proxy: Proxy, **fields: Any) -> str:
    async with proxy.chat(**fields) as answer:
        assert answer.status == 200, await answer.text()
        content: str = (await answer.json())["choices"][0]["message"]["content"]
        return content


async def assert_unavailable(proxy: Proxy) -> None:
    async with proxy.chat() as answer:
        text = await answer.text()
        assert (answer.status, (await answer.json())["error"]["code"]) == (502, "result_unavailable")
        assert "127.0.0.1" not in text
        assert "secret" not in text


@MODES
@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "2130706433", "127.1", "0x7f.0.0.1", "10.0.0.1", "169.254.169.254",
     "[::ffff:127.0.0.1]", "media", "nas.local", "metadata.google.internal", "LOCALHOST"],
)  # fmt: skip
async def test_an_address_that_is_not_public_is_neither_fetched_nor_shown(
    start_proxy: StartProxy,
    sora: Sora,
    canary: Canary,
    host: str,
    image_localization: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    list_results(sora, f"http://{host}:{canary.port}/fox.gif?sig=secret")
    async with start_proxy(**in_front_of(sora), image_localization=image_localization) as proxy:
        await assert_unavailable(proxy)
    assert canary.requests == []
    assert f"host='{host.lower()}:{canary.port}'" in caplog.text
    assert "RESULT_ALLOW" in caplog.text
    assert "secret" not in caplog.text


@MODES
@pytest.mark.parametrize("answers", [["127.0.0.1"], ["93.184.215.14", "127.0.0.1"], ["::1"], ["10.0.0.1"]], ids=repr)
async def test_a_name_that_resolves_to_a_private_address_is_refused_after_one_lookup(
    start_proxy: StartProxy,
    sora: Sora,
    canary: Canary,
    monkeypatch: pytest.MonkeyPatch,
    answers: list[str],
    image_localization: bool,
) -> None:
    lookups = resolve_to(monkeypatch, "media.example.com", *answers)
    list_results(sora, f"http://media.example.com:{canary.port}/fox.gif")
    async with start_proxy(**in_front_of(sora), image_localization=image_localization) as proxy:
        await assert_unavailable(proxy)
    assert canary.requests == []
    assert lookups == ["media.example.com"]


@pytest.mark.parametrize("entry", ["127.0.0.1", "127.0.0.1:{port}", "Media.Local", "media.local:{port}"])
async def test_an_image_on_a_host_in_result_allow_is_fetched(
    start_proxy: StartProxy, sora: Sora, canary: Canary, monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    resolve_to(monkeypatch, "media.local", "127.0.0.1")
    allowed = entry.replace("{port}", str(canary.port))
    host = allowed.lower().partition(":")[0]
    list_results(sora, f"http://{host}:{canary.port}/fox.gif")
    async with start_proxy(**in_front_of(sora), image_localization=True, result_allow=(allowed,)) as proxy:
        assert f"]({proxy.url}/images/" in await content_of(proxy)
    assert canary.requests == ["/fox.gif"]


async def test_another_port_of_an_allowed_host_is_refused(start_proxy: StartProxy, sora: Sora, canary: Canary) -> None:
    list_results(sora, f"http://127.0.0.1:{canary.port}/fox.gif")
    async with start_proxy(**in_front_of(sora), image_localization=True, result_allow=("127.0.0.1:1",)) as proxy:
        await assert_unavailable(proxy)
    assert canary.requests == []


@MODES
async def test_a_private_address_is_allowed_only_for_the_server_of_the_key(
    start_proxy: StartProxy, sora: Sora, canary: Canary, image_localization: bool
) -> None:
    other = {"key": "other", "base_url": f"http://127.0.0.1:{canary.port}", "enabled": False}
    keys = [*upstream_keys(base_url=sora.url), other]
    list_results(sora, sora.result_of("task_1"), f"http://127.0.0.1:{canary.port}/fox.gif")
    settings = in_front_of(sora, api_keys=keys, sora_base_url="http://127.0.0.1:9")
    async with start_proxy(**settings, image_localization=image_localization) as proxy:
        image, missing = (await content_of(proxy, n=2)).split("\n\n")
    assert image.startswith(f"![a red fox]({proxy.url if image_localization else sora.url}/")
    assert missing == "Image 2 could not be made."
    assert canary.requests == []


async def test_a_proxy_resolves_all_names_except_local_names(
    start_proxy: StartProxy, sora: Sora, canary: Canary, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    lookups = resolve_to(monkeypatch, "media.example.com", "127.0.0.1")
    port = int(sora.url.rpartition(":")[2])
    server = serve(behind_socks(leading_to(port)))
    settings = in_front_of(sora, image_localization=True, proxies=f"socks5://127.0.0.1:{server.port}")
    async with start_proxy(**settings) as proxy:
        list_results(sora, "http://media.example.com/media/fox.gif")
        assert f"]({proxy.url}/images/" in await content_of(proxy)
        for host in ("127.0.0.1", "localhost", "nas.local", "2130706433"):
            list_results(sora, f"http://{host}:{canary.port}/media/fox.gif")
            await assert_unavailable(proxy)
    assert sora.fetched == ["http://media.example.com/media/fox.gif"]
    assert set(server.destinations) == {("127.0.0.1", port), ("media.example.com", 80)}
    assert lookups == []


@MODES
async def test_a_refused_image_address_does_not_affect_the_other_images(
    start_proxy: StartProxy, sora: Sora, canary: Canary, image_localization: bool
) -> None:
    list_results(sora, f"http://127.0.0.1:{canary.port}/fox.gif", sora.result_of("task_1"))
    async with start_proxy(**in_front_of(sora), image_localization=image_localization) as proxy:
        image, missing = (await content_of(proxy, n=2)).split("\n\n")
    assert image.startswith(f"![a red fox]({proxy.url if image_localization else sora.url}/")
    assert missing == "Image 1 could not be made."
    assert canary.requests == []


@MODES
async def test_images_beyond_the_requested_number_are_not_downloaded(
    start_proxy: StartProxy, sora: Sora, image_localization: bool
) -> None:
    list_results(sora, *(sora.result_of(f"number_{number}") for number in range(30)))
    async with start_proxy(**in_front_of(sora), image_localization=image_localization) as proxy:
        assert (await content_of(proxy)).count("](") == 1
        assert (await content_of(proxy, n=2)).count("](") == 2
    assert len(sora.fetched) == (3 if image_localization else 0)


async def test_an_expired_result_is_found_again_by_its_position_among_surplus_results(
    start_proxy: StartProxy, sora: Sora
) -> None:
    first, others = sora.result_of("first"), [sora.result_of(f"number_{number}") for number in range(3)]
    list_results(sora, first, *others)
    sora.media["first.gif"] = None

    async def renew(request_path: str) -> None:
        """Move the result to another address as soon as the old one is requested."""
        await sora.until(lambda: any(path.endswith(request_path) for path in sora.fetched))
        sora.tasks[next(iter(sora.tasks))][0]["generations"][0]["url"] = sora.result_of("renewed")

    async with start_proxy(**in_front_of(sora), image_localization=True) as proxy, proxy.chat(stream=True) as answer:
        await renew("/first.gif")
        text = await answer.text()
    assert f"]({proxy.url}/images/" in text
    assert sora.fetched[-1] == sora.result_of("renewed")


PHISHING = ') **CLICK** [free](https://evil.example/phish) ![a](http://x/<script>\\"`'
SHOWN = re.compile(r"!\[a red fox\]\(http://127\.0\.0\.1:\d+/[^()<>\"\\` ]*\)")


async def test_markdown_in_the_address_of_an_image_has_no_effect(start_proxy: StartProxy, sora: Sora) -> None:
    list_results(sora, f"{sora.url}/media/fox.gif{PHISHING}")
    async with start_proxy(**in_front_of(sora), image_localization=False) as proxy:
        content = await content_of(proxy)
    assert SHOWN.fullmatch(content)
    assert content.count("](") == 1


@MODES
@pytest.mark.parametrize(
    "ending", ["\n# Heading", "\x1b[2J", "\u202egpj", "\t", "füchse", "x" * 8192], ids=lambda text: ascii(text[:9])
)
async def test_an_address_that_is_too_long_or_has_invalid_characters_is_ignored(
    start_proxy: StartProxy, sora: Sora, ending: str, image_localization: bool
) -> None:
    list_results(sora, f"{sora.url}/media/fox.gif{ending}")
    async with start_proxy(**in_front_of(sora), image_localization=image_localization) as proxy:
        await assert_unavailable(proxy)
    assert sora.fetched == []
