"""The readiness check states every reason for which the server is not ready."""

import asyncio
import socket
from pathlib import Path

import pytest

from sora_proxy import background
from sora_proxy.api.context import SUPERVISOR
from sora_proxy.api.readiness import CODES
from sora_proxy.api.reference.answer_schemas import Health, NotReady, Reason
from sora_proxy.backend_keeping import discovery
from sora_proxy.scheduling import order_queue
from sora_proxy.simulator import SimulatorOptions, serve_simulator
from tests.conftest import HOUR, Proxy, Simulator, StartProxy, StartSimulator, upstream_keys
from tests.eventually import eventually
from tests.sora_server import Sora, in_front_of


async def readiness(proxy: Proxy) -> Health | NotReady:
    async with proxy.client.get(f"{proxy.url}/health/ready", headers={"authorization": ""}) as answer:
        kind = Health if answer.status == 200 else NotReady
        assert answer.status in (200, 503)
        return kind.model_validate_json(await answer.read(), strict=True)


async def reasons(proxy: Proxy) -> list[Reason]:
    """Why the server is not ready. The answer also has an error in OpenAI's form, with a code for the first reason."""
    found = await readiness(proxy)
    if not isinstance(found, NotReady):
        return []
    assert found.error.code == CODES[found.reasons[0].code]
    assert found.error.message == found.reason == " ".join(reason.message for reason in found.reasons)
    return found.reasons


async def only_reason(proxy: Proxy, code: str) -> Reason:
    """The only reason, once there is one."""

    async def look() -> list[Reason]:
        return await reasons(proxy)

    (reason,) = await eventually(look)
    assert reason.code == code
    return reason


async def until_ready(proxy: Proxy) -> None:
    async def look() -> bool:
        return not await reasons(proxy)

    await eventually(look)


async def test_a_server_that_is_shutting_down_is_not_ready(proxy: Proxy) -> None:
    await proxy.app[SUPERVISOR].stop(5)
    assert "shutting down" in (await only_reason(proxy, "server_stopping")).message
    async with proxy.client.get(f"{proxy.url}/health/ready") as answer:
        assert (answer.headers["connection"], answer.headers["retry-after"]) == ("close", "5")


async def test_a_server_without_an_enabled_back_end_is_not_ready(start_proxy: StartProxy, sora: Sora) -> None:
    entry = {"name": "fox", "kind": "sora", "base_url": sora.url}
    async with start_proxy(backends=[entry]) as proxy:
        assert await reasons(proxy) == []
        status, _ = await proxy.ask("PATCH", "/admin/api/backends/fox", {"enabled": False})
        assert status == 200
        assert (await only_reason(proxy, "no_backend")).backend is None
        await proxy.ask("PATCH", "/admin/api/backends/fox", {"enabled": True})
        assert await reasons(proxy) == []


async def test_a_server_without_a_usable_key_is_not_ready(start_proxy: StartProxy, simulator: Simulator) -> None:
    await simulator.order_fault("unauthorized", endpoint="submit", times=None)
    settings = {"upstream": "sora", "sora_base_url": simulator.url, "api_keys": upstream_keys()}
    async with start_proxy(**settings) as proxy, proxy.chat() as answer:
        assert answer.status == 503
        reason = await only_reason(proxy, "no_upstream_key")
    assert reason.backend == "sora"
    assert "sora has no usable key" in reason.message


async def test_a_server_whose_back_ends_have_listed_no_models_yet_is_not_ready(
    start_proxy: StartProxy, silent: int
) -> None:
    entry = {"name": "fox", "kind": "openai_images", "base_url": f"http://127.0.0.1:{silent}/v1"}
    async with start_proxy(backends=[entry]) as proxy:
        await only_reason(proxy, "models_not_listed")


async def test_a_server_is_not_ready_while_its_storage_is_unavailable(
    start_proxy: StartProxy, sora: Sora, tmp_path: Path
) -> None:
    path = tmp_path / "data" / "sora_proxy.db"
    async with start_proxy(**in_front_of(sora)) as proxy:
        await asyncio.to_thread(path.rename, path.with_suffix(".away"))
        reason = await only_reason(proxy, "storage_unavailable")
        assert reason.message.endswith("the database's files were moved or removed.")
        await asyncio.to_thread(path.with_suffix(".away").rename, path)
        assert await reasons(proxy) == []


async def place_in_background(proxy: Proxy) -> None:
    async with proxy.chat(background=True) as answer:
        assert answer.status == 200, await answer.text()


async def test_a_server_is_not_ready_while_its_back_end_is_unreachable(
    start_proxy: StartProxy, sora: Sora, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_queue, "MAX_REFUSED_SECONDS", 0.5)
    monkeypatch.setattr(discovery, "RETRY_SECONDS", 0.2)
    reserved = socket.socket()  # nothing is listening on this port yet
    reserved.bind(("127.0.0.1", 0))
    settings = in_front_of(sora) | {"sora_base_url": f"http://127.0.0.1:{reserved.getsockname()[1]}"}
    async with start_proxy(**settings) as proxy, proxy.chat() as failed:
        assert failed.status == 502
        reason = await only_reason(proxy, "backend_unreachable")
        assert reason.backend == "sora"
        assert reason.since is not None
        assert "has been unreachable since 20" in reason.message
        ready = await readiness(proxy)
        assert ready.backends == {"sora": False}
        async with serve_simulator(SimulatorOptions(), reserved):
            await until_ready(proxy)  # the server notices this without an order


async def test_a_server_stays_ready_at_first_when_its_back_end_becomes_unreachable(
    start_proxy: StartProxy, silent: int, sora: Sora
) -> None:
    settings = in_front_of(sora) | {"sora_base_url": f"http://127.0.0.1:{silent}"}
    async with start_proxy(**settings) as proxy:
        await place_in_background(proxy)

        async def noticed() -> bool:
            return (await readiness(proxy)).backends == {"sora": False}

        await eventually(noticed)
        assert await reasons(proxy) == []


async def test_a_server_is_ready_if_one_of_its_back_ends_can_be_reached(
    start_proxy: StartProxy, sora: Sora, silent: int
) -> None:
    entry = {"kind": "sora", "base_url": sora.url}
    backends = [entry | {"name": "fox"}, entry | {"name": "hare", "base_url": f"http://127.0.0.1:{silent}"}]
    async with start_proxy(backends=backends, max_images_per_day=None) as proxy:
        await proxy.ask("PATCH", "/admin/api/backends/fox", {"enabled": False})
        await place_in_background(proxy)
        await proxy.ask("PATCH", "/admin/api/backends/fox", {"enabled": True})
        assert await reasons(proxy) == []


async def test_a_server_is_not_ready_while_its_queue_is_full(
    start_proxy: StartProxy, start_simulator: StartSimulator
) -> None:
    async with start_simulator(seconds=HOUR) as simulator:
        settings = {"upstream": "sora", "sora_base_url": simulator.url, "api_keys": upstream_keys(max_concurrent=1)}
        async with start_proxy(**settings, max_queue=1, max_queue_wait=HOUR) as proxy:
            await place_in_background(proxy)
            await simulator.wait_for(registered=1)
            assert await reasons(proxy) == []
            await place_in_background(proxy)
            assert (await only_reason(proxy, "queue_full")).backend == "sora"
            await simulator.let_pass()
            await simulator.let_pass(registered=2)
            await until_ready(proxy)


async def test_a_server_that_has_reached_its_daily_cap_is_not_ready(start_proxy: StartProxy, sora: Sora) -> None:
    async with start_proxy(**in_front_of(sora), max_images_per_day=1) as proxy:
        assert await reasons(proxy) == []
        async with proxy.chat() as answer:
            assert answer.status == 200
        assert (await only_reason(proxy, "daily_cap_reached")).backend == "sora"


async def test_a_server_is_not_ready_while_a_background_loop_keeps_crashing(
    start_proxy: StartProxy, sora: Sora, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "FIRST_PAUSE_SECONDS", 0.2)
    monkeypatch.setattr(background, "MAX_PAUSE_SECONDS", 0.2)
    async with start_proxy(**in_front_of(sora)) as proxy:
        crashes = 0

        async def crash() -> bool:
            """Kill the loop if it is running again; returns whether the server is not ready."""
            nonlocal crashes
            for task in asyncio.all_tasks():
                if task.get_name() == "retention" and not task.done():
                    task.cancel()
                    crashes += 1
            return bool(await reasons(proxy))

        await eventually(crash)
        reason = await only_reason(proxy, "loop_crashing")
        assert "retention" in reason.message
        assert (await readiness(proxy)).restarting == ["retention"]
        await until_ready(proxy)
    assert crashes >= background.MANY_DEATHS


async def test_all_reasons_why_a_server_is_not_ready_are_stated(
    start_proxy: StartProxy, sora: Sora, tmp_path: Path
) -> None:
    path = tmp_path / "data" / "sora_proxy.db"
    async with start_proxy(**in_front_of(sora) | {"api_keys": []}) as proxy:
        await asyncio.to_thread(path.rename, path.with_suffix(".away"))
        assert [reason.code for reason in await reasons(proxy)] == ["no_upstream_key", "storage_unavailable"]
        await asyncio.to_thread(path.with_suffix(".away").rename, path)
