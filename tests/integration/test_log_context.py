"""Log lines contain the ids of their own order or request, and no other ids."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from sora_proxy.api.context import SUPERVISOR
from tests.conftest import HOUR, Proxy, StartProxy
from tests.eventually import eventually
from tests.integration.test_comfyui import MODEL, ours
from tests.simulated_comfyui import STEP, SimulatedComfyUI, simulated

FIRST = "request-one"


async def place(proxy: Proxy, name: str) -> str:
    """Place an order with this request id; returns its generation id."""
    async with proxy.chat(name, model=MODEL, background=True, headers={"x-request-id": name}) as answer:
        assert answer.status == 200, await answer.text()
        return str(answer.headers["x-generation-id"])


async def first_is_made_while_the_second_waits(proxy: Proxy, server: SimulatedComfyUI) -> tuple[str, str]:
    """The ids of two orders on one key. The first order has ended, and started the tasks that both orders share."""
    (key,) = proxy.pool.keys
    proxy.pool.put(key.id, key.config.model_copy(update={"max_concurrent": 2}))
    first = await place(proxy, FIRST)
    await server.wait_for(registered=1)
    second = await place(proxy, "request-two")
    await server.wait_for(registered=2)
    await server.advance(STEP)
    assert (await proxy.ended(first))["choices"][0]["finish_reason"] == "stop"

    async def one_left() -> bool:  # then the end of the first order has been logged
        return len(proxy.app[SUPERVISOR].unfinished) == 1

    await eventually(one_left)
    return first, second


@dataclass
class Scene:
    """A ComfyUI behind our server, and two orders, the first of which has ended."""

    server: SimulatedComfyUI
    proxy: Proxy
    first: str
    second: str


@asynccontextmanager
async def second_under_way(start_proxy: StartProxy, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Scene]:
    """Start with an empty log while the second of two orders runs."""
    caplog.set_level(logging.INFO)
    async with simulated(seconds=STEP) as server, ours(start_proxy, server) as proxy:
        orders = await first_is_made_while_the_second_waits(proxy, server)
        caplog.clear()
        yield Scene(server, proxy, *orders)


async def test_a_failed_order_is_not_logged_under_the_ids_of_an_earlier_order(
    start_proxy: StartProxy, caplog: pytest.LogCaptureFixture
) -> None:
    async with second_under_way(start_proxy, caplog) as scene:
        await scene.server.fault("execution_error")
        third = await place(scene.proxy, "request-three")
        await scene.server.wait_for(registered=3)
        await scene.server.finish()
        assert (await scene.proxy.ended(scene.second))["choices"][0]["finish_reason"] == "stop"
        assert (await scene.proxy.ended(third))["choices"][0]["finish_reason"] == "error"

        async def logged() -> bool:
            own = [line for line in caplog.messages if third in line and "request-three" in line]
            return any("generation ended" in line for line in own)

        await eventually(logged)
    assert "comfyui job failed" in caplog.text
    assert [line for line in caplog.messages if scene.first in line or FIRST in line] == []


async def test_an_outage_is_not_logged_under_the_ids_of_an_earlier_order(
    start_proxy: StartProxy, caplog: pytest.LogCaptureFixture
) -> None:
    async with second_under_way(start_proxy, caplog) as scene:
        await scene.server.restart(HOUR)

        async def logged() -> bool:
            events = ("poll failed", "egress or server cooling down", "comfyui socket failed")
            return all(event in caplog.text for event in events)

        await eventually(logged)
    assert [line for line in caplog.messages if scene.first in line or FIRST in line] == []
