"""The whole program opens the data folders of all earlier versions."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import UPSTREAM_TOKEN, Proxy, StartProxy
from tests.sora_server import Sora, in_front_of, outcome
from tests.upgrade_samples import NAMES, orders, restore, rows

DONE = ("a red fox", "the same fox in the snow")
REFUSED = "a fox that fails"
UNFINISHED = ("a running fox", "a fox on its way", "a waiting fox")
# The orders of the samples ended long ago, and must not be removed because of their age.
SETTINGS: dict[str, Any] = {"admin_key": None, "image_localization": True, "retention_days": 0.0}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


async def operator_reads(proxy: Proxy, data: Path, name: str) -> Any:
    """The answer of an admin route to a request with the admin key that the earlier version generated."""
    key = await asyncio.to_thread((data / "admin_key").read_text)
    headers = {"authorization": f"Bearer {key.strip()}"}
    async with proxy.client.get(f"{proxy.url}/admin/api/{name}", headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def assert_images_are_kept(proxy: Proxy, data: Path, content: str) -> None:
    name = content.rpartition("/images/")[2].rstrip(")")
    async with proxy.client.get(f"{proxy.url}/images/{name}") as answer:
        assert (answer.status, await answer.read()) == (
            200,
            await asyncio.to_thread((data / "images" / name).read_bytes),
        )


@pytest.mark.parametrize("name", NAMES)
async def test_orders_of_an_earlier_version_can_be_retrieved_and_unfinished_orders_continue(
    start_proxy: StartProxy, sora: Sora, data: Path, name: str
) -> None:
    await asyncio.to_thread(restore, name, data)
    ids = await asyncio.to_thread(orders, data)
    for prompt in (*DONE, UNFINISHED[0]):  # the tasks that the back end registered before the upgrade
        sora.register({"prompt": prompt, "token": UPSTREAM_TOKEN})
    settings = in_front_of(sora, **SETTINGS)
    for _ in range(2):  # at the second startup, there is nothing to migrate
        async with start_proxy(**settings) as proxy:
            for prompt in (*DONE, *UNFINISHED):
                await assert_images_are_kept(proxy, data, await outcome(proxy, ids[prompt]))
            (choice,) = (await proxy.get(f"/v1/generation/{ids[REFUSED]}"))["choices"]
            assert (choice["finish_reason"], bool(choice["message"]["refusal"])) == ("error", True)
            listed = await proxy.get("/v1/generations")
            assert {each["id"] for each in listed["data"]} == set(ids.values())
    assert sorted(order["prompt"] for order in sora.orders) == sorted(UNFINISHED[1:])


@pytest.mark.parametrize("name", NAMES)
async def test_operators_see_the_keys_settings_and_audit_log_of_an_earlier_version(
    start_proxy: StartProxy, sora: Sora, data: Path, name: str
) -> None:
    await asyncio.to_thread(restore, name, data)
    audited = await asyncio.to_thread(rows, data, "SELECT at FROM audit")
    keys = await asyncio.to_thread(rows, data, "SELECT id FROM keys")
    changed = await asyncio.to_thread(rows, data, "SELECT name FROM settings")
    async with start_proxy(**in_front_of(sora, **SETTINGS)) as proxy:
        found = {each: await operator_reads(proxy, data, each) for each in ("audit", "keys", "settings")}
        for each in ("backends", "queue", "usage", "generations"):
            await operator_reads(proxy, data, each)
    assert {at for (at,) in audited} <= {entry["at"] for entry in found["audit"]["data"]}
    assert {key_id for (key_id,) in keys} <= {key["id"] for key in found["keys"]["data"]}
    assert bool(changed) == found["settings"]["settings"]["VERBOSE_LOGGING"]["value"]


@pytest.mark.parametrize("name", NAMES)
async def test_the_simulator_is_used_only_if_the_earlier_version_stored_no_keys(
    start_proxy: StartProxy, data: Path, name: str
) -> None:
    await asyncio.to_thread(restore, name, data)
    keys = await asyncio.to_thread(rows, data, "SELECT id FROM keys")
    async with start_proxy(**SETTINGS) as proxy:
        ready = await proxy.get("/health/ready")
    assert (ready.get("backend") == "simulator") == (not keys)
