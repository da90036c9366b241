"""An order whose client disconnects continues, or is cancelled if the operator's options or the order demand it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sora_proxy.api.context import READERS, SUPERVISOR
from sora_proxy.settings.access import fingerprint
from tests.conftest import CLIENT_KEY, UPSTREAM_TOKEN, Proxy, StartProxy
from tests.eventually import PATIENCE, eventually
from tests.sora_server import Sora, in_front_of, place

CANCEL = {"x-on-disconnect": "cancel"}
GRACE = 0.3
UNFINISHED = ("queued", "in_progress")


@pytest.fixture(autouse=True)
def _tasks_run(sora: Sora) -> None:
    sora.on_order = sora.take_and_run


@pytest.fixture
async def proxy(start_proxy: StartProxy, sora: Sora) -> AsyncIterator[Proxy]:
    async with start_proxy(**in_front_of(sora), abandon_grace=GRACE) as proxy:
        yield proxy


async def order_and_leave(proxy: Proxy, **fields: Any) -> str:
    """Begin to read a stream, then close the connection."""
    async with proxy.chat(stream=True, **fields) as answer:
        await answer.content.readline()
        answer.close()
        return str(answer.headers["x-generation-id"])


async def read_and_leave(proxy: Proxy, generation_id: str) -> None:
    async with proxy.client.get(f"{proxy.url}/v1/generation/{generation_id}?stream=true") as answer:
        await answer.content.readline()
        answer.close()


async def status(proxy: Proxy, generation_id: str) -> str:
    listed = (await proxy.get("/v1/generations"))["data"]
    return next(str(each["status"]) for each in listed if each["id"] == generation_id)


async def until_cancelled(proxy: Proxy, generation_id: str) -> None:
    async def look() -> bool:
        return await status(proxy, generation_id) == "cancelled"

    await eventually(look)


async def until_read_by(proxy: Proxy, readers: int) -> None:
    """Wait until the server counts this number of clients that are waiting for an answer or reading a stream."""

    async def look() -> bool:
        return proxy.app[READERS]._reading.total() == readers

    await eventually(look)


async def check_it_continues(proxy: Proxy, generation_id: str) -> None:
    await until_read_by(proxy, 0)
    await asyncio.sleep(2 * GRACE)
    assert await status(proxy, generation_id) in UNFINISHED


async def test_an_order_continues_after_its_client_disconnects(proxy: Proxy) -> None:
    await check_it_continues(proxy, await order_and_leave(proxy))


async def test_an_order_with_the_cancel_header_is_cancelled_when_its_client_disconnects(proxy: Proxy) -> None:
    await until_cancelled(proxy, await order_and_leave(proxy, headers=CANCEL))


async def test_an_order_is_cancelled_when_its_client_stops_waiting_for_the_answer(proxy: Proxy, sora: Sora) -> None:
    waiting = asyncio.create_task(proxy.chat(headers=CANCEL).__aenter__())
    await sora.until(lambda: sora.registered == 1)
    (only,) = (await proxy.get("/v1/generations"))["data"]
    waiting.cancel()
    await until_cancelled(proxy, only["id"])


async def test_an_order_can_override_the_operators_default_for_disconnects(start_proxy: StartProxy, sora: Sora) -> None:
    async with start_proxy(**in_front_of(sora), abandon_grace=GRACE, on_abandon="cancel") as proxy:
        await until_cancelled(proxy, await order_and_leave(proxy))
        await check_it_continues(proxy, await order_and_leave(proxy, headers={"x-on-disconnect": "keep"}))


async def test_a_client_that_reconnects_in_time_keeps_its_order_until_it_disconnects_again(
    start_proxy: StartProxy, sora: Sora
) -> None:
    async with start_proxy(**in_front_of(sora), abandon_grace=PATIENCE) as proxy:
        readers = proxy.app[READERS]
        generation_id = await order_and_leave(proxy, headers=CANCEL)
        await until_read_by(proxy, 0)
        assert list(readers._abandoned) == [generation_id]
        async with proxy.client.get(f"{proxy.url}/v1/generation/{generation_id}?stream=true") as answer:
            await until_read_by(proxy, 1)
            assert not readers._abandoned
            assert await status(proxy, generation_id) in UNFINISHED
            readers._grace = 0.0
            answer.close()
        await until_cancelled(proxy, generation_id)


async def test_an_order_is_not_abandoned_while_a_second_client_is_reading_its_events(proxy: Proxy) -> None:
    async with proxy.chat(stream=True, headers=CANCEL) as answer:
        await answer.content.readline()
        generation_id = answer.headers["x-generation-id"]
        other = await proxy.client.get(f"{proxy.url}/v1/generation/{generation_id}/events")
        answer.close()
    async with other:
        await read_and_leave(proxy, generation_id)
        await until_read_by(proxy, 1)
        await asyncio.sleep(2 * GRACE)
        assert await status(proxy, generation_id) in UNFINISHED
        other.close()
    await until_cancelled(proxy, generation_id)


async def test_a_background_order_is_never_abandoned(start_proxy: StartProxy, sora: Sora) -> None:
    async with start_proxy(**in_front_of(sora), abandon_grace=GRACE, on_abandon="cancel") as proxy:
        generation_id = await place(proxy)
        await read_and_leave(proxy, generation_id)
        await check_it_continues(proxy, generation_id)


async def test_an_order_answered_with_the_finish_reason_processing_is_not_abandoned(
    start_proxy: StartProxy, sora: Sora
) -> None:
    async with start_proxy(**in_front_of(sora), abandon_grace=GRACE, sync_wait=0.1) as proxy:
        async with proxy.chat(headers=CANCEL) as answer:
            generation_id = answer.headers["x-generation-id"]
            assert (await answer.json())["choices"][0]["finish_reason"] == "processing"
        await check_it_continues(proxy, generation_id)


async def leave_a_stopping_server(proxy: Proxy, generation_id: str) -> None:
    """Act as a client that disconnects while the server is stopping, and does not reconnect in time."""
    readers = proxy.app[READERS]
    readers._grace = 0.0
    generation = await proxy.app[SUPERVISOR].find(generation_id, fingerprint(CLIENT_KEY))
    assert generation is not None
    with contextlib.suppress(ConnectionResetError), readers.reading(generation, or_cancel=True):
        raise ConnectionResetError
    await readers._abandoned[generation_id]


async def test_stopping_the_server_does_not_abandon_orders(start_proxy: StartProxy, sora: Sora) -> None:
    settings = in_front_of(sora, on_abandon="cancel")
    async with start_proxy(**settings, abandon_grace=PATIENCE) as proxy:
        left, late = await order_and_leave(proxy), await place(proxy, "late")
        async with proxy.chat("another", stream=True) as answer:
            cut = answer.headers["x-generation-id"]
            await proxy.app[SUPERVISOR].stop(PATIENCE)
            await answer.read()
        await leave_a_stopping_server(proxy, late)
    async with start_proxy(**settings, abandon_grace=GRACE) as proxy:
        for generation_id in (left, late, cut):
            await check_it_continues(proxy, generation_id)


async def test_an_unknown_x_on_disconnect_value_is_refused_before_an_order_is_placed(proxy: Proxy, sora: Sora) -> None:
    async with proxy.chat(headers={"x-on-disconnect": "perhaps"}) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["param"] == "X-On-Disconnect"
    assert not sora.orders


async def test_readers_that_disconnect_after_the_end_of_an_order_are_not_remembered(proxy: Proxy, sora: Sora) -> None:
    generation = await proxy.app[SUPERVISOR].find(await place(proxy), fingerprint(CLIENT_KEY))
    assert generation is not None

    async def read_to_the_end_and_leave() -> None:
        with proxy.app[READERS].reading(generation, or_cancel=True):
            await sora.until(lambda: sora.registered == 1)
            sora.tasks[UPSTREAM_TOKEN][0]["status"] = "failed"
            await generation.log.end()
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await read_to_the_end_and_leave()
    assert not proxy.app[READERS]._conditional


async def test_only_cancelled_orders_are_logged_as_cancelled(
    start_proxy: StartProxy, sora: Sora, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    sora.on_order = sora.take
    async with start_proxy(**in_front_of(sora), abandon_grace=1.0) as proxy:
        generation_id = await order_and_leave(proxy, headers=CANCEL)
        await until_read_by(proxy, 0)

        async def over() -> bool:
            return not proxy.app[READERS]._abandoned

        await eventually(over)
        was_cancelled = await status(proxy, generation_id) == "cancelled"  # true only if the machine is very slow
        assert ("abandoned order cancelled" in caplog.text) is was_cancelled
