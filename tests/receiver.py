"""A receiver of webhooks on loopback. The test sets the answers. Signatures are checked with OpenAI's SDK."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import orjson
from aiohttp import web
from multidict import CIMultiDictProxy

from tests.eventually import PATIENCE

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Call:
    """A webhook as it was received."""

    path: str
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = orjson.loads(self.body)
        return event

    async def verify(self, secret: str = SECRET) -> None:
        """Check the signature with OpenAI's SDK."""
        await asyncio.to_thread(self._verify, secret)

    def _verify(self, secret: str) -> None:
        with openai.OpenAI(api_key="unused", webhook_secret=secret) as client:
            client.webhooks.verify_signature(self.body, dict(self.headers))


class Receiver:
    def __init__(self) -> None:
        self.port = 0
        self.calls: list[Call] = []
        self.answers: list[Answer] = []  # to the next calls; all later calls get 204
        self.open = 0  # requests that have no answer yet
        self._news = asyncio.Condition()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}/path-of-the-webhook?token=secret-of-the-address"

    async def until(self, calls: int) -> Call:
        """Wait until the receiver has got this number of calls; returns the last one."""
        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(lambda: len(self.calls) >= calls)
        return self.calls[-1]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        call = Call(request.path_qs, request.headers, await request.read())
        self.open += 1
        async with self._news:
            self.calls.append(call)
            self._news.notify_all()
        try:
            return await self.answers.pop(0)(request) if self.answers else web.Response(status=204)
        finally:
            self.open -= 1


def status(code: int, **headers: str) -> Answer:
    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=code, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return answer


async def hang(_request: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def hang_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@asynccontextmanager
async def serve_receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.handle)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.port = runner.addresses[0][1]
    yield receiver
    await runner.cleanup()


def outbox_of(folder: Path) -> list[dict[str, Any]]:
    """The messages that are still to be delivered."""
    with closing(sqlite3.connect(folder / "data/sora_proxy.db")) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM webhook_outbox")]


def let_time_pass(folder: Path) -> None:
    """Make every pending message due. No server may be using the folder."""
    with closing(sqlite3.connect(folder / "data/sora_proxy.db")) as connection, connection:
        connection.execute("UPDATE webhook_outbox SET due_at = 0")
