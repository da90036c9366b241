"""The receiver of webhooks that docs/webhooks.md shows."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from tests.conftest import Simulator, StartProxy, in_front_of
from tests.eventually import eventually
from tests.markdown_pages import DOCS, code_blocks
from tests.receiver import SECRET

(PROGRAM,) = (text for language, text in code_blocks(DOCS / "webhooks.md") if language == "python")


@asynccontextmanager
async def documented_receiver() -> AsyncIterator[str]:
    """Serve the application that the page shows; yields its host and port."""
    names: dict[str, Any] = {"__name__": "documented"}
    await asyncio.to_thread(exec, PROGRAM, names)
    runner = web.AppRunner(names["app"], access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_the_documented_receiver_prints_links_and_refuses_unsigned_webhooks(
    start_proxy: StartProxy, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = io.StringIO()
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    monkeypatch.setattr("sys.stdout", printed)
    async with documented_receiver() as host:
        settings = {"webhook_allow": (host,), "webhook_secret": SecretStr(SECRET), "image_localization": True}
        async with start_proxy(**in_front_of(simulator), **settings) as proxy:
            async with proxy.chat(background=True, metadata={"webhook_url": f"http://{host}/sora"}) as answer:
                assert answer.status == 200, await answer.text()

            async def lines() -> str:
                return printed.getvalue()

            event, link = (await eventually(lines)).split()
            assert event == "generation.completed"
            async with proxy.client.get(link) as image:
                assert image.status == 200
            async with proxy.client.post(f"http://{host}/sora", data=b'{"type": "generation.completed"}') as refused:
                assert refused.status == 400
    assert printed.getvalue().count("generation.") == 1
