"""The server of all toys. Orders become jobs that end at once, unless a test delays them."""

import asyncio
import base64
import hashlib
import json
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

from aiohttp import web

from tests.contract.received import File, Received
from tests.contract.script import Script, Step
from tests.listening import listening
from tests.sora_server import GIF

Job = dict[str, Any]
MAX_ORDER_BYTES = 2**24
PALETTE = slice(13, 19)  # the position of the colours in the bytes of the image


def image_of(prompt: str) -> bytes:
    """The image for a prompt. Different prompts give different colours."""
    return GIF[: PALETTE.start] + hashlib.sha256(prompt.encode()).digest()[:6] + GIF[PALETTE.stop :]


class ToyServer:
    """A stage: `script` controls each step of an order.

    `arrived` and `made` count, by prompt, the orders that were read and the orders that became jobs.
    """

    def __init__(self) -> None:
        self.url = ""
        self.script = Script()
        self.jobs: dict[str, Job] = {}
        self.arrived: Counter[str] = Counter()
        self.made: Counter[str] = Counter()
        self.refuses = self.fails = False
        self.image_of: Callable[[str], bytes] = image_of
        self.cancelled: list[str] = []
        self.models = {"toy": 4}  # the maximum number of images per order, by model
        self.received = Received()
        self._uploads: dict[str, Job] = {}
        self._preview: str | None = None  # the current preview of all jobs
        self._news = asyncio.Condition()

    @property
    def uploaded(self) -> int:
        return len(self._uploads)

    async def show(self, preview: bytes | None) -> None:
        """Show this preview of the running jobs; with None, end the jobs."""
        self._preview = base64.b64encode(preview).decode() if preview else None
        self.script.tasks_end = preview is None
        async with self._news:
            self._news.notify_all()

    async def start(self, port: int = 0) -> web.AppRunner:
        app = web.Application(client_max_size=MAX_ORDER_BYTES)
        app.router.add_get("/models", self._models)
        app.router.add_post("/uploads", self._upload)
        app.router.add_post("/jobs", self._submit)
        app.router.add_get("/jobs", self._list)
        app.router.add_get("/jobs/{id}", self._poll)
        app.router.add_delete("/jobs/{id}", self._cancel)
        app.router.add_post("/images", self._make)
        app.router.add_get("/files/{id}", self._file)
        runner, self.url = await listening(app, port)
        return runner

    @property
    def registered(self) -> int:
        return self.made.total()

    def forget(self) -> None:
        """Lose every job, as if the server restarted."""
        self.jobs.clear()

    async def _models(self, _request: web.Request) -> web.Response:
        return web.json_response(self.models)

    async def _submit(self, request: web.Request) -> web.Response:
        return web.json_response(await self._register(request), status=400 if self.refuses else 200)

    async def _upload(self, request: web.Request) -> web.Response:
        upload_id = uuid.uuid4().hex
        self._uploads[upload_id] = await request.json()
        return web.json_response({"id": upload_id})

    async def _make(self, request: web.Request) -> web.StreamResponse:
        job = await self._register(request)
        if self.refuses:
            return web.json_response({}, status=400)
        answer = web.StreamResponse()
        await answer.prepare(request)
        async for preview in self._previews():
            await answer.write(_line({"preview": preview}))
        if self.fails and request.transport is not None:
            request.transport.abort()
        image = base64.b64encode(self.image_of(job["prompt"])).decode()
        await answer.write(_line({"images": [image] * job["n"]}))
        return answer

    async def _previews(self) -> AsyncIterator[str]:
        """Yield each new preview once; stop when the jobs end."""
        shown = None
        while not self.script.tasks_end:
            if self._preview != shown and (shown := self._preview):
                yield shown
            async with self._news:
                await self._news.wait_for(lambda: self._preview != shown or self.script.tasks_end)

    async def _register(self, request: web.Request) -> Job:
        order: Job = await request.json()
        self.received = self._with(order)
        self.arrived[order["prompt"]] += 1
        await self.script.at(Step.arrived, request)
        if self.refuses:
            return {}
        job_id = order.get("id") or uuid.uuid4().hex
        self.made[order["prompt"]] += 1
        results = [f"/files/{job_id}?{number}" for number in range(order["n"])]
        state = "failed" if self.fails else "done"
        self.jobs[job_id] = job = order | {"id": job_id, "state": state, "results": results}
        await self.script.at(Step.registered, request)
        return job

    def _with(self, order: Job) -> Received:
        mask = order["mask"]
        references = [self._input(image) for image in order["images"]]
        return Received(references, self._input(mask) if mask else None, order["parameters"], order["previews"])

    def _input(self, image: str | Job) -> File:
        """An image that arrived with the order, or that was uploaded earlier."""
        file = self._uploads[image] if isinstance(image, str) else image
        return file["type"], base64.b64decode(file["content"])

    async def _list(self, _request: web.Request) -> web.Response:
        return web.json_response([self._shown(job) for job in reversed(self.jobs.values())])

    async def _poll(self, request: web.Request) -> web.Response:
        await self.script.at(Step.polled, request)
        job = self.jobs.get(request.match_info["id"])
        return web.json_response(self._shown(job) if job else {}, status=200 if job else 404)

    def _shown(self, job: Job) -> Job:
        return job if self.script.tasks_end else job | {"state": "running", "results": [], "preview": self._preview}

    async def _cancel(self, request: web.Request) -> web.Response:
        self.cancelled.append(request.match_info["id"])
        job = self.jobs.get(request.match_info["id"])
        if job is not None:
            job |= {"state": "failed", "results": []}
        return web.json_response({}, status=200 if job else 404)

    async def _file(self, request: web.Request) -> web.Response:
        await self.script.at(Step.fetched, request)
        if "authorization" not in request.headers:
            return web.Response(status=403)
        job = self.jobs.get(request.match_info["id"])
        if job is None:
            return web.Response(status=404)
        return web.Response(body=self.image_of(job["prompt"]), content_type="image/gif")


def _line(news: Job) -> bytes:
    return json.dumps(news).encode() + b"\n"
