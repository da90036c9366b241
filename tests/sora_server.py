"""A back end for tests, and orders in the state in which a killed process leaves them.

The simulator acts like the real server. With this back end, a test controls when and how orders are registered and
answered.
"""

import asyncio
import base64
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from sora_proxy.app import WRITERS
from sora_proxy.blocking import BlockingPool
from sora_proxy.database import Database
from sora_proxy.generation import Generation, State, Status, new_generation_id
from sora_proxy.orders.store import Store
from sora_proxy.settings.access import fingerprint
from sora_proxy.settings.derived import database_path_of
from sora_proxy.spec import GenerationSpec
from tests.conftest import CLIENT_KEY, UPSTREAM_TOKEN, Proxy, settings_for, upstream_keys
from tests.eventually import PATIENCE
from tests.listening import listening

GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///ywAAAAAAQABAAACAUwAOw==")
GIF_URI = f"data:image/gif;base64,{base64.b64encode(GIF).decode()}"
KEY_ID = fingerprint(UPSTREAM_TOKEN)

Order = dict[str, Any]  # the body as it was received, and the `token` of the request
Task = dict[str, Any]
OnOrder = Callable[[Order], Awaitable[web.StreamResponse]]


class Sora:
    """A server with Sora's web protocol, whose tasks succeed at once unless the test changes that."""

    def __init__(self) -> None:
        self.url = ""
        self.runner: web.AppRunner
        self.orders: list[Order] = []
        self.headers: Mapping[str, str] = {}  # the headers of the last order
        self.tasks: dict[str, list[Task]] = {}  # by token, newest first
        self.looks: Counter[str] = Counter()  # the number of requests for lists, by token
        self.fetched: list[str] = []
        self.on_order: OnOrder = self.take
        self.odd_lists: list[web.Response] = []  # sent instead of the next lists, last one first
        self.tells_prompts = True
        self.media: dict[str, bytes | None] = {}  # by name; None is a removed file, other names are images
        self.delivers = asyncio.Event()  # finished images are withheld until this event is set
        self.delivers.set()
        self._news = asyncio.Condition()

    async def take(self, order: Order) -> web.StreamResponse:
        return web.json_response({"id": self.register(order)["id"]})

    async def take_and_run(self, order: Order) -> web.StreamResponse:
        """Accept an order. Its task is running until the test ends it."""
        return web.json_response({"id": self.register(order, "running")["id"]})

    def register(self, order: Order, status: str = "succeeded") -> Task:
        task_id = f"task_{self.registered + 1}"
        results = [{"url": self.result_of(task_id)}]
        task = {"id": task_id, "status": status, "generations": results}
        if self.tells_prompts:
            task |= {"prompt": order["prompt"], "n_variants": order.get("n_variants", 1)}
        self.tasks.setdefault(order["token"], []).insert(0, task)
        return task

    @property
    def registered(self) -> int:
        return sum(map(len, self.tasks.values()))

    def result_of(self, task_id: str) -> str:
        return f"{self.url}/media/{task_id}.gif"

    async def until(self, fact: Callable[[], bool]) -> None:
        """Wait until a call to this server makes a fact true."""
        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(fact)

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def start(self, port: int = 0) -> web.AppRunner:
        app = web.Application()
        app.router.add_post("/backend/uploads", self._upload)
        app.router.add_post("/backend/video_gen", self._submit)
        app.router.add_get("/backend/video_gen", self._list)
        app.router.add_get("/media/{name}", self._media)
        runner, self.url = await listening(app, port)
        return runner

    async def _submit(self, request: web.Request) -> web.StreamResponse:
        order = await request.json() | {"token": _token(request)}
        self.orders.append(order)
        self.headers = request.headers
        await self._tell()
        answer = await self.on_order(order)
        await self._tell()
        return answer

    async def _list(self, request: web.Request) -> web.Response:
        self.looks[_token(request)] += 1
        await self._tell()
        if self.odd_lists:
            return self.odd_lists.pop()
        return web.json_response({"task_responses": self.tasks.get(_token(request), []), "has_more": False})

    async def _upload(self, request: web.Request) -> web.Response:
        await request.read()
        return web.json_response({"id": "media_1"})

    async def _media(self, request: web.Request) -> web.Response:
        self.fetched.append(str(request.url))
        await self._tell()
        await self.delivers.wait()
        content = self.media.get(request.match_info["name"], GIF)
        return web.Response(status=404) if content is None else web.Response(body=content, content_type="image/gif")


def _token(request: web.Request) -> str:
    """The token of a request, or "none" if the request has no authorization header."""
    return request.headers.get("authorization", "Bearer none").removeprefix("Bearer ")


@asynccontextmanager
async def serve_sora() -> AsyncIterator[Sora]:
    sora = Sora()
    sora.runner = await sora.start()
    yield sora
    await sora.runner.cleanup()


def in_front_of(sora: Sora, **settings: Any) -> dict[str, Any]:
    return {"upstream": "sora", "sora_base_url": sora.url, "api_keys": upstream_keys(), **settings}


def generation(prompt: str = "a red fox", image: str | None = None) -> Generation:
    return Generation(
        new_generation_id(),
        fingerprint(CLIENT_KEY),
        GenerationSpec("sora-1.0", prompt, images=(image,) if image else ()),
    )


def order_of(generation: Generation) -> Order:
    """The order as the back end got it from a process that was killed."""
    return {"prompt": generation.spec.prompt, "token": UPSTREAM_TOKEN}


async def leave_behind(folder: Path, *generations: tuple[Generation, State]) -> None:
    """Store generations as a killed process leaves them on disk, oldest first."""
    pool = BlockingPool()
    database = await asyncio.to_thread(lambda: Database(database_path_of(settings_for(folder)), pool))
    await database.open()
    store = Store(database, WRITERS)
    for each, state in generations:
        await store.add(each)
        await store.record(each, state)
    await database.close()
    pool.close()


def on_the_key(status: Status, **fields: Any) -> State:
    return State(status, key_id=KEY_ID, intent_at=time.time(), attempts=1, **fields)


async def place(proxy: Proxy, prompt: str = "a red fox") -> str:
    """Place an order without waiting for its result; returns its id."""
    async with proxy.chat(prompt, background=True) as answer:
        assert answer.status == 200, await answer.text()
        return str(answer.headers["x-generation-id"])


async def outcome(proxy: Proxy, generation_id: str) -> str:
    """The content of a generation, once it is completed."""
    choice = (await proxy.ended(generation_id))["choices"][0]
    assert choice["finish_reason"] == "stop", choice
    return str(choice["message"]["content"])
