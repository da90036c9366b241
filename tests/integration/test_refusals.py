"""After refusals that concern neither a key nor an egress, the order is sent again, and no key is blamed."""

import asyncio

import pytest
from aiohttp import web

from tests.conftest import Proxy, StartProxy, upstream_keys
from tests.eventually import eventually
from tests.sora_server import OnOrder, Order, Sora, in_front_of, place

FOUR_KEYS = upstream_keys("one", "two", "three", "four")
SHORT = 0.5  # seconds for which an order may be refused; a refused order is sent again after one second


async def rejected(_order: Order) -> web.StreamResponse:
    return web.Response(status=400, text="<h1>400 Bad Request</h1>", content_type="text/html")


async def unprocessable(_order: Order) -> web.StreamResponse:
    return web.json_response({"detail": [{"loc": ["body"], "msg": "a proxy in between"}]}, status=422)


def faults_of_keys(proxy: Proxy) -> set[int]:
    return {key.cooldown.failures for key in proxy.pool.keys}


# --- Without the back end's own error object --------------------------------------------------------------------------


@pytest.mark.parametrize("refuse", [rejected, unprocessable])
async def test_an_order_refused_without_an_error_object_is_sent_again(
    start_proxy: StartProxy, sora: Sora, refuse: OnOrder
) -> None:
    async def refuse_once(order: Order) -> web.StreamResponse:
        sora.on_order = sora.take
        return await refuse(order)

    sora.on_order = refuse_once
    async with start_proxy(**in_front_of(sora)) as proxy, proxy.chat() as answer:
        assert answer.status == 200, await answer.text()

    assert (len(sora.orders), sora.registered) == (2, 1)


@pytest.mark.parametrize("refuse", [rejected, unprocessable])
async def test_a_persistent_refusal_without_an_error_object_is_reported_as_unavailable(
    start_proxy: StartProxy, sora: Sora, refuse: OnOrder
) -> None:
    sora.on_order = refuse
    async with (
        start_proxy(**in_front_of(sora, api_keys=FOUR_KEYS), max_queue_wait=SHORT) as proxy,
        proxy.chat() as answer,
    ):
        assert answer.status == 502
        assert (await answer.json())["error"]["code"] == "upstream_unavailable"

    assert len(sora.orders) == 2  # the order was not sent with each of the four keys


# --- A server that can't be reached -----------------------------------------------------------------------------------


async def test_an_order_survives_a_restart_of_its_back_end(start_proxy: StartProxy, sora: Sora) -> None:
    port = int(sora.url.rpartition(":")[2])
    await sora.runner.cleanup()
    async with start_proxy(**in_front_of(sora, api_keys=FOUR_KEYS)) as proxy:
        generation_id = await place(proxy)
        server = next(iter(proxy.pool.keys)).circuits[0]

        async def look() -> bool:
            return server.cooldown.failures > 1

        await eventually(look)
        assert faults_of_keys(proxy) == {0}
        sora.runner = await sora.start(port)
        assert (await proxy.ended(generation_id))["choices"][0]["finish_reason"] == "stop"
        assert server.cooldown.failures == 0

    assert (len(sora.orders), sora.registered) == (1, 1)


async def test_an_order_fails_if_its_back_end_is_down_for_too_long(
    start_proxy: StartProxy, sora: Sora, silent: int
) -> None:
    settings = in_front_of(sora, api_keys=FOUR_KEYS, sora_base_url=f"http://127.0.0.1:{silent}", max_queue_wait=SHORT)
    async with start_proxy(**settings) as proxy:
        begun = asyncio.get_running_loop().time()
        async with proxy.chat() as answer:
            assert answer.status == 502
            assert (await answer.json())["error"]["code"] == "upstream_unavailable"
        assert asyncio.get_running_loop().time() - begun > SHORT
        assert faults_of_keys(proxy) == {0}


async def test_an_unreachable_media_host_does_not_make_the_server_cool_down(
    start_proxy: StartProxy, sora: Sora, silent: int
) -> None:
    async def take(order: Order) -> web.StreamResponse:
        task = sora.register(order)
        task["generations"] = [{"url": f"http://127.0.0.1:{silent}/fox.gif"}]
        return web.json_response({"id": task["id"]})

    sora.on_order = take
    settings = in_front_of(sora, result_allow=[f"127.0.0.1:{silent}"])
    async with start_proxy(**settings, image_localization=True) as proxy:
        async with proxy.chat() as answer:
            assert answer.status == 200
        (key,) = proxy.pool.keys
        assert [circuit.cooldown.failures for circuit in key.circuits] == [0, 0]
