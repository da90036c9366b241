"""Each answer about an order contains the name of the back end that is making or has made the order."""

import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from sora_proxy.api.admin import FOR_OPERATORS
from sora_proxy.generation import Asset, Status
from tests.conftest import ADMIN_KEY, Proxy, Simulator, StartProxy
from tests.sora_server import (
    GIF,
    Order,
    Sora,
    generation,
    in_front_of,
    leave_behind,
    on_the_key,
    order_of,
    outcome,
    place,
)

HEADER = "x-sora-proxy-backend"
CHAT = {"model": "sora-1.0", "messages": [{"role": "user", "content": "a red fox"}]}
IMAGES = {"prompt": "a red fox", "response_format": "url"}
RESPONSE = {"input": "a red fox"}


async def header_of(proxy: Proxy, method: str, path: str, body: Any = None) -> tuple[int, str | None]:
    async with proxy.client.request(method, proxy.url + path, json=body) as answer:
        await answer.read()
        return answer.status, answer.headers.get(HEADER)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", CHAT),
        ("/v1/chat/completions", CHAT | {"stream": True}),
        ("/v1/chat/completions", CHAT | {"background": True}),
        ("/v1/images/generations", IMAGES),
        ("/v1/images/generations", IMAGES | {"stream": True}),
        ("/v1/responses", RESPONSE),
        ("/v1/responses", RESPONSE | {"stream": True}),
        ("/v1/responses", RESPONSE | {"background": True}),
    ],
    ids=str,
)
async def test_the_answer_to_an_order_contains_the_back_ends_name(
    start_proxy: StartProxy, sora: Sora, path: str, body: dict[str, Any]
) -> None:
    async with start_proxy(**in_front_of(sora)) as proxy:
        assert await header_of(proxy, "POST", path, body) == (200, "sora")


async def test_every_later_answer_about_an_order_contains_the_back_ends_name(
    start_proxy: StartProxy, sora: Sora
) -> None:
    async with start_proxy(**in_front_of(sora)) as proxy:
        made = await place(proxy)
        await outcome(proxy, made)
        response = made.replace("chatcmpl-", "resp_")
        for path in (f"/v1/chat/completions/{made}", f"/v1/generation/{made}", f"/v1/responses/{response}"):
            assert await header_of(proxy, "GET", path) == (200, "sora")
            assert (await proxy.get(path))["backend"] == "sora"
            assert await header_of(proxy, "GET", f"{path}?stream=true") == (200, "sora")
        assert await header_of(proxy, "GET", f"/v1/generation/{made}/events") == (200, "sora")
        assert await header_of(proxy, "POST", f"/v1/generation/{made}/cancel") == (200, "sora")
        assert await header_of(proxy, "POST", f"/v1/chat/completions/{made}", {"metadata": {}}) == (200, "sora")
        (listed,) = (await proxy.get("/v1/generations"))["data"]
        assert listed["backend"] == "sora"


async def test_answers_that_are_not_about_an_order_do_not_contain_a_back_end_name(
    start_proxy: StartProxy, sora: Sora
) -> None:
    async with start_proxy(**in_front_of(sora)) as proxy:
        assert await header_of(proxy, "GET", "/health") == (200, None)
        assert await header_of(proxy, "GET", "/v1/models") == (200, None)
        assert await header_of(proxy, "GET", "/v1/generation/unknown") == (404, None)
        title = {"role": "user", "content": "Provide a concise, 5-word-or-less title for the conversation."}
        assert await header_of(proxy, "POST", "/v1/chat/completions", CHAT | {"messages": [title]}) == (200, None)


async def test_the_json_of_a_finished_order_contains_the_back_ends_name(start_proxy: StartProxy, sora: Sora) -> None:
    async with start_proxy(**in_front_of(sora)) as proxy:
        for path, body in (("chat/completions", CHAT), ("images/generations", IMAGES), ("responses", RESPONSE)):
            async with proxy.client.post(f"{proxy.url}/v1/{path}", json=body) as answer:
                assert (await answer.json())["backend"] == "sora"


async def test_images_of_a_real_back_end_are_stored_unchanged(start_proxy: StartProxy, sora: Sora) -> None:
    async with start_proxy(**in_front_of(sora, image_localization=True)) as proxy:
        text = await outcome(proxy, await place(proxy))
        async with proxy.client.get(text.partition("](")[2].removesuffix(")")) as image:
            assert await image.read() == GIF


async def test_a_refusal_contains_the_name_of_the_back_end_that_refused(start_proxy: StartProxy, sora: Sora) -> None:
    async def refuse(_order: Order) -> web.StreamResponse:
        return web.json_response({"error": {"code": "content_policy_violation"}}, status=400)

    sora.on_order = refuse
    async with start_proxy(**in_front_of(sora)) as proxy:
        status, named = await header_of(proxy, "POST", "/v1/chat/completions", CHAT)
        assert (status >= 400, named) == (True, "sora")


async def test_the_answer_to_an_order_without_a_usable_key_contains_the_back_ends_name(
    start_proxy: StartProxy, sora: Sora
) -> None:
    async with start_proxy(**in_front_of(sora) | {"api_keys": []}) as proxy:
        assert await header_of(proxy, "POST", "/v1/chat/completions", CHAT) == (503, "sora")
        assert await header_of(proxy, "GET", "/health/ready") == (503, "sora")
        assert (await proxy.get("/health/ready"))["error"]["code"] == "no_upstream_key"


@pytest.mark.parametrize("path", [route.path for route in FOR_OPERATORS if route.method == "GET"])
async def test_every_answer_to_an_operator_contains_the_back_ends_name(
    start_proxy: StartProxy, sora: Sora, path: str
) -> None:
    async with start_proxy(**in_front_of(sora)) as proxy:
        url = proxy.url + path.replace("{id}", "unknown").replace("{name}", "unknown")
        async with proxy.client.get(url, headers={"authorization": f"Bearer {ADMIN_KEY}"}) as answer:
            assert answer.headers[HEADER] == "sora"
        async with proxy.client.get(url) as answer:  # with a client key
            assert (answer.status, answer.headers.get(HEADER)) == (403, None)


async def test_orders_of_a_removed_back_end_wait_until_it_is_configured_again(
    start_proxy: StartProxy, simulator: Simulator, sora: Sora, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    running, unknown, saving, cancelled = (generation(f"image {number}") for number in range(4))
    tasks = {each.id: sora.register(order_of(each))["id"] for each in (running, unknown, saving, cancelled)}
    done = {"upstream_done_at": time.time(), "assets": (Asset(sora.result_of(tasks[saving.id])),)}
    await leave_behind(
        tmp_path,
        (running, on_the_key(Status.running, backend="sora", task_id=tasks[running.id])),
        (unknown, on_the_key(Status.unknown, backend="sora")),
        (saving, on_the_key(Status.saving, backend="sora", task_id=tasks[saving.id], **done)),
        (cancelled, on_the_key(Status.running, backend="sora", task_id=tasks[cancelled.id])),
    )
    async with start_proxy(upstream="simulator", image_localization=True) as proxy:
        await outcome(proxy, await place(proxy))  # meanwhile, other orders are made
        for each in (running, unknown, saving):
            assert (await proxy.get(f"/v1/generation/{each.id}"))["choices"][0]["finish_reason"] == "processing"
        as_operator = {"authorization": f"Bearer {ADMIN_KEY}"}
        async with proxy.client.get(f"{proxy.url}/admin/api/generations", headers=as_operator) as answer:
            shown = {each["id"]: each["backend"] for each in (await answer.json())["data"]}
        assert shown == dict.fromkeys((each.id for each in (running, unknown, saving, cancelled)), "sora")
        async with proxy.client.get(f"{proxy.url}/v1/generation/{running.id}/events") as answer:
            assert await answer.content.readline() == b": ping\n"  # a heartbeat, since the order has not ended
        assert await header_of(proxy, "POST", f"/v1/generation/{cancelled.id}/cancel") == (200, "sora")
        assert (await proxy.get(f"/v1/generation/{cancelled.id}"))["choices"][0]["finish_reason"] == "error"
    assert "without back end" in caplog.text
    assert (sora.orders, sora.fetched) == ([], [])

    async with start_proxy(**in_front_of(sora), image_localization=True) as proxy:
        for each in (running, unknown, saving):
            assert f"]({proxy.url}/images/" in await outcome(proxy, each.id)
    assert sora.orders == []


async def test_a_finished_order_keeps_its_back_ends_name_after_a_restart(start_proxy: StartProxy, sora: Sora) -> None:
    async with start_proxy(upstream="simulator") as proxy:
        made = await place(proxy)
        await outcome(proxy, made)
    async with start_proxy(**in_front_of(sora)) as proxy:
        path = f"/v1/generation/{made}"
        assert await header_of(proxy, "GET", path) == (200, "simulator")
        assert await header_of(proxy, "GET", f"{path}?stream=true") == (200, "simulator")
        assert (await proxy.get(path))["backend"] == "simulator"


async def test_an_unsent_order_gets_its_back_ends_name_after_a_restart(
    start_proxy: StartProxy, sora: Sora, tmp_path: Path
) -> None:
    waiting = generation()
    await leave_behind(tmp_path, (waiting, waiting.state))
    async with start_proxy(**in_front_of(sora)) as proxy:
        path = f"/v1/generation/{waiting.id}"
        assert await header_of(proxy, "GET", f"{path}?stream=true") == (200, "sora")
        await outcome(proxy, waiting.id)
        assert (await proxy.get(path))["backend"] == "sora"


async def test_an_order_stored_by_an_older_version_has_no_back_end_name(
    start_proxy: StartProxy, sora: Sora, tmp_path: Path
) -> None:
    running = generation()
    task = sora.register(order_of(running))
    await leave_behind(tmp_path, (running, on_the_key(Status.running, task_id=task["id"])))
    async with start_proxy(**in_front_of(sora)) as proxy:
        await outcome(proxy, running.id)
        assert await header_of(proxy, "GET", f"/v1/generation/{running.id}") == (200, None)
        assert (await proxy.get(f"/v1/generation/{running.id}"))["backend"] is None
