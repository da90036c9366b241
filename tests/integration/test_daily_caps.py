"""Daily caps on images: which back ends are skipped, how orders are refused, and which orders count."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from aiohttp import web

from sora_proxy.api.context import STORE
from tests.conftest import Proxy, StartProxy, upstream_keys
from tests.eventually import eventually
from tests.sora_server import GIF_URI, Order, Sora, in_front_of, outcome, place

HEADER = "x-sora-proxy-backend"


def entry(name: str, server: Sora, cap: int | None = None, **fields: Any) -> dict[str, Any]:
    options = {"options": {"max_images_per_day": cap}} if cap else {}
    return {"name": name, "kind": "sora", "base_url": server.url, "keys": upstream_keys(), **options, **fields}


def answers(server: Sora, *refusals: web.Response) -> Any:
    """Answer the first orders with these refusals, without registering the orders; accept all later orders."""
    left = list(refusals)

    async def answer(order: Order) -> web.StreamResponse:
        return left.pop(0) if left else await server.take(order)

    return answer


def end_tasks(server: Sora) -> None:
    for tasks in server.tasks.values():
        for task in tasks:
            task["status"] = "succeeded"


def refused(code: str, status: int) -> web.Response:
    return web.json_response({"error": {"code": code}}, status=status)


async def images_today(proxy: Proxy) -> dict[str, int]:
    """The number of images that count today, by back end, as operators see it."""
    queue = await proxy.admin_get("/admin/api/queue")
    counted = {each["backend"]: each["images_today"] for each in queue["backends"]}
    assert queue["in_all"]["images_today"] == sum(counted.values())
    return counted


async def assert_capped(proxy: Proxy, cap: str, **fields: Any) -> None:
    """Assert that an order is refused because of a cap, and that the error message states this cap."""
    async with proxy.chat(**fields) as answer:
        error = (await answer.json())["error"]
        assert (answer.status, error["type"], error["code"]) == (429, "insufficient_quota", "insufficient_quota")
        assert error["message"].startswith(f"The daily cap {cap} leaves no room")
        assert answer.headers["x-should-retry"] == "false"
        assert "retry-after" not in answer.headers


async def test_orders_beyond_the_total_cap_are_refused_before_anything_is_sent(
    start_proxy: StartProxy, sora: Sora
) -> None:
    async with start_proxy(**in_front_of(sora, max_images_per_day=3)) as proxy:
        async with proxy.chat(n=2) as answer:
            assert answer.status == 200, await answer.text()
        await assert_capped(proxy, "MAX_IMAGES_PER_DAY=3", n=2)
        await assert_capped(proxy, "MAX_IMAGES_PER_DAY=3", n=2, stream=True)
        async with proxy.chat() as answer:  # one image is still within the cap
            assert answer.status == 200, await answer.text()
        await assert_capped(proxy, "MAX_IMAGES_PER_DAY=3")
        async with proxy.client.post(f"{proxy.url}/v1/images/generations", json={"prompt": "a red fox"}) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (429, "insufficient_quota")
        assert await images_today(proxy) == {"sora": 3}
        assert len((await proxy.get("/v1/generations"))["data"]) == 2
    assert [order["n_variants"] for order in sora.orders] == [2, 1]


async def test_back_ends_at_their_cap_are_skipped_and_a_refusal_states_the_cap(
    start_proxy: StartProxy, servers: tuple[Sora, Sora], caplog: pytest.LogCaptureFixture
) -> None:
    backends = [entry("first", servers[0], cap=1), entry("second", servers[1], cap=2)]
    async with start_proxy(backends=backends, max_images_per_day=10) as proxy:
        for backend in ("first", "second", "second"):
            async with proxy.chat() as answer:
                assert (answer.status, answer.headers[HEADER]) == (200, backend)
        for _ in range(3):
            await assert_capped(proxy, "max_images_per_day=1 of the back end 'first'")
        assert await images_today(proxy) == {"first": 1, "second": 2}
    logged = [record.message for record in caplog.records if "daily cap reached" in record.message]
    assert [f"backend='{name}'" in line for name, line in zip(("first", "second"), logged, strict=True)] == [True, True]


async def test_a_full_queue_is_answered_with_retry_after_although_another_back_end_is_capped(
    start_proxy: StartProxy, servers: tuple[Sora, Sora]
) -> None:
    servers[1].on_order = servers[1].take_and_run
    backends = [entry("first", servers[0], cap=1), entry("second", servers[1], keys=upstream_keys(max_concurrent=1))]
    async with start_proxy(backends=backends, max_queue=1) as proxy:
        await outcome(proxy, await place(proxy))
        await place(proxy)
        await servers[1].until(lambda: servers[1].registered == 1)
        await place(proxy)  # this order waits, and the queue is full
        async with proxy.chat() as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (429, "rate_limit_exceeded")
            assert int(answer.headers["retry-after"]) > 0
    assert servers[0].registered == 1


async def test_a_waiting_order_fails_over_when_its_back_end_reaches_the_cap(
    start_proxy: StartProxy, servers: tuple[Sora, Sora]
) -> None:
    for server in servers:
        server.on_order = server.take_and_run
    one = upstream_keys(max_concurrent=1)
    backends = [entry("first", servers[0], cap=2, keys=one), entry("second", servers[1], keys=one)]
    async with start_proxy(backends=backends) as proxy:
        await place(proxy)
        await place(proxy)
        await servers[1].until(lambda: servers[1].registered == 1)
        second_of_first, last = await place(proxy), await place(proxy)
        servers[0].on_order = servers[0].take
        end_tasks(servers[0])
        await outcome(proxy, second_of_first)
        servers[1].on_order = servers[1].take
        end_tasks(servers[1])
        await outcome(proxy, last)
        assert (await proxy.get(f"/v1/generation/{last}"))["backend"] == "second"
        assert await images_today(proxy) == {"first": 2, "second": 2}
    assert (servers[0].registered, servers[1].registered) == (2, 2)


async def test_a_waiting_order_fails_when_its_only_back_end_reaches_the_cap(
    start_proxy: StartProxy, sora: Sora
) -> None:
    sora.on_order = sora.take_and_run
    settings = in_front_of(sora, max_images_per_day=2) | {"api_keys": upstream_keys(max_concurrent=1)}
    async with start_proxy(**settings) as proxy:
        first = await place(proxy)
        await sora.until(lambda: sora.registered == 1)
        waiting = [await place(proxy), await place(proxy)]
        sora.on_order = sora.take
        end_tasks(sora)
        for each in (first, waiting[0]):
            await outcome(proxy, each)
        failed = await proxy.ended(waiting[1])
        assert failed["choices"][0]["finish_reason"] != "stop"
        (error,) = [each["error"] for each in (await proxy.get("/v1/generations"))["data"] if each["error"]]
        assert error["code"] == "insufficient_quota"
        assert error["message"].startswith("The daily cap MAX_IMAGES_PER_DAY=2 ")
        assert await images_today(proxy) == {"sora": 2}
    assert sora.registered == 2


@pytest.mark.parametrize("image", [None, GIF_URI], ids=["text", "with a reference image"])
async def test_a_refused_order_does_not_count_against_the_cap(
    start_proxy: StartProxy, sora: Sora, image: str | None
) -> None:
    sora.on_order = answers(sora, refused("content_policy_violation", 400), refused("content_policy_violation", 400))
    prompt: Any = "a red fox"
    if image:
        prompt = [{"type": "text", "text": "a red fox"}, {"type": "image_url", "image_url": {"url": image}}]
    async with start_proxy(**in_front_of(sora, max_images_per_day=1)) as proxy:
        for status in (400, 400, 200):
            async with proxy.chat(prompt) as answer:
                assert answer.status == status, await answer.text()
            assert await images_today(proxy) == {"sora": int(status == 200)}
        await assert_capped(proxy, "MAX_IMAGES_PER_DAY=1")
    assert len(sora.orders) == 3


async def test_an_order_counts_once_against_the_cap_even_if_several_keys_are_tried(
    start_proxy: StartProxy, sora: Sora
) -> None:
    sora.on_order = answers(sora, refused("token_invalid", 401), refused("rate_limit_exhausted", 429))
    settings = in_front_of(sora, max_images_per_day=1) | {"api_keys": upstream_keys("one", "two", "three")}
    async with start_proxy(**settings) as proxy:
        async with proxy.chat() as answer:
            assert answer.status == 200, await answer.text()
        assert await images_today(proxy) == {"sora": 1}
    assert (len(sora.orders), sora.registered) == (3, 1)


async def test_an_order_whose_only_key_is_rejected_does_not_count_against_the_cap(
    start_proxy: StartProxy, sora: Sora
) -> None:
    sora.on_order = answers(sora, refused("token_invalid", 401))
    async with start_proxy(**in_front_of(sora, max_images_per_day=1)) as proxy:
        async with proxy.chat() as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (503, "no_upstream_key")
        assert await images_today(proxy) == {"sora": 0}


async def test_an_accepted_order_counts_against_the_cap_even_if_its_task_is_rejected_later(
    start_proxy: StartProxy, sora: Sora
) -> None:
    async def fail(order: Order) -> web.StreamResponse:
        return web.json_response({"id": sora.register(order, "rejected")["id"]})

    sora.on_order = fail
    async with start_proxy(**in_front_of(sora, max_images_per_day=1)) as proxy:
        async with proxy.chat() as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (400, "content_policy_violation")
        await assert_capped(proxy, "MAX_IMAGES_PER_DAY=1")


async def test_an_accepted_order_with_an_unusable_task_id_counts_against_the_cap(
    start_proxy: StartProxy, sora: Sora
) -> None:
    sora.on_order = answers(sora, web.json_response({"id": "x" * 1000}))
    async with start_proxy(**in_front_of(sora, max_images_per_day=1)) as proxy:
        async with proxy.chat() as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (502, "generation_failed")
        await assert_capped(proxy, "MAX_IMAGES_PER_DAY=1")


@pytest.mark.parametrize("registered", [False, True])
async def test_an_order_of_unknown_outcome_counts_once_against_the_cap_whatever_the_search_finds(
    start_proxy: StartProxy, sora: Sora, registered: bool
) -> None:
    async def break_once(order: Order) -> web.StreamResponse:
        sora.on_order = sora.take
        if registered:
            sora.register(order)
        return web.Response(status=502)

    sora.on_order = break_once
    async with start_proxy(**in_front_of(sora, max_images_per_day=1)) as proxy:
        async with proxy.chat() as answer:
            assert answer.status == 200, await answer.text()
        assert await images_today(proxy) == {"sora": 1}
        await assert_capped(proxy, "MAX_IMAGES_PER_DAY=1")
    assert sora.registered == 1


async def test_an_order_whose_outcome_stays_unknown_counts_against_the_cap(start_proxy: StartProxy, sora: Sora) -> None:
    sora.on_order = answers(sora, web.Response(status=502))
    async with start_proxy(**in_front_of(sora, max_images_per_day=1, on_unknown="fail")) as proxy:
        async with proxy.chat() as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (502, "outcome_unknown")
        await assert_capped(proxy, "MAX_IMAGES_PER_DAY=1")


@pytest.mark.parametrize("registers", [False, True])
async def test_an_order_cancelled_during_its_submit_counts_against_the_cap_if_it_was_registered(
    start_proxy: StartProxy, sora: Sora, registers: bool
) -> None:
    decide = asyncio.Event()

    async def wait(order: Order) -> web.StreamResponse:
        await decide.wait()
        return await sora.take(order) if registers else refused("content_policy_violation", 400)

    sora.on_order = wait
    async with start_proxy(**in_front_of(sora, max_images_per_day=1)) as proxy:
        placed = await place(proxy)
        await sora.until(lambda: len(sora.orders) == 1)
        async with proxy.client.post(f"{proxy.url}/v1/generation/{placed}/cancel") as answer:
            assert answer.status == 200, await answer.text()
        await assert_capped(proxy, "MAX_IMAGES_PER_DAY=1")  # an order counts until its outcome is known
        decide.set()

        async def nothing_is_left() -> bool:
            return not await proxy.app[STORE].unfinished()

        await eventually(nothing_is_left)
        assert await images_today(proxy) == {"sora": int(registers)}


async def test_many_orders_at_once_never_exceed_a_cap(start_proxy: StartProxy, servers: tuple[Sora, Sora]) -> None:
    tokens = upstream_keys(*(f"token-{number}" for number in range(8)))
    backends = [entry("first", servers[0], cap=5, keys=tokens), entry("second", servers[1], keys=tokens)]
    async with start_proxy(backends=backends, max_images_per_day=9) as proxy:

        async def order() -> tuple[int, str | None]:
            async with proxy.chat() as answer:
                body = await answer.json()
                return answer.status, body["error"]["code"] if answer.status != 200 else None

        outcomes = Counter(await asyncio.gather(*(order() for _ in range(40))))
        assert outcomes == {(200, None): 9, (429, "insufficient_quota"): 31}
        assert sum((await images_today(proxy)).values()) == 9
    assert servers[0].registered <= 5
    assert servers[0].registered + servers[1].registered == 9


async def test_a_restart_keeps_the_number_of_todays_images(start_proxy: StartProxy, sora: Sora) -> None:
    async with start_proxy(**in_front_of(sora)) as proxy, proxy.chat(n=2) as answer:  # images count even without a cap
        assert answer.status == 200, await answer.text()
    async with start_proxy(**in_front_of(sora, max_images_per_day=3)) as proxy:
        assert await images_today(proxy) == {"sora": 2}
        await assert_capped(proxy, "MAX_IMAGES_PER_DAY=3", n=2)
        async with proxy.chat() as answer:
            assert answer.status == 200, await answer.text()
        await assert_capped(proxy, "MAX_IMAGES_PER_DAY=3")


async def test_operators_see_the_number_of_todays_images_and_the_caps(
    start_proxy: StartProxy, servers: tuple[Sora, Sora]
) -> None:
    backends = [entry("first", servers[0], cap=5), entry("second", servers[1])]
    async with start_proxy(backends=backends, max_images_per_day=9) as proxy:
        async with proxy.chat(n=3) as answer:
            assert answer.status == 200, await answer.text()
        queue = await proxy.admin_get("/admin/api/queue")
    fields = ("images_today", "max_images_per_day")
    assert [tuple(each[field] for field in fields) for each in queue["backends"]] == [(3, 5), (0, None)]
    assert queue["in_all"] == {"images_today": 3, "max_images_per_day": 9}
