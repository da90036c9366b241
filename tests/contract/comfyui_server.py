"""A server with ComfyUI's routes, whose jobs end when a test ends them."""

import asyncio
import contextlib
import json
import struct
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from sora_proxy.simulator.comfyui.catalogue import CATALOGUE
from sora_proxy.simulator.comfyui.versions import VERSIONS, system_stats
from sora_proxy.upstream import Identity
from tests.contract.received import File, Received
from tests.contract.script import Script, Step
from tests.contract.stage import Stage
from tests.contract.toy_server import MAX_ORDER_BYTES, image_of
from tests.listening import listening
from tests.simulated_comfyui import CHECKPOINT

VERSION = VERSIONS["0.33.0"]
Graph = dict[str, Any]
Body = dict[str, Any]


class ComfyUIServer(Stage):
    model, identity, refusal_code = "text-to-image", Identity.named, "order_refused"
    registered = 0

    def __init__(self) -> None:
        self.url = ""
        self.script = Script()
        self.received = Received()
        self.node_errors: Body = {}  # sent in the answer to an order
        self.told_id = ""  # if set, the answers to orders contain this id instead of the order's own
        self.upload_status = 200
        self.stopped: set[str] = set()
        self.floods: Callable[[web.WebSocketResponse], Awaitable[None]] | None = (
            # if set, called again and again to send data to each new socket, while nothing is read from this socket
            None
        )
        self.sockets_opened = 0
        self._jobs: dict[str, Body] = {}
        self._uploads: dict[str, File] = {}
        self._sockets: set[web.WebSocketResponse] = set()
        self._preview: bytes | None = None

    @property
    def uploaded(self) -> int:
        return len(self._uploads)

    def forget(self) -> None:
        self._jobs.clear()

    async def start(self, port: int = 0) -> web.AppRunner:
        app = web.Application(client_max_size=MAX_ORDER_BYTES)
        app.router.add_get("/system_stats", self._stats)
        app.router.add_get("/object_info/{name}", self._node_class)
        app.router.add_post("/upload/image", self._upload)
        app.router.add_post("/prompt", self._submit)
        app.router.add_get("/queue", self._queue)
        app.router.add_get("/history/{id}", self._history)
        app.router.add_post("/api/jobs/{id}/cancel", self._cancel)
        app.router.add_get("/view", self._view)
        app.router.add_get("/ws", self._socket)
        runner, self.url = await listening(app, port)
        return runner

    async def show(self, preview: bytes | None) -> None:
        self._preview, self.script.tasks_end = preview, preview is None
        for job_id in self._jobs:
            await self._show(job_id)

    async def _show(self, job_id: str) -> None:
        if self._preview is not None:
            about = json.dumps({"prompt_id": job_id, "node_id": "3", "image_type": "image/png"}).encode()
            for socket in self._sockets:
                await socket.send_bytes(struct.pack(">II", 4, len(about)) + about + self._preview)

    async def _stats(self, _request: web.Request) -> web.Response:
        return web.json_response(system_stats(VERSION))

    async def _node_class(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        files = {"checkpoints": [CHECKPOINT], "upscale_models": [], "loras": [], "input": list(self._uploads)}
        found = {name: CATALOGUE[name].info(name, files, VERSION)} if name in CATALOGUE else {}
        return web.json_response(found)

    async def _upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        if self.upload_status != 200:
            return web.Response(status=self.upload_status)
        file = form["image"]
        assert isinstance(file, web.FileField)
        folder = str(form["subfolder"])
        self._uploads[f"{folder}/{file.filename}"] = file.content_type, await asyncio.to_thread(file.file.read)
        return web.json_response({"name": file.filename, "subfolder": folder, "type": "input"})

    async def _submit(self, request: web.Request) -> web.Response:
        body: Body = await request.json()
        graph = body["prompt"]
        self.received = self._inputs(graph, previews=body["extra_data"].get("preview_method") == "latent2rgb")
        await self.script.at(Step.arrived, request)
        if self.refuses:
            error = {"type": "prompt_outputs_failed_validation", "message": "no", "details": "", "extra_info": {}}
            return web.json_response({"error": error, "node_errors": {}}, status=400)
        self.registered += 1
        self._jobs[body["prompt_id"]] = body
        await self._show(body["prompt_id"])
        await self.script.at(Step.registered, request)
        told = self.told_id or body["prompt_id"]
        return web.json_response({"prompt_id": told, "number": 1, "node_errors": self.node_errors})

    async def _queue(self, request: web.Request) -> web.Response:
        if self.registered:
            await self.script.at(Step.polled, request)
        jobs = self._jobs.items() if not self.script.tasks_end else ()
        running = [
            [0, job_id, body["prompt"], body["extra_data"] | {"client_id": body["client_id"]}, []]
            for job_id, body in jobs
            if job_id not in self.stopped
        ]
        return web.json_response({"queue_running": running, "queue_pending": []})

    async def _history(self, request: web.Request) -> web.Response:
        job_id = request.match_info["id"]
        body = self._jobs.get(job_id)
        return web.json_response({} if body is None else {job_id: self._entry(job_id, body)})

    def _entry(self, job_id: str, body: Body) -> Body:
        prompt, output = [0, job_id, body["prompt"], body["extra_data"], []], body["extra_data"]["sora_proxy"]["output"]
        if self.fails or job_id in self.stopped:
            word = "execution_error" if self.fails else "execution_interrupted"
            return {"prompt": prompt, "outputs": {}, "status": {"status_str": "error", "messages": [[word, {}]]}}
        images = [
            {"filename": f"{job_id}_{number}.gif", "subfolder": "", "type": "output"}
            for number in range(count_in(body["prompt"]))
        ]
        status = {"status_str": "success", "completed": True, "messages": []}
        return {"prompt": prompt, "outputs": {output: {"images": images}}, "status": status}

    async def _cancel(self, request: web.Request) -> web.Response:
        known = request.match_info["id"] in self._jobs
        self.stopped.add(request.match_info["id"])
        return web.json_response({"cancelled": known})

    async def _view(self, request: web.Request) -> web.Response:
        await self.script.at(Step.fetched, request)
        body = self._jobs[request.query["filename"].partition("_")[0]]
        return web.Response(body=image_of(text_of(body["prompt"], "positive")), content_type="image/gif")

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets_opened += 1
        if self.floods and request.transport:
            request.transport.pause_reading()
            with contextlib.suppress(ConnectionError):
                while True:
                    await self.floods(socket)
        self._sockets.add(socket)
        async for _ in socket:
            pass
        self._sockets.remove(socket)
        return socket

    def _inputs(self, graph: Graph, *, previews: bool) -> Received:
        """The inputs of an order, read from its graph, with the parameters that the tests use."""
        sampler = node_of(graph, "KSampler")
        parameters = {"seed": sampler["seed"], "steps": sampler["steps"], "negative_prompt": text_of(graph, "negative")}
        masks = {node["inputs"]["mask"][0] for node in graph.values() if "mask" in node["inputs"]}
        loaded = {
            node_id: self._uploads[node["inputs"]["image"]]
            for node_id, node in graph.items()
            if node["class_type"] == "LoadImage"
        }
        references = [file for node_id, file in loaded.items() if node_id not in masks]
        mask = next((file for node_id, file in loaded.items() if node_id in masks), None)
        return Received(references, mask, parameters, previews=2 * previews)


def nodes_of(graph: Graph, class_type: str) -> list[Body]:
    return [node for node in graph.values() if node["class_type"] == class_type]


def node_of(graph: Graph, class_type: str) -> Body:
    """The inputs of the only node of a class."""
    (node,) = nodes_of(graph, class_type)
    return dict(node["inputs"])


def count_in(graph: Graph) -> int:
    """The number of images that a graph makes, with or without a reference image."""
    made = nodes_of(graph, "EmptyLatentImage") + nodes_of(graph, "RepeatLatentBatch")
    return int(
        next(value for node in made for name, value in node["inputs"].items() if name in ("batch_size", "amount"))
    )


def text_of(graph: Graph, name: str) -> str:
    """The text that is linked to an input of the sampler."""
    return str(graph[node_of(graph, "KSampler")[name][0]]["inputs"]["text"])
