"""An order, its polls and its downloads use the egresses of its key, and the next egress if one fails."""

import socket
from typing import Any

import pytest

from sora_proxy.scheduling.keys import Key
from sora_proxy.settings.access import fingerprint
from tests.conftest import Proxy, Simulator, StartProxy, upstream_keys
from tests.scripted import Script, Serve, Server, behind_socks, leading_to
from tests.streams import read_stream

HOST = "sora.test"  # only a proxy can resolve this name, so every request that arrives came through a proxy
CHALLENGE = b"HTTP/1.1 403 Forbidden\r\ncf-mitigated: challenge\r\ncontent-type: text/html\r\ncontent-length: 0\r\n\r\n"
GIF = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///ywAAAAAAQABAAACAUwAOw=="


def port_of(simulator: Simulator) -> int:
    return int(simulator.url.rpartition(":")[2])


def by_name(simulator: Simulator) -> dict[str, Any]:
    """The settings of a server in front of a simulator. Only a proxy can resolve the name of the simulator's host."""
    return {
        "upstream": "sora",
        "sora_base_url": f"http://{HOST}:{port_of(simulator)}",
        "image_localization": True,
    }


def challenge_all(server: Server, sock: socket.socket) -> None:
    while server.read(sock):
        sock.sendall(CHALLENGE)


def key_of(proxy: Proxy, token: str) -> Key:
    key = proxy.pool.get(fingerprint(token))
    assert key is not None
    return key


async def test_all_calls_go_through_a_socks_proxy_with_a_password(
    start_proxy: StartProxy, simulator: Simulator, serve: Serve
) -> None:
    server = serve(behind_socks(leading_to(port_of(simulator)), user="user", password="p@ss:word"))
    way = f"socks5://user:p%40ss%3Aword@127.0.0.1:{server.port}"
    async with (
        start_proxy(**by_name(simulator), api_keys=upstream_keys(), proxies=way) as proxy,
        proxy.chat(f"{GIF} larger") as answer,
    ):
        content = (await answer.json())["choices"][0]["message"]["content"]

    assert f"]({proxy.url}/images/" in content
    assert set((await simulator.stats())["requests"]) == {"upload", "submit", "list", "media"}
    assert set(server.destinations) == {(HOST, port_of(simulator))}


def refuse_all(server: Server, sock: socket.socket) -> None:
    while server.read(sock):
        sock.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")


def hang_up(_server: Server, _sock: socket.socket) -> None:
    pass


FAILING: dict[str, tuple[str, Script]] = {
    "challenged": ("http", challenge_all),
    "refused": ("http", refuse_all),
    "broken": ("http", hang_up),
    "challenged through socks": ("socks5", behind_socks(challenge_all)),
    "refused by socks": ("socks5", behind_socks(challenge_all, user="user", password="another")),
    "broken socks": ("socks5", hang_up),
}


@pytest.mark.parametrize("failing", FAILING)
async def test_a_key_uses_its_second_egress_when_the_first_egress_fails(
    start_proxy: StartProxy, simulator: Simulator, serve: Serve, failing: str
) -> None:
    scheme, script = FAILING[failing]
    first, second = serve(script), serve(behind_socks(leading_to(port_of(simulator))))
    ways = f"{scheme}://127.0.0.1:{first.port},socks5://127.0.0.1:{second.port}"
    async with start_proxy(**by_name(simulator), api_keys=upstream_keys("one", proxy=ways)) as proxy:
        for _ in range(2):
            async with proxy.chat() as answer:
                assert answer.status == 200
                assert f"]({proxy.url}/images/" in (await answer.json())["choices"][0]["message"]["content"]
        key = key_of(proxy, "one")
        assert key.rejected is None
        assert key.cooldown.failures == 0
        assert key.egresses[0].cooldown.failures > 0
        assert key.egresses[1].cooldown.failures == 0

    assert first.connections > 0
    assert (await simulator.stats())["registered"] == 2


async def test_an_image_is_fetched_through_the_next_egress_after_a_challenge(
    start_proxy: StartProxy, simulator: Simulator, serve: Serve
) -> None:
    await simulator.order_fault("challenge", endpoint="media", times=1)
    first, second = (serve(behind_socks(leading_to(port_of(simulator)))) for _ in range(2))
    ways = f"socks5://127.0.0.1:{first.port},socks5://127.0.0.1:{second.port}"
    async with (
        start_proxy(**by_name(simulator), api_keys=upstream_keys(), proxies=ways) as proxy,
        proxy.chat() as answer,
    ):
        assert f"]({proxy.url}/images/" in (await answer.json())["choices"][0]["message"]["content"]

    assert first.destinations
    assert second.destinations


async def test_an_order_whose_answer_was_lost_is_searched_for_through_the_next_egress(
    start_proxy: StartProxy, simulator: Simulator, serve: Serve
) -> None:
    def only_once(server: Server, sock: socket.socket) -> None:
        if len(server.destinations) == 1:
            leading_to(port_of(simulator))(server, sock)

    await simulator.order_fault("drop", endpoint="submit", times=1, registered=True)
    first, second = serve(behind_socks(only_once)), serve(behind_socks(leading_to(port_of(simulator))))
    ways = f"socks5://127.0.0.1:{first.port},socks5://127.0.0.1:{second.port}"
    async with (
        start_proxy(**by_name(simulator), api_keys=upstream_keys(), proxies=ways) as proxy,
        proxy.chat() as answer,
    ):
        assert answer.status == 200

    assert (await simulator.stats())["registered"] == 1
    assert second.destinations


async def test_the_broken_egress_of_a_key_does_not_affect_other_keys(
    start_proxy: StartProxy, simulator: Simulator, serve: Serve, silent: int
) -> None:
    server = serve(behind_socks(leading_to(port_of(simulator))))
    keys = [
        *upstream_keys("own", proxy=f"socks5://127.0.0.1:{server.port}", max_concurrent=1),
        *upstream_keys("broken", proxy=f"http://127.0.0.1:{silent}"),
        *upstream_keys("usual"),
    ]
    settings = by_name(simulator) | {"sora_base_url": simulator.url}
    async with start_proxy(**settings, api_keys=keys) as proxy:
        answers = [await proxy.chat(stream=True) for _ in range(4)]
        assert all([(await read_stream(answer)).done for answer in answers])
        assert {token for token in ("own", "broken", "usual") if key_of(proxy, token).rejected} == set()

    stats = await simulator.stats()
    assert set(stats["requests"]["submit"]) == {"own", "usual"}
    assert server.connections > 0


@pytest.mark.parametrize("endpoint", ["list", "media"])
async def test_a_slow_answer_through_a_socks_proxy_is_cut_off_at_the_deadline(
    start_proxy: StartProxy, simulator: Simulator, serve: Serve, endpoint: str
) -> None:
    await simulator.order_fault("slow_body", endpoint=endpoint, times=1, seconds=0.1)
    server = serve(behind_socks(leading_to(port_of(simulator))))
    short = {"poll_timeout": 2.0, "download_timeout": 2.0}  # in seconds; an ordinary call takes 0.02 seconds
    way = f"socks5://127.0.0.1:{server.port}"
    async with (
        start_proxy(**by_name(simulator), **short, api_keys=upstream_keys(), proxies=way) as proxy,
        proxy.chat() as answer,
    ):
        assert f"]({proxy.url}/images/" in (await answer.json())["choices"][0]["message"]["content"]

    assert (await simulator.stats())["registered"] == 1


@pytest.mark.parametrize("registered", [True, False], ids=["registered", "not registered"])
async def test_an_order_whose_answer_is_lost_behind_a_socks_proxy_is_made_exactly_once(
    start_proxy: StartProxy, simulator: Simulator, serve: Serve, registered: bool
) -> None:
    await simulator.order_fault("drop", endpoint="submit", times=1, registered=registered)
    server = serve(behind_socks(leading_to(port_of(simulator))))
    way = f"socks5://127.0.0.1:{server.port}"
    async with (
        start_proxy(**by_name(simulator), api_keys=upstream_keys(), proxies=way) as proxy,
        proxy.chat() as answer,
    ):
        assert answer.status == 200

    stats = await simulator.stats()
    assert stats["registered"] == 1
    assert sum(stats["requests"]["submit"].values()) == (1 if registered else 2)


async def test_without_a_working_egress_clients_get_an_error_and_keys_stay_in_service(
    start_proxy: StartProxy, simulator: Simulator, silent: int, caplog: pytest.LogCaptureFixture
) -> None:
    ways = f"socks5://user:the-password@127.0.0.1:{silent},http://user:the-password@127.0.0.1:{silent}"
    settings = by_name(simulator) | {"max_queue_wait": 0.5}
    async with start_proxy(**settings, api_keys=upstream_keys(), proxies=ways) as proxy:
        async with proxy.chat() as answer:
            error = (await answer.json())["error"]
            assert (answer.status, error["code"]) == (502, "upstream_proxy")
        assert [key.rejected for key in proxy.pool.keys] == [None] * len(upstream_keys())
        async with proxy.client.get(f"{proxy.url}/health/ready") as answer:
            reasons = (await answer.json()).get("reasons", [])
            assert {reason["code"] for reason in reasons} <= {"backend_unreachable"}

    assert "the-password" not in caplog.text + str(error)
    assert (await simulator.stats())["requests"] == {}
