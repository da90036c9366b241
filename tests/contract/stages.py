"""The back ends that the contract is tested with, each with its server."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial

from aiohttp import web

from sora_proxy.upstream import Identity
from tests.contract.comfyui_server import ComfyUIServer
from tests.contract.openai_server import OpenAIServer
from tests.contract.received import File, Received
from tests.contract.relatives import ChatServer, GeminiServer
from tests.contract.script import Script, Step
from tests.contract.stage import Stage
from tests.contract.toy_server import ToyServer
from tests.contract.toys import TOYS
from tests.contract.toys.jobs import JobToy
from tests.sora_server import Order, Sora


class SoraStage(Sora, Stage):
    """A server with Sora's web protocol."""

    model = "sora-1.0"
    identity = Identity.listed
    shows_previews = False

    def __init__(self) -> None:
        super().__init__()
        self.script = Script()
        self.on_order = self._ordered
        self._uploads: dict[str, File] = {}
        self.received = Received()

    @property
    def uploaded(self) -> int:
        return len(self._uploads)

    def forget(self) -> None:
        self.tasks.clear()

    async def _ordered(self, order: Order) -> web.StreamResponse:
        items = [item["upload_media_id"] for item in order["inpaint_items"]]
        self.received = Received([self._uploads[media_id] for media_id in items])
        try:
            await self.script.at(Step.arrived, None)
            if self.refuses:
                return web.json_response({"error": {"code": "content_policy_violation"}}, status=400)
            answer = web.json_response({"id": self.register(order, "failed" if self.fails else "succeeded")["id"]})
            await self.script.at(Step.registered, None)
        except ConnectionResetError:
            return web.Response(status=502)  # says as little about the order's outcome as a lost connection
        return answer

    async def _upload(self, request: web.Request) -> web.Response:
        file = (await request.post())["file"]
        assert isinstance(file, web.FileField)
        media_id = f"media_{len(self._uploads)}"
        self._uploads[media_id] = file.content_type, await asyncio.to_thread(file.file.read)
        return web.json_response({"id": media_id})

    async def _list(self, request: web.Request) -> web.Response:
        if self.registered:  # before the first order, our server requests lists only to learn which tasks exist
            await self.script.at(Step.polled, None)
        if self.script.tasks_end:
            return await super()._list(request)
        tasks = [task | {"status": "running", "generations": []} for of in self.tasks.values() for task in of]
        return web.json_response({"task_responses": tasks, "has_more": False})

    async def _media(self, request: web.Request) -> web.Response:
        await self.script.at(Step.fetched, None)
        return await super()._media(request)


class ToyStage(ToyServer, Stage):
    """The server of the toys, as the stage of one toy."""

    model = "toy"

    def __init__(self, toy: type[JobToy]) -> None:
        super().__init__()
        self.identity, self.shows_previews = toy.identity, toy.shows_previews


# Each line runs the contract tests for a back end, given by its kind. The name of a server may follow in parentheses.
STAGES: Mapping[str, Callable[[], Stage]] = {
    "comfyui": ComfyUIServer,
    "openai_images": OpenAIServer,
    "openai_images (chat)": ChatServer,
    "openai_images (gemini)": GeminiServer,
    "sora": SoraStage,
    **{name: partial(ToyStage, toy) for name, toy in TOYS.items()},
}
