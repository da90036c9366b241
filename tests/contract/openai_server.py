"""A server with OpenAI's Images API, which is also the base class of the servers with related APIs."""

import asyncio
import base64
import json
from typing import Any

from aiohttp import web

from sora_proxy.upstream import Identity
from tests.contract.received import File, Received
from tests.contract.script import Script, Step
from tests.contract.stage import Stage
from tests.contract.toy_server import image_of
from tests.listening import listening
from tests.sora_server import GIF

MODEL = "gpt-image-1.5"
MAX_ORDER_BYTES = 2**26
PARAMETERS = ("quality", "background", "moderation", "input_fidelity")


class OpenAIServer(Stage):
    """`script` decides what happens at each step of an order.

    The next orders get `answers` instead of the default answers.
    """

    model, identity, options = MODEL, Identity.synchronous, {"profile": "openai"}
    registered = 0
    order_paths: tuple[str, ...] = ("/images/generations", "/images/edits")
    key_header = "authorization"

    def __init__(self) -> None:
        self.url = ""
        self.script = Script()
        self.received = Received()
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.answers: list[web.StreamResponse] = []
        self.names: tuple[str, ...] = (MODEL, "gpt-5", "whisper-1")
        self.many_models, self.models_status = 0, 200
        self.file_statuses: list[int] = []
        self.file_keys: list[str | None] = []
        self.redirect_to = ""
        self._preview: bytes | None = None
        self._news = asyncio.Condition()

    async def start(self, port: int = 0) -> web.AppRunner:
        app = web.Application(client_max_size=MAX_ORDER_BYTES)
        self.routes(app)
        runner, self.url = await listening(app, port)
        return runner

    def routes(self, app: web.Application) -> None:
        app.router.add_get("/models", self._models)
        for path in self.order_paths:
            app.router.add_post(path, self._generate)
        app.router.add_get("/files/{name}", self._file)
        app.router.add_get("/redirected", self._redirect)

    def forget(self) -> None:
        """Do nothing, because the server has no jobs."""

    async def show(self, preview: bytes | None) -> None:
        """Show this preview of all images that are being made; with None, finish the images."""
        self._preview, self.script.tasks_end = preview, preview is None
        async with self._news:
            self._news.notify_all()

    def prompt_in(self, body: dict[str, Any]) -> str:
        return str(body["prompt"])

    def refusal(self) -> web.Response:
        """The answer to an order that violates the rules."""
        error = {"message": "no", "type": "image_generation_user_error", "code": "moderation_blocked", "param": None}
        return web.json_response({"error": error}, status=400)

    def with_images(self, images: list[str]) -> dict[str, Any]:
        """An answer with these images in base64."""
        return {"created": 1, "data": [{"b64_json": image} for image in images]}

    def register(self, _order: dict[str, Any]) -> None:
        """Count an order that the server begins to make."""
        self.registered += 1

    async def _models(self, _request: web.Request) -> web.Response:
        names = self.names if not self.many_models else tuple(map(str, range(self.many_models)))
        rows = [{"id": name, "object": "model", "owned_by": "openai"} for name in names]
        return web.json_response({"object": "list", "data": rows}, status=self.models_status)

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        body = await self._read(request)
        self.bodies.append(body)
        self.keys.append(request.headers.get(self.key_header))
        await self.script.at(Step.arrived, request)
        if self.answers:
            return self.answers.pop(0)
        if self.refuses:
            return self.refusal()
        self.register(body)
        await self.script.at(Step.registered, request)
        if self.fails and not body.get("stream"):
            return web.json_response({"error": {"message": "no", "type": "server_error"}}, status=500)
        image = base64.b64encode(image_of(self.prompt_in(body))).decode()
        if body.get("stream"):
            return await self._stream(request, image)
        return web.json_response(self.with_images([image] * int(body.get("n", 1))))

    async def _file(self, request: web.Request) -> web.Response:
        self.file_keys.append(request.headers.get(self.key_header))
        status = self.file_statuses.pop(0) if self.file_statuses else 200
        return web.Response(status=status, body=GIF if status == 200 else b"", content_type="image/gif")

    async def _redirect(self, _request: web.Request) -> web.Response:
        raise web.HTTPFound(self.redirect_to)

    async def _stream(self, request: web.Request, image: str) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await answer.prepare(request)
        shown, number = None, 0
        while not self.script.tasks_end:
            if self._preview != shown and (shown := self._preview):
                preview = base64.b64encode(shown).decode()
                await answer.write(_event("partial_image", b64_json=preview, partial_image_index=number))
                number += 1
            async with self._news:
                await self._news.wait_for(lambda: self._preview != shown or self.script.tasks_end)
        if not self.fails:
            await answer.write(_event("completed", b64_json=image, usage={"total_tokens": 1}))
        return answer

    async def _read(self, request: web.Request) -> dict[str, Any]:
        """The fields of an order. Its images are recorded as they arrived."""
        references: list[File] = []
        mask: File | None = None
        if request.content_type == "application/json":
            fields: dict[str, Any] = await request.json()
        else:
            fields = {}
            for name, value in (await request.post()).items():
                if isinstance(value, web.FileField):
                    file = value.content_type, await asyncio.to_thread(value.file.read)
                    if name == "mask":
                        mask = file
                    else:
                        references.append(file)
                else:
                    fields[name] = value
        parameters = {name: fields[name] for name in PARAMETERS if name in fields}
        self.received = Received(references, mask, parameters, int(fields.get("partial_images", 0)))
        return fields


def _event(kind: str, **fields: Any) -> bytes:
    kind = f"image_generation.{kind}"
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), json.dumps({"type": kind, **fields}).encode())
