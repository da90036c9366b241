"""Process: the process of the simulated ComfyUI. It runs jobs, and tests can end it and start it again."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

from sora_proxy.simulator import refusals
from sora_proxy.simulator.comfyui.running import work
from sora_proxy.simulator.comfyui.state import COMFYUI, ComfyUI
from sora_proxy.simulator.json_answers import json_response
from sora_proxy.simulator.serving import RunningSimulator, listen

MAX_SECONDS = 86_400.0


@dataclass(slots=True)
class Process:
    """The worker of a running simulator, and the address at which it listens."""

    simulator: ComfyUI
    _runner: web.AppRunner = field(init=False)
    _address: RunningSimulator = field(init=False)
    _worker: asyncio.Task[None] = field(init=False)
    _return: asyncio.Task[None] | None = None

    def begin(self, runner: web.AppRunner, address: RunningSimulator) -> None:
        """Start to run jobs."""
        self._runner, self._address = runner, address
        self._start_worker()

    async def end(self) -> None:
        """Stop the worker. If the worker has failed, its error is raised."""
        tasks = [task for task in (self._worker, self._return) if task is not None]
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result

    def reset(self) -> None:
        """Forget everything; the sockets stay open."""
        self._worker.cancel()
        self.simulator.reset()
        self._start_worker()

    def _start_worker(self) -> None:
        self._worker = asyncio.get_running_loop().create_task(work(self.simulator))

    async def restart(self, seconds: float, spared: asyncio.BaseTransport | None) -> None:
        """End like a killed process, and listen again after this many seconds.

        All connections are cut, except `spared`, on which the answer to this call is sent.
        """
        self._worker.cancel()
        self.simulator.forget_process()
        self.simulator.ledger.restarts += 1
        for site in list(self._runner.sites):
            await site.stop()
        server = self._runner.server
        for connection in server.connections if server is not None else ():
            if connection.transport is not None and connection.transport is not spared:
                connection.transport.abort()
        self.simulator.clock.wake()
        self._return = asyncio.get_running_loop().create_task(self._come_back(seconds))

    async def _come_back(self, seconds: float) -> None:
        await self.simulator.clock.sleep(seconds)
        await web.SockSite(self._runner, listen(self._address.host, self._address.port)).start()
        self._start_worker()


PROCESS: web.AppKey[Process] = web.AppKey("process", Process)


def add_routes(app: web.Application) -> None:
    """Add the control routes that only this simulator has."""
    app.router.add_post("/simulator/advance", advance)
    app.router.add_post("/simulator/restart", restart)


async def advance(request: web.Request) -> web.Response:
    """Move the clock, which jobs and the pauses of injected faults follow, forward by some seconds."""
    seconds = await _seconds_of(request)
    request.app[COMFYUI].clock.advance(seconds)
    return json_response({"advanced": seconds})


async def restart(request: web.Request) -> web.Response:
    """End the process, and start it again after a given number of seconds. Until then, connections are refused."""
    seconds = await _seconds_of(request)
    await request.app[PROCESS].restart(seconds, request.transport)
    answer = json_response({"restarted": True, "seconds": seconds})
    answer.force_close()
    return answer


async def _seconds_of(request: web.Request) -> float:
    """Read `seconds` from the body; 0 if the field or the body is missing. Raises Refusal."""
    try:
        body: Any = orjson.loads(await request.read() or b"{}")
    except orjson.JSONDecodeError as error:
        raise refusals.invalid("invalid_seconds", "The body is not JSON.") from error
    seconds = body.get("seconds", 0) if isinstance(body, dict) else None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= MAX_SECONDS:
        raise refusals.invalid("invalid_seconds", f"seconds must be a number from 0 to {MAX_SECONDS:g}.")
    return float(seconds)
