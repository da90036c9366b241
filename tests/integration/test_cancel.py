"""Cancelling at every point: an unsent order is never sent, and a submitted order keeps its key until its task ends."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from sora_proxy.api.context import STORE, SUPERVISOR
from tests.conftest import ADMIN_KEY, UPSTREAM_TOKEN, Proxy, StartProxy, StartSimulator, upstream_keys
from tests.conftest import in_front_of as simulator_in_front_of
from tests.eventually import PATIENCE, eventually
from tests.sora_server import Order, Sora, in_front_of, place
from tests.streams import read_stream


def one_at_a_time(sora: Sora, **settings: Any) -> dict[str, Any]:
    return in_front_of(sora, api_keys=upstream_keys(max_concurrent=1), **settings)


async def cancel(proxy: Proxy, generation_id: str, *, method: str = "DELETE") -> dict[str, Any]:
    path = f"{proxy.url}/v1/generation/{generation_id}" + ("/cancel" if method == "POST" else "")
    async with proxy.client.request(method, path) as answer:
        assert answer.status == 200, await answer.text()
        described: dict[str, Any] = await answer.json()
        return described


async def finish_reason(proxy: Proxy, generation_id: str) -> str:
    return str((await proxy.get(f"/v1/generation/{generation_id}"))["choices"][0]["finish_reason"])


async def some_polls(sora: Sora) -> None:
    before = sora.looks[UPSTREAM_TOKEN]
    await sora.until(lambda: sora.looks[UPSTREAM_TOKEN] >= before + 3)


async def until_nothing_is_left(proxy: Proxy) -> None:
    async def look() -> bool:
        return not await proxy.app[STORE].unfinished()

    await eventually(look)


async def check_the_key_is_busy_until_the_task_has_ended(proxy: Proxy, sora: Sora) -> None:
    second = await place(proxy, "the second")
    await some_polls(sora)
    assert len(sora.orders) == 1
    sora.tasks[UPSTREAM_TOKEN][0]["status"] = "succeeded"
    await sora.until(lambda: len(sora.orders) == 2)
    await cancel(proxy, second)


async def test_a_queued_order_that_is_cancelled_is_never_sent(start_proxy: StartProxy, sora: Sora) -> None:
    sora.on_order = sora.take_and_run
    async with start_proxy(**one_at_a_time(sora)) as proxy:
        await place(proxy, "the first")
        await sora.until(lambda: len(sora.orders) == 1)
        waiting = await place(proxy, "the second")
        described = await cancel(proxy, waiting)
        assert (described["status"], described["error"]["code"]) == ("cancelled", "cancelled")
        assert await finish_reason(proxy, waiting) == "error"
        (left,) = await proxy.app[STORE].unfinished()
        assert left.spec.prompt == "the first"
        sora.tasks[UPSTREAM_TOKEN][0]["status"] = "succeeded"
        await until_nothing_is_left(proxy)
    async with start_proxy(**one_at_a_time(sora)) as proxy:
        assert await finish_reason(proxy, waiting) == "error"
    assert [order["prompt"] for order in sora.orders] == ["the first"]


@pytest.mark.parametrize("method", ["DELETE", "POST"])
async def test_a_cancelled_running_order_keeps_its_key_busy_until_its_task_ends(
    start_proxy: StartProxy, sora: Sora, method: str
) -> None:
    sora.on_order = sora.take_and_run
    async with start_proxy(**one_at_a_time(sora), image_localization=True) as proxy:
        async with proxy.chat(stream=True) as answer:
            generation_id = answer.headers["x-generation-id"]
            await sora.until(lambda: sora.registered == 1)
            assert await cancel(proxy, generation_id, method=method) == await cancel(proxy, generation_id)
            stream = await read_stream(answer)
        assert stream.error is not None
        assert stream.error["code"] == "cancelled"
        await check_the_key_is_busy_until_the_task_has_ended(proxy, sora)
        assert await finish_reason(proxy, generation_id) == "error"
        assert not sora.fetched


async def test_a_request_that_is_waiting_for_a_cancelled_order_is_answered_with_an_error(
    start_proxy: StartProxy, sora: Sora
) -> None:
    sora.on_order = sora.take_and_run
    async with start_proxy(**in_front_of(sora)) as proxy:
        waiting = asyncio.create_task(proxy.chat(headers={"idempotency-key": "k"}).__aenter__())
        await sora.until(lambda: sora.registered == 1)
        (generation,) = await proxy.app[STORE].unfinished()
        await cancel(proxy, generation.id)
        answer = await waiting
        assert (answer.status, answer.headers["x-should-retry"]) == (400, "false")
        assert (await answer.json())["error"]["code"] == "cancelled"


async def test_the_key_of_a_cancelled_order_stays_busy_after_a_restart(start_proxy: StartProxy, sora: Sora) -> None:
    sora.on_order = sora.take_and_run
    async with start_proxy(**one_at_a_time(sora)) as proxy:
        generation_id = await place(proxy)
        await sora.until(lambda: sora.registered == 1)
        described = await cancel(proxy, generation_id)
    async with start_proxy(**one_at_a_time(sora)) as proxy:
        again = await cancel(proxy, generation_id)
        # The task's id may have been stored between the two cancellations.
        assert again | {"backend_id": None} == described | {"backend_id": None}
        await check_the_key_is_busy_until_the_task_has_ended(proxy, sora)


@pytest.mark.parametrize("registered", [True, False], ids=["registered", "not registered"])
async def test_a_cancelled_order_of_unknown_outcome_is_searched_for_but_not_sent_again(
    start_proxy: StartProxy, sora: Sora, registered: bool
) -> None:
    async def lose(order: Order) -> web.StreamResponse:
        if registered:
            sora.register(order, "running")
        return web.Response(status=500)

    sora.on_order = lose
    async with start_proxy(**one_at_a_time(sora), settle_time=0.5) as proxy:
        generation_id = await place(proxy)
        await sora.until(lambda: len(sora.orders) == 1)
        assert (await cancel(proxy, generation_id))["status"] == "cancelled"
        if registered:
            await check_the_key_is_busy_until_the_task_has_ended(proxy, sora)
        else:
            await until_nothing_is_left(proxy)
            assert len(sora.orders) == 1


async def test_cancelling_an_order_during_its_submit_takes_effect_at_once(start_proxy: StartProxy, sora: Sora) -> None:
    go = asyncio.Event()

    async def take_later(order: Order) -> web.StreamResponse:
        await go.wait()
        return web.json_response({"id": sora.register(order, "running")["id"]})

    sora.on_order = take_later
    async with start_proxy(**one_at_a_time(sora)) as proxy:
        generation_id = await place(proxy)
        await sora.until(lambda: len(sora.orders) == 1)
        assert (await cancel(proxy, generation_id))["status"] == "cancelled"
        go.set()
        await sora.until(lambda: sora.registered == 1)
        await check_the_key_is_busy_until_the_task_has_ended(proxy, sora)


async def test_a_cancelled_order_is_not_sent_to_another_key_after_a_refusal(
    start_proxy: StartProxy, sora: Sora
) -> None:
    go = asyncio.Event()

    async def refuse_later(_order: Order) -> web.StreamResponse:
        await go.wait()
        return web.json_response({"error": {"code": "phone_number_required"}}, status=403)

    sora.on_order = refuse_later
    async with start_proxy(**in_front_of(sora, api_keys=upstream_keys("one", "other"))) as proxy:
        generation_id = await place(proxy)
        await sora.until(lambda: len(sora.orders) == 1)
        await cancel(proxy, generation_id)
        go.set()
        await until_nothing_is_left(proxy)
    assert len(sora.orders) == 1


async def test_images_that_arrive_after_the_cancellation_are_deleted(
    start_proxy: StartProxy, sora: Sora, tmp_path: Path
) -> None:
    sora.delivers.clear()
    async with start_proxy(**in_front_of(sora), image_localization=True) as proxy:
        generation_id = await place(proxy)
        await sora.until(lambda: len(sora.fetched) == 1)
        described = await cancel(proxy, generation_id)
        sora.delivers.set()
        await until_nothing_is_left(proxy)
        assert described["status"] == "cancelled"
        assert await cancel(proxy, generation_id) == described
        await eventually(lambda: asyncio.to_thread(lambda: not [*(tmp_path / "data/images").iterdir()]))


async def test_cancelling_a_finished_order_changes_nothing(start_proxy: StartProxy, sora: Sora) -> None:
    async with start_proxy(**in_front_of(sora)) as proxy:
        async with proxy.chat() as answer:
            before = await answer.json()
        described = await cancel(proxy, before["id"])
        assert (described["status"], described["error"]) == ("completed", None)
        assert described["pictures"] == [sora.result_of("task_1")]
        assert await proxy.get(f"/v1/generation/{before['id']}") == before


@pytest.mark.parametrize(("method", "path"), [("DELETE", "generation/{}"), ("POST", "generation/{}/cancel")])
async def test_a_client_cannot_cancel_the_order_of_another_client(
    start_proxy: StartProxy, sora: Sora, session: aiohttp.ClientSession, method: str, path: str
) -> None:
    sora.on_order = sora.take_and_run
    async with start_proxy(**in_front_of(sora)) as proxy:
        generation_id = await place(proxy)
        answers: list[Any] = []
        for asked in (generation_id, "chatcmpl-" + "0" * 32):
            url = f"{proxy.url}/v1/{path.format(asked)}"
            async with session.request(method, url, headers={"authorization": f"Bearer {ADMIN_KEY}"}) as answer:
                answers.append((answer.status, (await answer.text()).replace(asked, "")))
        assert answers[0] == answers[1]
        assert answers[0][0] == 404
        assert await finish_reason(proxy, generation_id) == "processing"


async def test_a_stopping_server_refuses_cancellations(start_proxy: StartProxy, sora: Sora) -> None:
    sora.on_order = sora.take_and_run
    async with start_proxy(**in_front_of(sora)) as proxy:
        generation_id = await place(proxy)
        await sora.until(lambda: sora.registered == 1)
        await proxy.app[SUPERVISOR].stop(PATIENCE)
        async with proxy.client.delete(f"{proxy.url}/v1/generation/{generation_id}") as answer:
            assert answer.status == 503
    async with start_proxy(**in_front_of(sora)) as proxy:
        assert await finish_reason(proxy, generation_id) == "processing"


async def test_orders_end_no_matter_when_they_are_cancelled(
    start_proxy: StartProxy, start_simulator: StartSimulator, caplog: pytest.LogCaptureFixture
) -> None:
    async def place_and_cancel(proxy: Proxy, number: int) -> str:
        async with proxy.chat(f"number {number}", n=2, background=True) as answer:
            generation_id = str(answer.headers["x-generation-id"])
        await asyncio.sleep(number / 25)
        return str((await cancel(proxy, generation_id))["status"])

    async with start_simulator(seconds=0.2) as simulator:
        # The rate limit allows only half of the orders in the first minute. The others are cancelled in the queue.
        settings = simulator_in_front_of(simulator, max_rpm=20) | {
            "image_localization": True,
            "max_queue_wait": 3600.0,
        }
        async with start_proxy(**settings) as proxy:
            first = await place(proxy, "the first")
            await simulator.wait_for(registered=1)
            ends = await asyncio.gather(*(place_and_cancel(proxy, number) for number in range(40)))
            await cancel(proxy, first)
            await until_nothing_is_left(proxy)
            registered = (await simulator.stats())["registered"]
    assert set(ends) <= {"cancelled", "completed"}
    assert ends.count("completed") < registered <= 20
    assert "crashed" not in caplog.text
    assert "interrupted" not in caplog.text


# --- The list ---------------------------------------------------------------------------------------------------------


async def listed(proxy: Proxy, **query: str) -> dict[str, Any]:
    async with proxy.client.get(f"{proxy.url}/v1/generations", params=query) as answer:
        assert answer.status == 200, await answer.text()
        page: dict[str, Any] = await answer.json()
        return page


async def test_the_list_shows_the_generations_of_a_client_newest_first_in_pages(
    start_proxy: StartProxy, sora: Sora, session: aiohttp.ClientSession
) -> None:
    async with start_proxy(**in_front_of(sora)) as proxy:
        ids = []
        for number in range(5):
            async with proxy.chat(f"number {number}", n=number % 2 + 1) as answer:
                ids.append((await answer.json())["id"])
        async with session.get(
            f"{proxy.url}/v1/generations", headers={"authorization": f"Bearer {ADMIN_KEY}"}
        ) as answer:
            assert (await answer.json())["data"] == []
        found, page = [], await listed(proxy, limit="2")
        while True:
            found += page["data"]
            assert (page["first_id"], page["last_id"]) == (page["data"][0]["id"], page["data"][-1]["id"])
            if not page["has_more"]:
                break
            page = await listed(proxy, limit="2", after=page["last_id"])
        assert [each["id"] for each in found] == ids[::-1]
        assert [each["n"] for each in found] == [1, 2, 1, 2, 1]
        assert found[0]["pictures"] == [sora.result_of("task_5")]
        assert {each["status"] for each in found} == {"completed"}


async def test_the_list_can_be_filtered_by_status(start_proxy: StartProxy, sora: Sora) -> None:
    async def take(order: Order) -> web.StreamResponse:
        if order["prompt"] == "refused":
            return web.json_response({"error": {"code": "content_policy_violation"}}, status=400)
        status = "succeeded" if order["prompt"] == "made" else "running"
        return web.json_response({"id": sora.register(order, status)["id"]})

    sora.on_order = take
    async with start_proxy(**in_front_of(sora, api_keys=upstream_keys(max_concurrent=2))) as proxy:
        ids = {}
        for prompt in ("made", "refused"):
            async with proxy.chat(prompt) as answer:
                ids[prompt] = answer.headers["x-generation-id"]
        for prompt in ("cancelled", "running"):
            ids[prompt] = await place(proxy, prompt)
        await sora.until(lambda: sora.registered == 3)
        ids["waiting"] = await place(proxy, "waiting")
        await cancel(proxy, ids["cancelled"])
        expected = {
            "queued": "waiting",
            "in_progress": "running",
            "completed": "made",
            "failed": "refused",
            "cancelled": "cancelled",
        }
        for status, prompt in expected.items():
            (only,) = (await listed(proxy, status=status))["data"]
            assert (only["id"], only["status"]) == (ids[prompt], status)


@pytest.mark.parametrize("query", [{"status": "running"}, {"limit": "x"}, {"after": "chatcmpl-0"}], ids=json.dumps)
async def test_an_invalid_list_request_is_refused(proxy: Proxy, query: dict[str, str]) -> None:
    async with proxy.client.get(f"{proxy.url}/v1/generations", params=query) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["param"] == next(iter(query))
