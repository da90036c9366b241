"""Jobs of a ComfyUI server are polled and stopped at moments at which they could wrongly count as lost."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from sora_proxy.api.context import SUPERVISOR
from sora_proxy.blocking import BlockingPool
from sora_proxy.settings.accounts import Account
from sora_proxy.upstream import BackendOptions, TaskState
from sora_proxy.upstream.comfyui import ComfyUI
from tests.conftest import HOUR, StartProxy
from tests.eventually import eventually
from tests.integration.test_cancel import cancel
from tests.integration.test_comfyui import ours, place, running, versions
from tests.simulated_comfyui import STEP, painted, simulated

JOB = "b2a4bd5e-0000-5000-8000-000000000001"


class EndingJob:
    """A server with one job. The first call finds the job in the queue, and all later calls find it in the history."""

    def __init__(self) -> None:
        self.url = ""
        self.calls: list[str] = []
        self.app = web.Application()
        self.app.router.add_get("/queue", self._queue)
        self.app.router.add_get("/history/{id}", self._history)

    def _ended(self, call: str) -> bool:
        self.calls.append(call)
        return len(self.calls) > 1

    async def _queue(self, _request: web.Request) -> web.Response:
        jobs = [] if self._ended("queue") else [[0, JOB, painted(), {}, ["9"]]]
        return web.json_response({"queue_running": jobs, "queue_pending": []})

    async def _history(self, _request: web.Request) -> web.Response:
        entry = {"prompt": [0, JOB, painted(), {}, ["9"]], "outputs": {}, "status": {"status_str": "success"}}
        return web.json_response({JOB: entry} if self._ended("history") else {})


@pytest.fixture
async def ending() -> AsyncIterator[EndingJob]:
    server = EndingJob()
    runner = web.AppRunner(server.app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()


async def test_a_job_that_ends_between_the_two_calls_of_a_poll_is_not_missed(ending: EndingJob) -> None:
    threads, account = BlockingPool(), Account("id", "")
    comfyui = ComfyUI(BackendOptions("comfyui", ending.url), threads)
    states = [(await comfyui.poll([JOB], account, deep=False))[JOB].state for _ in range(2)]
    await comfyui.close()
    threads.close()
    assert states == [TaskState.running, TaskState.succeeded]
    assert ending.calls == ["queue", "queue", "history"]


@versions
async def test_cancelling_a_waiting_order_frees_its_key_at_once(
    start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setattr("sora_proxy.orders.watcher.GONE_TASK_SECONDS", HOUR)
    async with simulated(version, seconds=STEP) as server, ours(start_proxy, server) as proxy:
        await server.submit(painted("of somebody else"), "other")
        generation_id = await place(proxy)
        await server.wait_for(registered=2)
        await running(proxy)
        await cancel(proxy, generation_id)

        async def key_is_free() -> bool:
            return not proxy.app[SUPERVISOR].unfinished

        await eventually(key_is_free)
        (generation,) = (await proxy.get("/v1/generations"))["data"]
        assert generation["status"] == "cancelled"
