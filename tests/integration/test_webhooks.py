"""Webhooks notify the client when its order ends, on every route and after restarts. Only allowed hosts are called."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from pydantic import SecretStr

from tests.conftest import Proxy, Simulator, StartProxy, in_front_of
from tests.eventually import eventually
from tests.receiver import SECRET, Receiver, hang, let_time_pass, outbox_of, status
from tests.sora_server import GIF, Order, Sora
from tests.sora_server import in_front_of as in_front_of_sora


def allowing(*hosts: str, **settings: Any) -> dict[str, Any]:
    return {"webhook_allow": hosts, "webhook_secret": SecretStr(SECRET), "image_localization": True, **settings}


@pytest.fixture
async def proxy(start_proxy: StartProxy, simulator: Simulator, receiver: Receiver) -> AsyncIterator[Proxy]:
    """A server that may send webhooks to the receiver."""
    async with start_proxy(**in_front_of(simulator), **allowing(receiver.host)) as proxy:
        yield proxy


async def order(proxy: Proxy, address: str, **fields: Any) -> str:
    """Order in the background, with a webhook; returns the id."""
    metadata = {"webhook_url": address, "purpose": "test"}
    async with proxy.chat(background=True, metadata=metadata, **fields) as answer:
        assert answer.status == 200, await answer.text()
        return str(answer.headers["x-generation-id"])


async def cancel(proxy: Proxy, generation_id: str) -> None:
    async with proxy.client.delete(f"{proxy.url}/v1/generation/{generation_id}") as answer:
        assert answer.status == 200


async def until_delivered(folder: Path, *, but: int = 0) -> None:
    async def look() -> bool:
        return len(await asyncio.to_thread(outbox_of, folder)) <= but

    await eventually(look)


# --- Content ----------------------------------------------------------------------------------------------------------


async def test_a_webhook_of_a_completed_order_has_a_valid_signature_and_working_links(
    proxy: Proxy, receiver: Receiver
) -> None:
    before = dt.datetime.now(dt.UTC)
    generation_id = await order(proxy, receiver.url)
    call = await receiver.until(1)

    await call.verify()
    assert call.path == "/path-of-the-webhook?token=secret-of-the-address"
    assert call.headers["content-type"] == "application/json"
    assert (call.event["type"], call.event["data"]["status"]) == ("generation.completed", "completed")
    assert before <= dt.datetime.fromisoformat(call.event["timestamp"]) <= dt.datetime.now(dt.UTC)
    (listed,) = (await proxy.get("/v1/generations"))["data"]
    assert call.event["data"] == listed | {"metadata": {"webhook_url": receiver.url, "purpose": "test"}}
    assert listed["id"] == generation_id
    async with proxy.client.get(call.event["data"]["pictures"][0]) as image:
        assert image.status == 200


async def test_a_webhook_of_a_failed_order_contains_the_reason(
    proxy: Proxy, receiver: Receiver, simulator: Simulator
) -> None:
    await simulator.order_fault("moderation")
    await order(proxy, receiver.url)
    event = (await receiver.until(1)).event
    assert (event["type"], event["data"]["pictures"]) == ("generation.failed", [])
    assert event["data"]["error"]["code"] == "content_policy_violation"


async def test_a_cancelled_order_sends_one_webhook_although_its_task_continues(
    start_proxy: StartProxy, sora: Sora, receiver: Receiver, tmp_path: Path
) -> None:
    tasks = []

    async def take(order: Order) -> web.StreamResponse:
        tasks.append(sora.register(order, "running"))
        return web.json_response({"id": tasks[-1]["id"]})

    sora.on_order = take
    async with start_proxy(**in_front_of_sora(sora), **allowing(receiver.host)) as proxy:
        cancelled = await order(proxy, receiver.url)
        await sora.until(lambda: sora.looks.total() > 1)  # the first list is read before the order
        await cancel(proxy, cancelled)
        event = (await receiver.until(1)).event
        assert event["type"] == "generation.cancelled"
        assert event["data"]["error"]["code"] == "cancelled"
        assert event["data"]["id"] == cancelled
        sora.on_order = sora.take
        tasks[0]["status"] = "succeeded"
        await order(proxy, receiver.url)
        assert (await receiver.until(2)).event["type"] == "generation.completed"
        await until_delivered(tmp_path)
    assert len(receiver.calls) == 2


async def test_links_in_webhooks_begin_with_base_url(
    start_proxy: StartProxy, simulator: Simulator, receiver: Receiver
) -> None:
    settings = allowing(receiver.host, base_url="https://images.example.com")
    async with start_proxy(**in_front_of(simulator), **settings) as proxy:
        await order(proxy, receiver.url)
        (link,) = (await receiver.until(1)).event["data"]["pictures"]
    assert link.startswith("https://images.example.com/images/")


@pytest.mark.parametrize("form", [False, True], ids=["JSON", "form"])
async def test_orders_of_the_images_api_send_webhooks(proxy: Proxy, receiver: Receiver, form: bool) -> None:
    if form:
        data = aiohttp.FormData({"prompt": "a red fox", "metadata[webhook_url]": receiver.url, "metadata": "ignored"})
        data.add_field("image", GIF, filename="fox.gif")
        order = proxy.client.post(f"{proxy.url}/v1/images/edits", data=data)
    else:
        body = {"prompt": "a red fox", "metadata": {"webhook_url": receiver.url}, "response_format": "url"}
        order = proxy.client.post(f"{proxy.url}/v1/images/generations", json=body)
    async with order as answer:
        assert answer.status == 200, await answer.text()
    assert (await receiver.until(1)).event["data"]["metadata"] == {"webhook_url": receiver.url}


async def test_orders_of_the_responses_api_send_webhooks(proxy: Proxy, receiver: Receiver) -> None:
    body = {"input": "a red fox", "metadata": {"webhook_url": receiver.url}}
    async with proxy.client.post(f"{proxy.url}/v1/responses", json=body) as answer:
        assert answer.status == 200, await answer.text()
        generation_id = answer.headers["x-generation-id"]
    data = (await receiver.until(1)).event["data"]
    assert (data["id"], data["metadata"]) == (generation_id, body["metadata"])


async def test_a_repeat_of_an_order_sends_no_second_webhook(proxy: Proxy, receiver: Receiver, tmp_path: Path) -> None:
    for address in (receiver.url, receiver.url, f"http://{receiver.host}/elsewhere"):
        await order(proxy, address, headers={"idempotency-key": "one"})
    await receiver.until(1)
    await until_delivered(tmp_path)
    assert [call.path for call in receiver.calls] == ["/path-of-the-webhook?token=secret-of-the-address"]


async def test_the_webhook_contains_changed_metadata_but_keeps_its_original_receiver(
    proxy: Proxy, receiver: Receiver, simulator: Simulator
) -> None:
    await simulator.order_fault("never_finish")
    generation_id = await order(proxy, receiver.url)
    changed = {"webhook_url": f"http://{receiver.host}/elsewhere", "purpose": "other"}
    url = f"{proxy.url}/v1/chat/completions/{generation_id}"
    async with proxy.client.post(url, json={"metadata": changed}) as answer:
        assert answer.status == 200
    await cancel(proxy, generation_id)
    call = await receiver.until(1)
    assert call.path.startswith("/path-of-the-webhook")
    assert call.event["data"]["metadata"] == changed


# --- Allowed hosts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("allowed", "address", "reason"),
    [
        ((), "https://hooks.example.com/", "is not allowed by the operator"),
        ((), "http://{host}/", "is not allowed by the operator"),
        (("hooks.example.com",), "https://hooks.example.org/", "is not allowed by the operator"),
        (("hooks.example.com",), "https://sub.hooks.example.com/", "is not allowed by the operator"),
        (("hooks.example.com:8443",), "https://hooks.example.com/", "is not allowed by the operator"),
        (("*",), "http://hooks.example.com/", "must begin with https://"),
        (("*",), "https://hooks.example.com:8443/", "must not contain a port"),
        (("*",), "https://10.0.0.1/", "is not public"),
        (("*",), "https://*/", "is not public"),
        (("*",), "https://user:password@hooks.example.com/", "must not contain a user or a password"),
        (("hooks.example.com",), "ftp://hooks.example.com/", "must begin with http:// or https://"),
        (("hooks.example.com",), "hooks.example.com", "must begin with http:// or https://"),
        (("hooks.example.com",), "http://[", "is not valid"),
        (("hooks.example.com",), "", "must begin with http:// or https://"),
    ],
)
async def test_a_forbidden_webhook_address_is_refused_before_an_order_is_placed(
    start_proxy: StartProxy,
    simulator: Simulator,
    receiver: Receiver,
    allowed: tuple[str, ...],
    address: str,
    reason: str,
) -> None:
    metadata = {"webhook_url": address.format(host=receiver.host)}
    async with start_proxy(**in_front_of(simulator), **allowing(*allowed)) as proxy:
        async with proxy.chat(metadata=metadata) as answer:
            error = (await answer.json())["error"]
            assert answer.status == 400
        assert (await proxy.get("/v1/generations"))["data"] == []
    assert (error["code"], error["param"]) == ("webhook_refused", "metadata.webhook_url")
    assert reason in error["message"]
    assert receiver.calls == []


async def test_a_star_allows_public_hosts_and_a_listed_private_host_is_allowed_too(
    start_proxy: StartProxy, simulator: Simulator, receiver: Receiver
) -> None:
    async with start_proxy(**in_front_of(simulator), **allowing("127.0.0.1", "*")) as proxy:
        await order(proxy, "https://hooks.example.com/a")
        await order(proxy, receiver.url)
        await (await receiver.until(1)).verify()


# --- At least once ----------------------------------------------------------------------------------------------------


async def test_a_failed_webhook_is_sent_again_with_the_same_id_after_a_restart(
    start_proxy: StartProxy, simulator: Simulator, receiver: Receiver, tmp_path: Path
) -> None:
    settings = {**in_front_of(simulator), **allowing(receiver.host)}
    receiver.answers = [status(500)]
    async with start_proxy(**settings) as proxy:
        await order(proxy, receiver.url)
        first = await receiver.until(1)
    await asyncio.to_thread(let_time_pass, tmp_path)
    async with start_proxy(**settings):
        second = await receiver.until(2)
        await until_delivered(tmp_path)

    await first.verify()
    await second.verify()
    assert (second.id, second.body) == (first.id, first.body)


async def test_waiting_webhooks_are_sent_when_webhooks_are_switched_on_again(
    start_proxy: StartProxy, simulator: Simulator, receiver: Receiver, tmp_path: Path
) -> None:
    on, off = ({**in_front_of(simulator), **allowing(*hosts)} for hosts in ((receiver.host,), ()))
    receiver.answers = [status(500)]
    async with start_proxy(**on) as proxy:
        await order(proxy, receiver.url)
        await receiver.until(1)
    await asyncio.to_thread(let_time_pass, tmp_path)
    async with start_proxy(**off) as proxy, proxy.chat() as answer:
        assert answer.status == 200
    assert len(receiver.calls) == 1
    async with start_proxy(**on):
        await receiver.until(2)


async def test_a_hanging_receiver_delays_neither_orders_nor_readiness_nor_shutdown(
    start_proxy: StartProxy, simulator: Simulator, receiver: Receiver, tmp_path: Path
) -> None:
    receiver.answers = [hang] * 20
    async with start_proxy(**in_front_of(simulator), **allowing(receiver.host)) as proxy:
        for _ in range(6):
            await order(proxy, receiver.url)
        await receiver.until(4)
        async with proxy.chat() as answer:
            assert answer.status == 200
        async with proxy.client.get(f"{proxy.url}/health/ready") as answer:
            assert answer.status == 200
        assert receiver.open == 4
        stopping = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - stopping < 5
    assert len(await asyncio.to_thread(outbox_of, tmp_path)) == 6


async def test_a_deleted_completion_sends_no_webhook(
    start_proxy: StartProxy, simulator: Simulator, receiver: Receiver, tmp_path: Path
) -> None:
    receiver.answers = [status(500)]
    async with start_proxy(**in_front_of(simulator), **allowing(receiver.host)) as proxy:
        generation_id = await order(proxy, receiver.url)
        await receiver.until(1)
        async with proxy.client.delete(f"{proxy.url}/v1/chat/completions/{generation_id}") as answer:
            assert answer.status == 200
    assert await asyncio.to_thread(outbox_of, tmp_path) == []


# --- Secrets ----------------------------------------------------------------------------------------------------------


async def test_a_generated_webhook_secret_is_readable_only_by_its_owner(
    start_proxy: StartProxy, simulator: Simulator, receiver: Receiver, tmp_path: Path
) -> None:
    settings = {**in_front_of(simulator), **allowing(receiver.host, webhook_secret=None)}
    path = tmp_path / "data/webhook_secret"
    for calls in (1, 2):
        async with start_proxy(**settings) as proxy:
            await order(proxy, receiver.url)
            call = await receiver.until(calls)
        secret = await asyncio.to_thread(path.read_text)
        await call.verify(secret.strip())
        assert (await asyncio.to_thread(path.stat)).st_mode & 0o777 == 0o600


async def test_logs_contain_the_host_of_a_webhook_but_neither_its_path_nor_its_secret(
    start_proxy: StartProxy,
    simulator: Simulator,
    receiver: Receiver,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    receiver.answers = [status(500), status(410)]
    async with start_proxy(**in_front_of(simulator), **allowing(receiver.host)) as proxy:
        for calls in (1, 2, 3):
            await order(proxy, receiver.url)
            await receiver.until(calls)
        await until_delivered(tmp_path, but=1)
    for event in ("webhook delivery failed", "webhook receiver gone", "webhook delivered"):
        assert f"event='{event}'" in caplog.text
    assert "host='127.0.0.1'" in caplog.text
    assert "path-of-the-webhook" not in caplog.text
    assert "secret-of-the-address" not in caplog.text
    assert SECRET.removeprefix("whsec_") not in caplog.text
