"""The WebSocket of a ComfyUI server that is hostile, or that is behind a hostile proxy."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from sora_proxy.event_log import Progress
from tests.conftest import StartProxy
from tests.contract.comfyui_server import ComfyUIServer
from tests.eventually import eventually
from tests.integration.test_comfyui import MODEL, generate, knows_models, ours, running
from tests.simulated_comfyui import STEP, simulated


@pytest.mark.parametrize(
    "flood",
    [lambda socket: socket.send_str("{}" * 1000), lambda socket: socket.ping(b"x" * 125)],
    ids=["texts", "pings"],
)
async def test_a_socket_that_the_server_floods_and_never_closes_is_replaced(
    start_proxy: StartProxy,
    monkeypatch: pytest.MonkeyPatch,
    flood: Callable[[web.WebSocketResponse], Awaitable[None]],
) -> None:
    monkeypatch.setattr("sora_proxy.upstream.http_client.CLOSE_SECONDS", 0.2)
    monkeypatch.setattr("sora_proxy.upstream.comfyui.listener.TICK_SECONDS", 0.2)
    server = ComfyUIServer()
    server.floods = flood
    runner = await server.start()

    async def opened_again() -> bool:
        return server.sockets_opened == 2

    async with start_proxy(upstream="comfyui", comfyui_url=server.url) as proxy:
        await knows_models(proxy)
        assert (await generate(proxy))[0] == 200
        server.script.tasks_end = False
        order = asyncio.create_task(generate(proxy))
        await eventually(opened_again)
        server.script.tasks_end = True
        assert (await order)[0] == 200
    await runner.cleanup()


async def test_a_socket_reports_progress_and_previews_after_very_large_frames(
    start_proxy: StartProxy,
) -> None:
    body = {"model": MODEL, "prompt": "a fox", "size": "64x64", "stream": True, "partial_images": 3}
    async with simulated(seconds=4 * STEP, steps=4) as server, ours(start_proxy, server) as proxy:
        await server.fault("large_frame", bytes=5 * 2**20)
        async with proxy.client.post(f"{proxy.url}/v1/images/generations", json=body) as answer:
            generation = await running(proxy)

            async def heard(previews: int, percent: int) -> bool:
                assert (await server.stats())["sockets"]["opened"] == 1
                told, shown = generation.log.last, generation.previews.get(0)
                seen = 0 if shown is None else shown.number + 1
                return isinstance(told, Progress) and (told.percent or 0) >= percent and seen >= previews

            await eventually(lambda: heard(0, 6))  # the sampler has started, and its steps are timed from here
            for step in (1, 2, 3):  # the large frames come after the first step
                await server.advance()
                await eventually(lambda: heard(step, 20 * step))  # noqa: B023
            assert (await server.stats())["faults_struck"] == {"large_frame": 1}
            await server.finish()
            assert b"event: image_generation.completed" in await answer.read()
