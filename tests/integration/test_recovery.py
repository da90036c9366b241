"""Orders survive odd answers, shutdowns, and restarts at any point: each order is made once, and gets its own image."""

import asyncio
import time
from collections import Counter
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import web

from sora_proxy.api.context import STORE, SUPERVISOR
from sora_proxy.generation import Asset, State, Status
from sora_proxy.orders import watcher as watcher_module
from sora_proxy.orders.watcher import TaskWatcher
from sora_proxy.upstream import Snapshot, TaskState, Upstream
from tests.conftest import UPSTREAM_TOKEN, Proxy, StartProxy, upstream_keys
from tests.eventually import PATIENCE, eventually, turns_until
from tests.sora_server import (
    GIF,
    GIF_URI,
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


async def inputs_in(folder: Path) -> set[str]:
    return {path.name for path in await asyncio.to_thread(lambda: list((folder / "data/inputs").iterdir()))}


async def until_no_inputs_in(folder: Path) -> None:
    async def look() -> bool:
        return not await inputs_in(folder)

    await eventually(look)


# --- Odd answers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [201, 202, 302, 404, 409, 500])
async def test_an_order_with_an_odd_answer_is_searched_for_and_made_once(
    start_proxy: StartProxy, sora: Sora, status: int
) -> None:
    async def take_oddly(order: Order) -> web.StreamResponse:
        return web.json_response({"id": sora.register(order)["id"]}, status=status)

    sora.on_order = take_oddly
    async with start_proxy(**in_front_of(sora)) as proxy, proxy.chat() as answer:
        assert answer.status == 200
        assert sora.result_of("task_1") in await answer.text()

    assert len(sora.orders) == 1


async def test_an_order_answered_by_an_invalid_redirect_is_searched_for_and_made_once(
    start_proxy: StartProxy, sora: Sora
) -> None:
    async def take_oddly(order: Order) -> web.StreamResponse:
        sora.register(order)
        return web.Response(status=302, headers={"location": "http://["})

    sora.on_order = take_oddly
    async with start_proxy(**in_front_of(sora)) as proxy, proxy.chat() as answer:
        assert answer.status == 200

    assert len(sora.orders) == 1


async def test_a_poll_that_is_answered_with_an_invalid_redirect_counts_only_as_a_failed_poll(
    start_proxy: StartProxy, sora: Sora
) -> None:
    sora.odd_lists = [web.Response(status=302, headers={"location": "http://["}) for _ in range(2)]
    async with start_proxy(**in_front_of(sora), generation_timeout=PATIENCE) as proxy, proxy.chat() as answer:
        assert answer.status == 200

    assert not sora.odd_lists


async def test_an_unforeseen_error_in_a_poll_does_not_end_polling(start_proxy: StartProxy, sora: Sora) -> None:
    class BreaksOnce:
        looks = 0

        async def poll(self, task_ids: list[str], *_: object, **__: object) -> dict[str, Snapshot]:
            self.looks += 1
            if self.looks == 1:
                raise MemoryError
            return {task_id: Snapshot(task_id, TaskState.succeeded) for task_id in task_ids}

    async with start_proxy(**in_front_of(sora)) as proxy:
        keys = proxy.pool
        key, upstream = keys.get(KEY_ID), BreaksOnce()
        assert key is not None
        watcher = TaskWatcher(cast("Upstream", upstream), keys, interval=0.02, patience=PATIENCE)
        async with asyncio.timeout(PATIENCE), aclosing(watcher.follow(key, "task_1")) as snapshots:
            assert (await anext(snapshots)).state is TaskState.succeeded
        await watcher.close()

    assert upstream.looks == 2


async def test_an_unforeseen_error_between_two_polls_does_not_end_polling(
    start_proxy: StartProxy, sora: Sora, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sora_proxy.orders.watcher.MAX_INTERVAL_SECONDS", 0.02)
    pause_of, breaks = watcher_module._pause, iter([True])

    def break_once(*arguments: Any) -> float:
        if next(breaks, False):
            raise ZeroDivisionError
        return pause_of(*arguments)

    monkeypatch.setattr(watcher_module, "_pause", break_once)
    sora.on_order = lambda order: answer_with(sora.register(order, "running"))
    async with start_proxy(**in_front_of(sora)) as proxy:
        placed = await place(proxy)
        await sora.until(lambda: sora.looks[UPSTREAM_TOKEN] >= 2)
        for task in sora.tasks[UPSTREAM_TOKEN]:
            task["status"] = "succeeded"
        assert sora.result_of("task_1") in await outcome(proxy, placed)


async def answer_with(task: Task) -> web.Response:
    return web.json_response({"id": task["id"]})


async def test_a_key_that_needs_an_operator_is_not_revived_by_successful_polls(
    start_proxy: StartProxy, sora: Sora
) -> None:
    async def take(order: Order) -> web.StreamResponse:
        if order["token"] == "tired" and sora.tasks.get("tired"):
            return web.json_response({"error": {"code": "phone_number_required"}}, status=403)
        return web.json_response({"id": sora.register(order, "running")["id"]})

    def tried() -> int:
        return sum(order["token"] == "tired" for order in sora.orders)

    sora.on_order = take
    async with start_proxy(**in_front_of(sora, api_keys=upstream_keys("tired", "fresh"))) as proxy:
        placed = 0

        async def place_one() -> None:
            nonlocal placed
            placed += 1
            await place(proxy)
            await sora.until(lambda: sora.registered == placed)

        while tried() < 2:
            await place_one()
        looks = sora.looks["tired"]
        # The first task is still being polled, and the polls succeed.
        await sora.until(lambda: sora.looks["tired"] >= looks + 3)
        for _ in range(3):
            await place_one()

    assert tried() == 2


# --- Reference images -----------------------------------------------------------------------------------------------


def holding_orders(sora: Sora) -> asyncio.Event:
    """Make the back end accept orders only after the returned event is set."""
    go = asyncio.Event()

    async def take_later(order: Order) -> web.StreamResponse:
        await go.wait()
        return await sora.take(order)

    sora.on_order = take_later
    return go


async def test_reference_images_are_stored_only_while_an_accepted_order_needs_them(
    start_proxy: StartProxy, sora: Sora, tmp_path: Path
) -> None:
    async def burst() -> list[int]:
        return list(await asyncio.gather(*(status_of_order() for _ in range(8))))

    async def status_of_order() -> int:
        async with proxy.chat(f"{GIF_URI} larger", background=True) as answer:
            return int(answer.status)

    go = holding_orders(sora)
    async with start_proxy(**in_front_of(sora, max_queue=1, max_queue_wait=3600)) as proxy:
        statuses = Counter(await burst() + await burst())
        assert set(statuses) == {200, 429}
        taken = {name for each in await proxy.app[STORE].unfinished() for name in each.spec.images}
        assert len(taken) == statuses[200]
        assert await inputs_in(tmp_path) == taken
        go.set()
        await until_no_inputs_in(tmp_path)

    assert len(sora.orders) == statuses[200]


async def test_startup_removes_only_reference_images_that_no_order_needs(
    start_proxy: StartProxy, sora: Sora, tmp_path: Path
) -> None:
    def store_input(name: str) -> None:
        (tmp_path / "data/inputs").mkdir(parents=True, exist_ok=True)
        (tmp_path / "data/inputs" / name).write_bytes(GIF)

    needed, orphan = f"{1:032x}.gif", f"{2:032x}.gif"
    await leave_behind(tmp_path, (generation(image=needed), State()))
    for name in (needed, orphan):
        await asyncio.to_thread(store_input, name)
    go = holding_orders(sora)
    async with start_proxy(**in_front_of(sora)):
        assert await inputs_in(tmp_path) == {needed}
        go.set()
        await until_no_inputs_in(tmp_path)

    assert [order["inpaint_items"][0]["upload_media_id"] for order in sora.orders] == ["media_1"]


# --- Restarts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("registered", [True, False], ids=["registered", "not registered"])
async def test_a_lost_and_a_queued_order_with_the_same_prompt_are_not_confused(
    start_proxy: StartProxy, sora: Sora, tmp_path: Path, registered: bool
) -> None:
    async def take_slowly(order: Order) -> web.StreamResponse:
        task = sora.register(order)
        await asyncio.sleep(0.3)  # the list shows the task long before the answer with its id is sent
        return web.json_response({"id": task["id"]})

    queued, lost = generation(), generation()
    await leave_behind(tmp_path, (queued, State()), (lost, on_the_key(Status.submitting)))
    if registered:
        sora.register(order_of(lost))
    sora.on_order = take_slowly
    async with start_proxy(**in_front_of(sora), settle_time=0.2) as proxy:
        contents = [await outcome(proxy, lost.id), await outcome(proxy, queued.id)]

    made = [task_id for content in contents for task_id in ("task_1", "task_2") if sora.result_of(task_id) in content]
    assert made == ["task_1", "task_2"] if registered else sorted(made) == ["task_1", "task_2"]
    assert len(sora.orders) == (1 if registered else 2)


async def test_a_restart_resumes_every_order_from_its_last_state(
    start_proxy: StartProxy, sora: Sora, tmp_path: Path
) -> None:
    saving, running, unknown = (generation(prompt) for prompt in ("saving", "running", "unknown"))
    queued = [generation(f"queued {number}") for number in range(3)]
    ids = [sora.register(order_of(each))["id"] for each in (saving, running, unknown)]
    saved = {"task_id": ids[0], "upstream_done_at": time.time(), "assets": (Asset(sora.result_of(ids[0])),)}
    await leave_behind(
        tmp_path,
        *((each, State()) for each in queued),
        (unknown, on_the_key(Status.unknown)),
        (saving, on_the_key(Status.saving, **saved)),
        (running, on_the_key(Status.running, task_id=ids[1])),
    )
    async with start_proxy(**in_front_of(sora), image_localization=True) as proxy:
        for each in (saving, running, unknown, *queued):
            assert f"]({proxy.url}/images/" in await outcome(proxy, each.id)

    assert [order["prompt"] for order in sora.orders] == ["queued 0", "queued 1", "queued 2"]
    assert sorted(sora.fetched) == [sora.result_of(f"task_{number}") for number in range(1, 7)]


# --- Shutdown ---------------------------------------------------------------------------------------------------------


async def test_shutdown_waits_for_the_answer_to_a_submit_and_refuses_new_orders(
    start_proxy: StartProxy, sora: Sora
) -> None:
    go = holding_orders(sora)
    async with start_proxy(**in_front_of(sora)) as proxy:
        placed = await place(proxy)
        await sora.until(lambda: len(sora.orders) == 1)
        stopping = asyncio.create_task(proxy.app[SUPERVISOR].stop(PATIENCE))
        await asyncio.sleep(0)
        async with proxy.chat("too late") as answer:
            assert answer.status == 503
            assert not stopping.done()
        go.set()
        assert await stopping
        (stored,) = await proxy.app[STORE].unfinished()
        assert (stored.id, stored.status, stored.state.task_id) == (placed, Status.running, "task_1")

    async with start_proxy(**in_front_of(sora)) as proxy:
        assert sora.result_of("task_1") in await outcome(proxy, placed)
    assert len(sora.orders) == 1


async def test_orders_that_arrive_during_shutdown_are_refused_or_stored(start_proxy: StartProxy, sora: Sora) -> None:
    async def arrive(proxy: Proxy) -> str | None:
        async with proxy.chat(background=True) as answer:
            assert answer.status in (200, 503), await answer.text()
            return str(answer.headers["x-generation-id"]) if answer.status == 200 else None

    async with start_proxy(**in_front_of(sora)) as proxy:
        supervisor = proxy.app[SUPERVISOR]
        arriving = [asyncio.create_task(arrive(proxy)) for _ in range(20)]
        await turns_until(lambda: supervisor._arriving)  # an order is being stored
        assert await supervisor.stop(PATIENCE)
        assert not supervisor._arriving
        taken = [generation_id for generation_id in await asyncio.gather(*arriving) if generation_id]
        stored = {each.id for each in await proxy.app[STORE].unfinished()}

    assert taken
    assert stored == set(taken)
    async with start_proxy(**in_front_of(sora)) as proxy:
        for generation_id in taken:
            await outcome(proxy, generation_id)
    assert len(sora.orders) == len(taken)
