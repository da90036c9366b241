"""Every upstream call and download goes through the configured HTTP proxy, with its credentials."""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr

from tests.conftest import Simulator, StartProxy, upstream_keys
from tests.eventually import PATIENCE
from tests.streams import read_stream

GIF = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///ywAAAAAAQABAAACAUwAOw=="
USER, PASSWORD = "user", "p@ss:word"
HOST = "sora.test"
# A real proxy, which runs in a separate process. It prints its port as soon as it is ready, and ends when its standard
# input is closed. Only this proxy can resolve HOST, so every request that arrives at the simulator came through it.
PROGRAM = f"""
import multiprocessing, sys
multiprocessing.set_start_method("fork")  # so its processes have this script, which is not a file
import proxy
from proxy.http.proxy import HttpProxyBasePlugin

class Names(HttpProxyBasePlugin):
    def resolve_dns(self, host, port):
        return ("127.0.0.1" if host == "{HOST}" else None), None

options = ["--hostname", "127.0.0.1", "--port", "0", "--num-workers", "1", "--num-acceptors", "1"]
with proxy.Proxy([*options, "--basic-auth", "{USER}:{PASSWORD}", "--log-level", "ERROR"], plugins=[Names]) as running:
    print(running.flags.port, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
async def proxy_port() -> AsyncIterator[int]:
    pipe = asyncio.subprocess.PIPE
    program = await asyncio.create_subprocess_exec(sys.executable, "-c", PROGRAM, stdin=pipe, stdout=pipe)
    assert program.stdout is not None
    assert program.stdin is not None
    try:
        async with asyncio.timeout(PATIENCE):
            port = int(await program.stdout.readline())
        yield port
    finally:
        program.stdin.close()
        await program.wait()


def behind_proxy(simulator: Simulator, port: int, password: str = PASSWORD) -> dict[str, Any]:
    return {
        "upstream": "sora",
        "sora_base_url": simulator.url.replace("127.0.0.1", HOST),
        "api_keys": upstream_keys(),
        "image_localization": True,
        "proxy_host": "127.0.0.1",
        "proxy_port": port,
        "proxy_user": USER,
        "proxy_pass": SecretStr(password),
    }


async def test_submits_polls_uploads_and_downloads_all_go_through_the_proxy(
    start_proxy: StartProxy, simulator: Simulator, proxy_port: int
) -> None:
    async with (
        start_proxy(**behind_proxy(simulator, proxy_port)) as proxy,
        proxy.chat(f"{GIF} larger", stream=True) as answer,
    ):
        stream = await read_stream(answer)

    assert stream.done
    assert f"]({proxy.url}/images/" in stream.content
    assert set((await simulator.stats())["requests"]) == {"upload", "submit", "list", "media"}


async def test_wrong_proxy_credentials_are_reported_and_do_not_affect_the_key(
    start_proxy: StartProxy, simulator: Simulator, proxy_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    settings = behind_proxy(simulator, proxy_port, "not-the-password") | {"max_queue_wait": 0.5}
    async with start_proxy(**settings) as proxy:
        async with proxy.chat() as answer:
            assert answer.status == 502
            assert (await answer.json())["error"]["code"] == "upstream_proxy"
        (key,) = proxy.pool.keys
        assert (key.rejected, key.cooldown.failures) == (None, 0)
        async with proxy.client.get(f"{proxy.url}/health/ready") as answer:
            reasons = (await answer.json()).get("reasons", [])
            assert {reason["code"] for reason in reasons} <= {"backend_unreachable"}

    assert (await simulator.stats())["requests"] == {}
    assert "not-the-password" not in caplog.text
