"""Clients see the models that the back ends list, even while a back end can't be reached."""

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from sora_proxy.blocking import BlockingPool
from sora_proxy.settings.accounts import Account
from sora_proxy.upstream import Abilities, BackendOptions, Capabilities
from sora_proxy.upstream.registry import BACKENDS
from tests.conftest import ADMIN_KEY, Proxy, StartProxy, upstream_keys
from tests.contract.toy_server import ToyServer
from tests.contract.toys.calls import ask
from tests.contract.toys.named import Named
from tests.eventually import eventually


class Lists(Named):
    """A toy back end that has no models until its server has listed them."""

    def __init__(self, options: BackendOptions, threads: BlockingPool) -> None:
        super().__init__(options, threads)
        self.capabilities = Capabilities()

    async def ask_capabilities(self, account: Account) -> Capabilities:
        _, listed = await ask(account, "GET", f"{account.base_url or self.base_url}/models")
        return Capabilities({name: Abilities(((64, 64),), max_images=n) for name, n in listed.items()})


@asynccontextmanager
async def serve(port: int = 0, **models: int) -> AsyncIterator[ToyServer]:
    """A server that lists these models, each with its maximum number of images per order."""
    server = ToyServer()
    server.models = models
    runner = await server.start(port)
    yield server
    await runner.cleanup()


@pytest.fixture(autouse=True)
def _asked_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKENDS, "lists", Lists)
    monkeypatch.setattr("sora_proxy.backend_keeping.discovery.RETRY_SECONDS", 0.1)
    monkeypatch.setattr("sora_proxy.backend_keeping.discovery.REFRESH_SECONDS", 0.1)


@pytest.fixture
def free_port() -> int:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        return int(reserved.getsockname()[1])


def entry(url: str, **fields: Any) -> dict[str, Any]:
    return {"name": "first", "kind": "lists", "base_url": url, "keys": upstream_keys(), **fields}


async def listed(proxy: Proxy) -> dict[str, int]:
    """The models that clients see, each with its maximum number of images per order."""
    models = (await proxy.get("/v1/models"))["data"]
    return {each["id"]: each["capabilities"]["max_images"] for each in models if "alias_of" not in each}


async def until_listed(proxy: Proxy, **models: int) -> None:
    async def look() -> bool:
        return await listed(proxy) == models

    await eventually(look)


async def refusal(proxy: Proxy, **fields: Any) -> tuple[int, str]:
    async with proxy.chat(**fields) as answer:
        return answer.status, (await answer.json())["error"]["code"]


async def test_the_listed_models_follow_the_list_of_the_server(start_proxy: StartProxy) -> None:
    async with serve(fox=1) as server, start_proxy(backends=[entry(server.url)]) as proxy:
        await until_listed(proxy, fox=1)
        assert (await proxy.get("/v1/models/dall-e-3"))["alias_of"] == "fox"
        assert await refusal(proxy, model="hare") == (404, "model_not_found")
        server.models = {"hare": 2, "fox": 3}
        await until_listed(proxy, hare=2, fox=3)
        async with proxy.chat(model="hare", n=2) as answer:
            assert answer.status == 200
        server.models = {"hare": 2}
        await until_listed(proxy, hare=2)
        assert await refusal(proxy, model="fox") == (404, "model_not_found")


async def test_the_operators_list_of_models_takes_precedence_over_the_servers_list(
    start_proxy: StartProxy,
) -> None:
    async with serve(fox=3, hare=2) as server:
        backends = [entry(server.url, models={"animal": "fox", "unlisted": "unlisted"})]
        async with start_proxy(backends=backends) as proxy:
            await until_listed(proxy, animal=3, unlisted=1)


async def test_orders_are_answered_with_503_until_the_server_lists_its_models(
    start_proxy: StartProxy, free_port: int
) -> None:
    backends = [entry(f"http://127.0.0.1:{free_port}")]
    async with start_proxy(backends=backends, default_model="fox") as proxy:
        assert await listed(proxy) == {}
        assert await refusal(proxy, model="fox") == (503, "models_not_listed")
        async with proxy.client.post(f"{proxy.url}/v1/images/generations", json={"prompt": "a fox"}) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        async with serve(free_port, fox=1):
            await until_listed(proxy, fox=1)

            async def made() -> bool:
                async with proxy.chat(model="fox") as answer:
                    return bool(answer.status == 200)

            await eventually(made)


async def readiness(proxy: Proxy) -> tuple[int, str | None]:
    """The status of the readiness check, and the code of its error, if any."""
    async with proxy.client.get(f"{proxy.url}/health/ready") as answer:
        return answer.status, (await answer.json()).get("error", {}).get("code")


async def test_the_server_is_ready_once_a_model_is_available(start_proxy: StartProxy, free_port: int) -> None:
    async with start_proxy(backends=[entry(f"http://127.0.0.1:{free_port}")]) as proxy:
        assert await readiness(proxy) == (503, "models_not_listed")
        async with serve(free_port, fox=1):
            await until_listed(proxy, fox=1)
            assert await readiness(proxy) == (200, None)
        assert await readiness(proxy) == (200, None)


async def test_models_survive_a_restart_while_their_server_is_unreachable(
    start_proxy: StartProxy, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sora_proxy.scheduling.order_queue.MAX_REFUSED_SECONDS", 0.5)
    backends = [entry(f"http://127.0.0.1:{free_port}")]
    async with serve(free_port, fox=2), start_proxy(backends=backends) as proxy:
        await until_listed(proxy, fox=2)
    async with start_proxy(backends=backends) as proxy:
        assert await listed(proxy) == {"fox": 2}
        assert await refusal(proxy, model="fox") == (502, "upstream_unavailable")
        assert await refusal(proxy, model="hare") == (404, "model_not_found")


async def test_models_of_a_server_that_does_not_answer_stay_listed(start_proxy: StartProxy) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serve(fox=1))
        async with serve(hare=1, fox=4) as other:
            keys = [{"key": "one"}, {"key": "two", "base_url": other.url}]
            proxy = await stack.enter_async_context(start_proxy(backends=[entry(server.url, keys=keys)]))
            await until_listed(proxy, fox=4, hare=1)
            server.models, other.models = {"wolf": 1}, {"deer": 1, "fox": 4}
            await until_listed(proxy, wolf=1, deer=1, fox=4)
        server.models = {"bear": 1}
        await until_listed(proxy, bear=1, wolf=1, deer=1, fox=4)


async def test_a_refresh_lists_the_models_of_a_back_end_or_shows_its_error(
    start_proxy: StartProxy, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sora_proxy.backend_keeping.discovery.RETRY_SECONDS", 3600)
    headers = {"authorization": f"Bearer {ADMIN_KEY}"}
    async with start_proxy(backends=[entry(f"http://127.0.0.1:{free_port}")]) as proxy:
        url = f"{proxy.url}/admin/api/backends/first/refresh"
        async with proxy.client.post(url, headers=headers) as answer:
            found = await answer.json()
            assert (found["served_models"], found["why_not_listed"]) == ([], "the toy can't be reached")
        async with serve(free_port, fox=1), proxy.client.post(url, headers=headers) as answer:
            found = await answer.json()
            assert (found["served_models"], found["why_not_listed"]) == (["fox"], None)
        assert await listed(proxy) == {"fox": 1}


class Wide(Lists):
    """A back end whose models make only one size, which the other back end does not make."""

    async def ask_capabilities(self, account: Account) -> Capabilities:
        found = await super().ask_capabilities(account)
        return Capabilities(dict.fromkeys(found.models, Abilities(((1024, 768),))))


async def test_an_order_gets_the_nearest_size_of_the_back_end_that_makes_it(
    start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch, silent: int
) -> None:
    monkeypatch.setitem(BACKENDS, "wide", Wide)
    async with serve(fox=1) as first, serve(fox=1) as second:
        entries = [entry(first.url), entry(second.url, name="second", kind="wide")]
        async with start_proxy(backends=entries) as proxy:
            await until_listed(proxy, fox=1)
            headers = {"authorization": f"Bearer {ADMIN_KEY}"}
            for name in ("first", "second"):
                url = f"{proxy.url}/admin/api/backends/{name}/refresh"
                async with proxy.client.post(url, headers=headers) as answer:
                    assert answer.status == 200
            url, unreachable = f"{proxy.url}/admin/api/backends/first", f"http://127.0.0.1:{silent}"
            async with proxy.client.patch(url, json={"base_url": unreachable}, headers=headers) as answer:
                assert answer.status == 200
            order = {"model": "fox", "prompt": "a fox", "size": "512x512"}
            async with proxy.client.post(f"{proxy.url}/v1/images/generations", json=order) as answer:
                assert (await answer.json())["ordered_size"] == "1024x768"
        assert (first.registered, second.registered) == (0, 1)


class Crashes(Lists):
    async def ask_capabilities(self, account: Account) -> Capabilities:  # noqa: ARG002
        raise ZeroDivisionError


async def test_a_bug_in_one_back_end_does_not_stop_discovery_at_other_back_ends(
    start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BACKENDS, "crashes", Crashes)
    async with serve(fox=1) as server:
        entries = [entry(server.url, name="broken", kind="crashes"), entry(server.url)]
        async with start_proxy(backends=entries) as proxy:
            await until_listed(proxy, fox=1)
            server.models = {"hare": 1}
            await until_listed(proxy, hare=1)
            assert (await proxy.get("/health/ready"))["restarting"] == []
