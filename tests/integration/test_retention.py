"""Retention limits the number and the age of generations, and nothing of a deleted generation can be retrieved."""

import asyncio
from pathlib import Path
from typing import Any

from sora_proxy.api.context import RETENTION, STORE
from sora_proxy.orders.retention import discarded
from sora_proxy.settings.access import fingerprint
from tests.conftest import UPSTREAM_TOKEN, Proxy, Simulator, StartProxy, in_front_of
from tests.eventually import eventually

A_MOMENT = 0.001 / 86400  # a millisecond, in days


async def make(proxy: Proxy, prompt: str = "a red fox", **fields: Any) -> dict[str, Any]:
    async with proxy.chat(prompt, **fields) as answer:
        assert answer.status == 200, await answer.text()
    return dict((await proxy.get("/v1/generations"))["data"][0])


async def status_of(proxy: Proxy, path: str) -> int:
    async with proxy.client.get(path if path.startswith("http") else proxy.url + path) as answer:
        return int(answer.status)


async def images_in(folder: Path) -> set[str]:
    return {path.name for path in await asyncio.to_thread(lambda: list((folder / "data/images").iterdir()))}


async def check_it_is_forgotten(proxy: Proxy, made: dict[str, Any]) -> None:
    for path in ("generation/{}", "chat/completions/{}", "generation/{}/events", "chat/completions/{}?stream=true"):
        assert await status_of(proxy, f"/v1/{path.format(made['id'])}") == 404
    assert await status_of(proxy, made["pictures"][0]) == 404
    assert made["id"] not in [each["id"] for each in (await proxy.get("/v1/generations"))["data"]]


async def check_it_is_kept(proxy: Proxy, made: dict[str, Any]) -> None:
    assert await status_of(proxy, f"/v1/generation/{made['id']}") == 200
    assert await status_of(proxy, made["pictures"][0]) == 200


async def test_only_the_newest_generations_are_kept(
    start_proxy: StartProxy, simulator: Simulator, tmp_path: Path
) -> None:
    settings = in_front_of(simulator) | {"image_localization": True, "retention_count": 2}
    async with start_proxy(**settings) as proxy:
        oldest, *others = [await make(proxy, f"number {n}") for n in range(3)]
        await check_it_is_kept(proxy, oldest)
        await proxy.app[RETENTION].sweep()
        await check_it_is_forgotten(proxy, oldest)
        for each in others:
            await check_it_is_kept(proxy, each)
        assert await images_in(tmp_path) == {each["pictures"][0].rpartition("/")[2] for each in others}


async def test_a_server_deletes_old_generations_automatically(start_proxy: StartProxy, simulator: Simulator) -> None:
    settings = in_front_of(simulator) | {"image_localization": True, "base_url": "http://images.example.com"}
    async with start_proxy(**settings, retention_days=0, retention_count=0) as proxy:
        made = await make(proxy)
        await proxy.app[RETENTION].sweep()
        assert await status_of(proxy, f"/v1/generation/{made['id']}") == 200
    async with start_proxy(**settings, retention_days=A_MOMENT) as proxy:

        async def is_forgotten() -> bool:
            return await status_of(proxy, f"/v1/generation/{made['id']}") == 404

        await eventually(is_forgotten)


async def test_unfinished_generations_are_never_deleted(start_proxy: StartProxy, simulator: Simulator) -> None:
    await simulator.order_fault("never_finish", times=2)
    settings = in_front_of(simulator) | {"retention_days": A_MOMENT, "retention_count": 1}
    async with start_proxy(**settings) as proxy:
        running = [await make(proxy, f"number {n}", background=True) for n in range(2)]
        await simulator.wait_for(registered=2)
        async with proxy.client.delete(f"{proxy.url}/v1/generation/{running[0]['id']}") as answer:
            assert answer.status == 200  # the order has ended for its client, but not for its key
        await proxy.app[RETENTION].sweep()
        for each in running:
            assert await status_of(proxy, f"/v1/generation/{each['id']}") == 200


async def test_files_that_a_crash_left_behind_are_removed_at_the_next_start(
    start_proxy: StartProxy, simulator: Simulator, tmp_path: Path
) -> None:
    settings = in_front_of(simulator) | {"image_localization": True}
    async with start_proxy(**settings) as proxy:
        kept = await make(proxy)
        left = f"{7:032x}.png"
        await asyncio.to_thread((tmp_path / "data/images" / left).write_bytes, b"an image")
        row = discarded.insert().values(name=left)
        await proxy.app[STORE]._database.write(lambda connection: connection.execute(row))

    async def only_the_kept_one_is_there() -> bool:
        return await images_in(tmp_path) == {kept["pictures"][0].rpartition("/")[2]}

    async with start_proxy(**settings):
        await eventually(only_the_kept_one_is_there)


async def test_files_whose_removal_fails_are_removed_later(
    start_proxy: StartProxy, simulator: Simulator, tmp_path: Path
) -> None:
    def put_a_folder_in_its_place(image: Path) -> None:
        image.unlink()
        image.mkdir()

    settings = in_front_of(simulator) | {"image_localization": True, "retention_days": A_MOMENT}
    async with start_proxy(**settings) as proxy:
        made = await make(proxy)
        image = tmp_path / "data/images" / made["pictures"][0].rpartition("/")[2]
        await asyncio.to_thread(put_a_folder_in_its_place, image)
        await proxy.app[RETENTION].sweep()
        await check_it_is_forgotten(proxy, made)
        await asyncio.to_thread(image.rmdir)
        await asyncio.to_thread(image.write_bytes, b"an image")
        await proxy.app[RETENTION].sweep()
        assert not await images_in(tmp_path)


async def test_the_task_id_of_a_deleted_order_is_still_known(start_proxy: StartProxy, simulator: Simulator) -> None:
    async with start_proxy(**in_front_of(simulator), retention_days=A_MOMENT) as proxy:
        await make(proxy)
        (task,) = (await simulator.stats())["tasks"]
        await proxy.app[RETENTION].sweep()
        assert (await proxy.get("/v1/generations"))["data"] == []
        assert await proxy.app[STORE].known_tasks(fingerprint(UPSTREAM_TOKEN), [task["id"]]) == {task["id"]}


async def test_the_idempotency_key_of_a_deleted_order_orders_nothing(
    start_proxy: StartProxy, simulator: Simulator
) -> None:
    async with start_proxy(**in_front_of(simulator), retention_days=A_MOMENT) as proxy:
        await make(proxy, headers={"idempotency-key": "k"})
        await proxy.app[RETENTION].sweep()
        async with proxy.chat(headers={"idempotency-key": "k"}) as answer:
            assert answer.status == 404
        assert (await simulator.stats())["registered"] == 1
