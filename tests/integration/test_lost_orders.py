"""An order whose answer was lost is found again, and no other task is mistaken for it."""

import time
from pathlib import Path

import pytest
from aiohttp import web

from sora_proxy.generation import State, Status
from tests.conftest import UPSTREAM_TOKEN, Proxy, StartProxy
from tests.sora_server import (
    GIF,
    KEY_ID,
    Order,
    Sora,
    Task,
    generation,
    in_front_of,
    leave_behind,
    on_the_key,
    order_of,
    outcome,
    place,
)

SOMEBODY_ELSE = {"prompt": "not ours", "token": UPSTREAM_TOKEN}
DAY = 86400.0


def losing(sora: Sora, *tasks: Order | None) -> None:
    """Lose the next answer, and register `tasks`, where None stands for the order itself."""

    async def lose(order: Order) -> web.StreamResponse:
        sora.on_order = sora.take
        for each in tasks:
            sora.register(order if each is None else each)
        return web.Response(status=500)

    sora.on_order = lose


async def made(proxy: Proxy, prompt: str = "a red fox") -> str:
    """Order an image; returns the text of the answer."""
    async with proxy.chat(prompt) as answer:
        text = str(await answer.text())
        assert answer.status == 200, text
        return text


# --- Lists without prompts --------------------------------------------------------------------------------------------


async def test_an_older_task_in_a_list_without_prompts_is_not_mistaken_for_the_order(
    start_proxy: StartProxy, sora: Sora
) -> None:
    sora.tells_prompts = False
    async with start_proxy(**in_front_of(sora), settle_time=0.2) as proxy:
        await made(proxy, "shows the server that lists have no prompts")
        sora.register(SOMEBODY_ELSE)
        losing(sora)
        assert sora.result_of("task_3") in await made(proxy)

    assert len(sora.orders) == 3


async def test_the_only_new_task_in_a_list_without_prompts_is_taken_for_the_order(
    start_proxy: StartProxy, sora: Sora
) -> None:
    sora.tells_prompts = False
    async with start_proxy(**in_front_of(sora)) as proxy:
        await made(proxy, "shows the server that lists have no prompts")
        await made(proxy, "sent after the server has recorded the listed tasks")
        sora.register(SOMEBODY_ELSE)
    async with start_proxy(**in_front_of(sora)) as proxy:  # the restarted server still knows the task
        losing(sora, None)
        assert sora.result_of("task_4") in await made(proxy)

    assert len(sora.orders) == 3


async def test_an_order_whose_answer_is_lost_fails_if_the_list_has_two_new_tasks_without_prompts(
    start_proxy: StartProxy, sora: Sora
) -> None:
    sora.tells_prompts = False
    async with start_proxy(**in_front_of(sora)) as proxy:
        await made(proxy, "shows the server that lists have no prompts")
        losing(sora, None, SOMEBODY_ELSE)
        async with proxy.chat() as answer:
            assert answer.status == 502
            assert (await answer.json())["error"]["code"] == "outcome_unknown"
            assert answer.headers["x-should-retry"] == "false"

    assert len(sora.orders) == 2


async def test_tasks_listed_before_an_intent_are_known_after_a_restart(
    start_proxy: StartProxy, sora: Sora, tmp_path: Path
) -> None:
    sora.tells_prompts = False
    lost = generation()
    before = sora.register(SOMEBODY_ELSE)["id"]
    await leave_behind(tmp_path, (lost, on_the_key(Status.submitting, listed=(before,))))
    sora.register(order_of(lost))
    async with start_proxy(**in_front_of(sora)) as proxy:
        assert sora.result_of("task_2") in await outcome(proxy, lost.id)

    assert sora.orders == []


async def test_an_intent_without_a_list_of_older_tasks_fails_and_is_not_sent_again(
    start_proxy: StartProxy, sora: Sora, tmp_path: Path
) -> None:
    sora.tells_prompts = False
    lost = generation()
    await leave_behind(tmp_path, (lost, on_the_key(Status.submitting)))
    sora.register(SOMEBODY_ELSE)
    async with start_proxy(**in_front_of(sora)) as proxy:
        await sora.until(lambda: sora.looks[UPSTREAM_TOKEN] > 0)
        assert (await proxy.ended(lost.id))["choices"][0]["finish_reason"] == "error"

    assert sora.orders == []


async def test_no_list_is_read_before_an_order_if_lists_contain_prompts(
    start_proxy: StartProxy, sora: Sora, tmp_path: Path
) -> None:
    before = generation()
    await leave_behind(tmp_path, (before, on_the_key(Status.completed, task_id="of-a-list-with-prompts")))
    async with start_proxy(**in_front_of(sora), poll_interval=60) as proxy:
        for _ in range(3):
            await place(proxy)
        await sora.until(lambda: len(sora.orders) == 3)

    assert sora.looks == {}


@pytest.mark.parametrize("registered", [True, False], ids=["registered", "not registered"])
@pytest.mark.parametrize("strangers", [0, 1], ids=["alone", "beside a stranger"])
@pytest.mark.parametrize("prompts", [True, False], ids=["prompts", "no prompts"])
async def test_an_order_whose_answer_is_lost_on_a_fresh_data_folder_is_found_or_sent_again(
    start_proxy: StartProxy, sora: Sora, registered: bool, strangers: int, prompts: bool
) -> None:
    sora.tells_prompts = prompts
    for _ in range(strangers):
        sora.register(SOMEBODY_ELSE)
    losing(sora, *([None] if registered else []))
    async with start_proxy(**in_front_of(sora), settle_time=0.2) as proxy:
        assert sora.result_of(f"task_{strangers + 1}") in await made(proxy)

    assert len(sora.orders) == (1 if registered else 2)
    assert sora.registered == strangers + 1


# --- Clocks -----------------------------------------------------------------------------------------------------------


async def test_an_intent_dated_years_ahead_is_still_found_and_not_sent_again(
    start_proxy: StartProxy, sora: Sora, tmp_path: Path
) -> None:
    lost = generation()
    intent = State(
        Status.submitting, on_the_key(Status.submitting).key_id, intent_at=time.time() + 3650 * DAY, attempts=1
    )
    await leave_behind(tmp_path, (lost, intent))
    sora.register(order_of(lost))["created_at"] = time.time()
    async with start_proxy(**in_front_of(sora)) as proxy:
        assert sora.result_of("task_1") in await outcome(proxy, lost.id)

    assert sora.orders == []


async def test_an_image_finished_while_the_server_was_down_for_days_is_fetched(
    start_proxy: StartProxy, sora: Sora, tmp_path: Path
) -> None:
    running = generation()
    task_id = sora.register(order_of(running))["id"]
    state = State(Status.running, KEY_ID, task_id, time.time() - 3 * DAY, attempts=1)
    await leave_behind(tmp_path, (running, state))
    async with start_proxy(**in_front_of(sora), poll_interval=1.5, generation_timeout=60) as proxy:
        assert sora.result_of("task_1") in await outcome(proxy, running.id)


# --- Sending orders again ---------------------------------------------------------------------------------------------


async def test_refusals_do_not_use_up_the_submits_of_an_order_whose_answer_is_lost(
    start_proxy: StartProxy, sora: Sora
) -> None:
    refusals = 3

    async def refuse_then_lose(_order: Order) -> web.StreamResponse:
        if len(sora.orders) <= refusals:
            error = {"code": "too_many_concurrent_tasks", "details": {"num_tasks": 1}}
            return web.json_response({"error": error}, status=429)
        sora.on_order = sora.take
        return web.Response(status=500)

    sora.on_order = refuse_then_lose
    settings = in_front_of(sora, api_keys=[{"key": f"token-{n}"} for n in range(refusals + 1)])
    async with start_proxy(**settings, settle_time=0.1) as proxy, proxy.chat() as answer:
        assert answer.status == 200, await answer.text()

    assert len(sora.orders) == refusals + 2
    assert sora.registered == 1


async def test_an_order_with_an_unusable_task_id_fails_and_is_not_sent_again(
    start_proxy: StartProxy, sora: Sora
) -> None:
    async def take(_order: Order) -> web.StreamResponse:
        return web.json_response({"id": "x" * 201})

    sora.on_order = take
    async with start_proxy(**in_front_of(sora), settle_time=0.1) as proxy, proxy.chat() as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (502, "generation_failed")
    assert len(sora.orders) == 1


# --- Results ----------------------------------------------------------------------------------------------------------


async def test_results_at_new_addresses_are_matched_by_id_and_not_by_position(
    start_proxy: StartProxy, sora: Sora
) -> None:
    """The first addresses have expired before they are fetched. The next list has new addresses, in reverse order."""

    def results(task: Task, names: list[str]) -> None:
        task["generations"] = [{"id": name[0], "url": f"{sora.url}/media/{name}.gif"} for name in names]

    async def take(order: Order) -> web.StreamResponse:
        task = sora.register(order)
        results(task, ["a1", "b1"])
        return web.json_response({"id": task["id"]})

    sora.on_order = take
    sora.media = {"a1.gif": None, "b1.gif": None, "a2.gif": GIF + b"a", "b2.gif": GIF + b"b"}
    async with (
        start_proxy(**in_front_of(sora), image_localization=True) as proxy,
        proxy.chat(n=2, stream=True) as answer,
    ):
        await sora.until(lambda: bool(sora.fetched))
        results(sora.tasks[UPSTREAM_TOKEN][0], ["b2", "a2"])
        text = (await answer.read()).decode()
        links = [part.split(")")[0] for part in text.split(f"]({proxy.url}")[1:]]
        images = []
        for link in links:
            async with proxy.client.get(proxy.url + link) as image:
                images.append((await image.read())[len(GIF) :])

    assert images == [b"a", b"b"]


async def test_an_order_that_is_never_registered_fails_and_does_not_count_against_a_cap(
    start_proxy: StartProxy, sora: Sora
) -> None:
    async def lose(_order: Order) -> web.StreamResponse:
        return web.Response(status=502)

    sora.on_order = lose
    async with start_proxy(**in_front_of(sora), settle_time=0.1) as proxy:
        async with proxy.chat() as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (502, "upstream_unavailable")
        assert await proxy.images_today() == 0
    assert (len(sora.orders), sora.registered) == (3, 0)
