"""The servers of the back ends that the contract is tested with."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from aiohttp import web

from tests.contract.received import File, Received
from tests.contract.script import Script, Step
from tests.contract.toy_server import ToyServer
from tests.sora_server import Order, Sora


class Stage(Protocol):
    """A server with the protocol of a back end."""

    url: str
    script: Script
    refuses: bool
    fails: bool

    received: Received  # with the last order

    @property
    def registered(self) -> int:
        """How many orders became jobs."""

    @property
    def uploaded(self) -> int:
        """How many input images came before an order."""

    async def show(self, preview: bytes | None) -> None:
        """Show this of the jobs, which run; None: they end."""

    def forget(self) -> None:
        """Lose every job."""

    async def start(self) -> web.AppRunner: ...


class SoraStage(Sora):
    """A server with Sora's web protocol."""

    def __init__(self) -> None:
        super().__init__()
        self.script = Script()
        self.refuses = self.fails = False
        self.on_order = self._ordered
        self._uploads: dict[str, File] = {}
        self.received = Received()

    @property
    def uploaded(self) -> int:
        return len(self._uploads)

    async def show(self, preview: bytes | None) -> None:
        raise NotImplementedError("the protocol has no previews")

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
            return web.Response(status=502)  # which says as little about the order
        return answer

    async def _upload(self, request: web.Request) -> web.Response:
        file = (await request.post())["file"]
        assert isinstance(file, web.FileField)
        media_id = f"media_{len(self._uploads)}"
        self._uploads[media_id] = file.content_type, await asyncio.to_thread(file.file.read)
        return web.json_response({"id": media_id})

    async def _list(self, request: web.Request) -> web.Response:
        if self.registered:  # before that, our server looks at what is there already
            await self.script.at(Step.polled, None)
        if self.script.tasks_end:
            return await super()._list(request)
        tasks = [task | {"status": "running", "generations": []} for of in self.tasks.values() for task in of]
        return web.json_response({"task_responses": tasks, "has_more": False})

    async def _media(self, request: web.Request) -> web.Response:
        await self.script.at(Step.fetched, None)
        return await super()._media(request)


# One line runs the contract for a back end.
STAGES: Mapping[str, Callable[[], Stage]] = {
    "sora": SoraStage,
    "blind": ToyServer,
    "listed": ToyServer,
    "named": ToyServer,
    "synchronous": ToyServer,
}
