"""Finished images arrive even if their server fails for a while; damaged or missing images are soon given up."""

import asyncio
from typing import Any

import pytest

from sora_proxy.api.context import SUPERVISOR
from tests.conftest import HOUR, Proxy, StartProxy
from tests.eventually import PATIENCE, eventually
from tests.integration.test_cancel import cancel, finish_reason
from tests.integration.test_comfyui import colour_by, corner, generate, ours, place
from tests.integration.test_result_addresses import list_results
from tests.simulated_comfyui import SimulatedComfyUI, simulated
from tests.sora_server import Sora, in_front_of

ALWAYS = 1000  # a fault with this number of uses lasts longer than any test


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sora_proxy.orders.results.PATIENCE_SECONDS", PATIENCE)


async def pauses_after_a_failed_fetch(proxy: Proxy, server: SimulatedComfyUI, monkeypatch: pytest.MonkeyPatch) -> str:
    """Place an order whose image can't be fetched, and wait until the download pauses for an hour; returns its id."""
    monkeypatch.setattr("sora_proxy.orders.results.FIRST_PAUSE_SECONDS", HOUR)
    monkeypatch.setattr("sora_proxy.orders.results.MAX_PAUSE_SECONDS", HOUR)
    await server.fault("status", ALWAYS, endpoint="view", status=503)
    generation_id = await place(proxy)

    async def answered() -> bool:
        return bool((await server.stats())["answers"].get("503"))

    await eventually(answered)
    return generation_id


@pytest.mark.parametrize(
    "trouble",
    [{"fault": "status", "status": 500}, {"fault": "status", "status": 429}, {"fault": "html", "status": 502}],
    ids=lambda trouble: "-".join(str(value) for value in trouble.values()),
)
async def test_an_image_arrives_although_its_server_fails_four_times(
    start_proxy: StartProxy, trouble: dict[str, Any]
) -> None:
    async with simulated() as server, ours(start_proxy, server) as proxy:
        await server.fault(times=4, endpoint="view", **trouble)
        status, body = await generate(proxy)
        views = (await server.stats())["requests"]["view"]
    assert (status, views) == (200, 5), body
    assert corner(body) == colour_by("a red fox")


async def test_an_image_arrives_although_its_server_restarts_before_the_download(
    start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sora_proxy.orders.results.FIRST_PAUSE_SECONDS", 0.1)
    async with simulated() as server, ours(start_proxy, server) as proxy:
        await server.fault("hang", endpoint="view", seconds=HOUR)
        async with asyncio.TaskGroup() as group:
            order = group.create_task(generate(proxy))
            await server.wait_for(endpoint="view", count=1)
            await server.restart(2.0)
        status, body = order.result()
        stats = await server.stats()
    assert (status, stats["restarts"], stats["registered"]) == (200, 1, 1), body
    assert corner(body) == colour_by("a red fox")


async def test_an_image_arrives_although_it_is_briefly_missing_on_its_server(start_proxy: StartProxy) -> None:
    async with simulated() as server, ours(start_proxy, server) as proxy:
        await server.fault("view_gone", 2)
        assert (await generate(proxy))[0] == 200


@pytest.mark.parametrize(
    "fault", [{"fault": "view_gone"}, {"fault": "html", "endpoint": "view", "status": 200}], ids=["gone", "damaged"]
)
async def test_an_image_that_is_gone_or_damaged_is_given_up_after_three_attempts(
    start_proxy: StartProxy, fault: dict[str, Any]
) -> None:
    async with simulated() as server, ours(start_proxy, server) as proxy:
        await server.fault(times=ALWAYS, **fault)
        status, body = await generate(proxy)
        views = (await server.stats())["requests"]["view"]
    assert (status, body["error"]["code"], views) == (502, "result_unavailable", 3)
    assert body["error"]["message"] == "The images from the back end can't be fetched or read."


async def test_server_errors_do_not_count_as_attempts_to_fetch_a_missing_image(start_proxy: StartProxy) -> None:
    async with simulated() as server, ours(start_proxy, server) as proxy:
        await server.fault("status", 4, endpoint="view", status=503)
        await server.fault("view_gone", 2)
        assert (await generate(proxy))[0] == 200


async def test_the_error_states_that_the_address_of_the_image_is_not_allowed(
    start_proxy: StartProxy, sora: Sora
) -> None:
    async with start_proxy(**in_front_of(sora), image_localization=True) as proxy:
        list_results(sora, "http://10.0.0.1/fox.gif")
        async with proxy.chat() as answer:
            message = (await answer.json())["error"]["message"]
    assert message == "The images from the back end are at addresses that are not allowed."


async def test_an_order_cancelled_between_two_download_attempts_ends_at_once(
    start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with simulated() as server, ours(start_proxy, server) as proxy:
        generation_id = await pauses_after_a_failed_fetch(proxy, server, monkeypatch)
        await cancel(proxy, generation_id)

        async def left() -> bool:
            return not proxy.app[SUPERVISOR].unfinished

        await eventually(left)
        assert await finish_reason(proxy, generation_id) == "error"
        assert (await server.stats())["requests"]["view"] == 1


async def test_the_next_order_is_sent_while_an_image_is_waiting_for_its_download(
    start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with simulated() as server, ours(start_proxy, server) as proxy:
        await pauses_after_a_failed_fetch(proxy, server, monkeypatch)
        await place(proxy, "another one")
        await server.wait_for(registered=2)
        assert len(proxy.app[SUPERVISOR].unfinished) == 2


async def test_a_pending_download_is_resumed_after_a_restart(
    start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with simulated() as server:
        async with ours(start_proxy, server, shutdown_grace=HOUR) as proxy:
            generation_id = await pauses_after_a_failed_fetch(proxy, server, monkeypatch)
        assert (await server.call("DELETE", "/simulator/faults")).status < 300
        async with ours(start_proxy, server) as proxy:
            assert (await proxy.ended(generation_id))["choices"][0]["finish_reason"] == "stop"
        assert (await server.stats())["registered"] == 1
