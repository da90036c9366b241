"""The course of an order from the point of view of a client, which is the same for every back end."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from sora_proxy.api.context import SUPERVISOR
from sora_proxy.upstream import Identity
from tests.conftest import Proxy
from tests.contract.conftest import Contract
from tests.contract.script import Step
from tests.eventually import eventually

Start = Callable[..., AbstractAsyncContextManager[Proxy]]


async def error_of(proxy: Proxy, model: str) -> tuple[str, str | None]:
    """The code of a failed order, and the value of `x-should-retry` in its answer."""
    async with proxy.chat(model=model) as answer:
        body = await answer.json()
        return body["error"]["code"], answer.headers.get("x-should-retry")


@pytest.mark.parametrize("n", [1, 3])
async def test_an_order_is_made_once_and_its_images_are_stored_by_our_server(
    start: Start, contract: Contract, n: int
) -> None:
    async with start() as proxy:
        if n > (await contract.abilities(proxy))["max_images"]:
            pytest.skip("the model makes fewer images per order")
        async with proxy.chat(model=contract.model, n=n) as answer:
            text = (await answer.json())["choices"][0]["message"]["content"]
            assert answer.headers["x-sora-proxy-backend"] == contract.kind
        assert 1 <= text.count(f"]({proxy.url}/images/") <= n
    assert contract.stage.registered == (n if contract.stage.single_calls else 1)


async def test_a_refused_prompt_is_reported_to_the_client_and_not_sent_again(start: Start, contract: Contract) -> None:
    contract.stage.refuses = True
    async with start() as proxy:
        assert (await error_of(proxy, contract.model))[0] == contract.stage.refusal_code
    assert contract.stage.registered == 0


@pytest.mark.parametrize("step", [Step.arrived, Step.registered])
async def test_an_interrupted_submit_ends_in_one_image_or_an_unknown_outcome(
    start: Start, contract: Contract, step: Step
) -> None:
    contract.stage.script.cut(step)
    async with start() as proxy:
        if contract.searchable:
            async with proxy.chat(model=contract.model) as answer:
                assert answer.status == 200
        else:
            assert await error_of(proxy, contract.model) == ("outcome_unknown", "false")
    assert contract.stage.registered == (contract.searchable or step is Step.registered)


async def test_an_order_of_unknown_outcome_is_sent_again_if_the_operator_chose_requeue(
    start: Start, contract: Contract
) -> None:
    contract.stage.script.cut(Step.arrived)
    async with start(on_unknown="requeue") as proxy, proxy.chat(model=contract.model) as answer:
        assert answer.status == 200
    assert contract.stage.registered == 1


async def test_an_order_of_unknown_outcome_is_never_sent_again_if_the_operator_chose_fail(
    start: Start, contract: Contract
) -> None:
    contract.stage.script.cut(Step.arrived)
    async with start(on_unknown="fail") as proxy:
        assert await error_of(proxy, contract.model) == ("outcome_unknown", "false")
    assert contract.stage.registered == 0


@pytest.mark.parametrize("on_lost", ["fail", "requeue"])
async def test_an_order_whose_task_was_lost_is_sent_again_only_if_the_operator_chose_requeue(
    start: Start, contract: Contract, monkeypatch: pytest.MonkeyPatch, on_lost: str
) -> None:
    if contract.identity is Identity.synchronous:
        pytest.skip("the back end has no tasks")
    monkeypatch.setattr("sora_proxy.orders.watcher.LOST_TASK_POLLS", 2)
    monkeypatch.setattr("sora_proxy.orders.watcher.LOST_TASK_SECONDS", 0.2)
    monkeypatch.setattr("sora_proxy.orders.watcher.GONE_TASK_SECONDS", 0.2)
    contract.stage.script.tasks_end = False
    async with start(on_lost=on_lost) as proxy:
        async with proxy.chat(model=contract.model, background=True) as answer:
            generation_id = answer.headers["x-generation-id"]
        await contract.stage.script.reach(Step.registered)
        await contract.stage.script.reach(Step.polled, again=True)
        contract.stage.forget()
        contract.stage.script.tasks_end = True
        ended = await proxy.ended(generation_id)
        made = ended["choices"][0]["finish_reason"] == "stop"
    assert made == (on_lost == "requeue")


async def test_an_order_that_is_cancelled_during_its_submit_shows_no_image(start: Start, contract: Contract) -> None:
    go_on = contract.stage.script.pause(Step.registered)
    async with start() as proxy:
        async with proxy.chat(model=contract.model, background=True) as answer:
            generation_id = answer.headers["x-generation-id"]
        await contract.stage.script.reach(Step.registered)
        async with proxy.client.post(f"{proxy.url}/v1/generation/{generation_id}/cancel") as answer:
            assert (await answer.json())["status"] == "cancelled"
        go_on.set()

        async def at_rest() -> bool:
            return not proxy.app[SUPERVISOR].unfinished

        await eventually(at_rest)
        assert (await proxy.get(f"/v1/generation/{generation_id}"))["choices"][0]["finish_reason"] == "error"
    assert contract.stage.registered == 1


async def test_a_key_submits_several_orders_at_once_unless_the_identity_is_listed(
    start: Start, contract: Contract
) -> None:
    orders = 3
    contract.stage.script.pause(Step.registered)
    async with start() as proxy:
        placed = []
        for _ in range(orders):
            async with proxy.chat(model=contract.model, background=True) as answer:
                placed.append(answer.headers["x-generation-id"])
        at_once = 1 if contract.identity is Identity.listed else orders

        async def settled() -> bool:
            return (contract.stage.registered, len(proxy.pool.queue)) == (at_once, orders - at_once)

        await eventually(settled)
        contract.stage.script.release()
        for generation_id in placed:
            assert (await proxy.ended(generation_id))["choices"][0]["finish_reason"] == "stop"
    assert contract.stage.registered == orders
