"""The socket of a ComfyUI server, when the server or what is in front of it does harm."""

import asyncio

import pytest

from tests.conftest import StartProxy
from tests.contract.comfyui_server import ComfyUIServer
from tests.eventually import eventually
from tests.integration.test_comfyui import generate, knows_models


async def test_a_socket_that_is_flooded_and_never_closed_by_the_server_is_cut_off(
    start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sora_proxy.upstream.http_client.CLOSE_SECONDS", 0.2)
    server = ComfyUIServer()
    server.floods = True
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
