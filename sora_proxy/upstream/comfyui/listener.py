"""Listener: receives the progress of this server's jobs from one ComfyUI server, through a WebSocket that is open while
there are jobs.

The socket is optional, because polls also show that a job has ended. ComfyUI does not handle two sockets with the same
id well, as seen with three versions: once the second one is open, the first one gets no events, and when the first one
is closed, the second one gets no events either. So an id has at most one socket, and a new socket is opened only after
the previous one is closed. A socket is replaced if it receives no frames about this server's jobs although one of these
jobs is running.
"""

import asyncio
import secrets
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import aiohttp
import orjson
import structlog

from sora_proxy.background import finished, start_task
from sora_proxy.errors import Fault
from sora_proxy.upstream.comfyui.progress import Graph, JobProgress, read_binary, read_text

log = structlog.get_logger(__name__)

TICK_SECONDS = 1.0  # the interval at which to check whether the socket is silent and whether jobs are left
SILENCE_SECONDS = 30.0  # a socket that gets no frame about our jobs for this long is replaced if a job is running
UNPOLLED_SECONDS = 60.0  # a job that is not polled for this time is forgotten
READY_SECONDS = 2.0  # how long an order waits for the socket, so that the first events are not missed
MIN_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 1.0, 30.0  # the pause before a broken socket is opened again
# With this feature flag, a preview contains the id of its job.
FLAGS = orjson.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": True}}).decode()

Socket = AbstractAsyncContextManager[aiohttp.ClientWebSocketResponse]
Connect = Callable[[str], Socket]  # opens a socket with a client id


@dataclass(slots=True)
class _Job:
    progress: JobProgress
    polled_at: float
    runs: bool = False


class Listener:
    """The listener of one key. `connect` opens a socket with a client id, and raises Fault if this fails.

    `client_id` is the id of the socket. The socket gets the events of all jobs that are submitted with this id.
    """

    def __init__(self, connect: Connect) -> None:
        # All the mutable state: the function that opens a socket, the socket's id, the jobs by id, the time of the last
        # event, and the task that listens.
        self.connect = connect
        self.client_id = secrets.token_hex(16)
        self._jobs: dict[str, _Job] = {}
        self._heard_at = 0.0
        self._settled = asyncio.Event()  # set when the first attempt to open the socket has ended
        self._task: asyncio.Task[None] | None = None

    async def ready(self) -> None:
        """Wait until the socket is open, or has failed to open."""
        try:
            async with asyncio.timeout(READY_SECONDS):
                await self._settled.wait()
        except TimeoutError:
            log.info("comfyui socket not open yet")

    def watch(self, prompt_id: str, graph: Graph, *, client_id: str | None = None, runs: bool = False) -> JobProgress:
        """Listen for the events of a waiting or running job. `client_id` is the id with which the job was submitted, if
        that may have been done by an earlier process."""
        now = _now()
        if not self._jobs and client_id:
            self.client_id = client_id
        job = self._jobs.setdefault(prompt_id, _Job(JobProgress(graph), now))
        if runs and not job.runs:
            self._heard_at = now
        job.polled_at, job.runs = now, runs
        if self._task is None or self._task.done():
            self._settled.clear()
            self._task = start_task(self._run(), name="comfyui socket", shared=True)
        return job.progress

    def forget(self, prompt_id: str) -> None:
        """Stop listening for a job that has ended."""
        self._jobs.pop(prompt_id, None)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await finished(self._task)

    async def _run(self) -> None:
        pause = MIN_PAUSE_SECONDS
        while self._jobs:
            try:
                async with self.connect(self.client_id) as socket:
                    await socket.send_str(FLAGS)
                    self._settled.set()
                    pause = MIN_PAUSE_SECONDS
                    await self._listen(socket)
            except (Fault, ConnectionError) as error:
                log.info("comfyui socket failed", reason=str(error))
            self._settled.set()
            if self._jobs:
                await asyncio.sleep(pause)
                pause = min(pause * 2, MAX_PAUSE_SECONDS)

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Read frames until no job is left, the socket is closed, or it is silent although a job is running."""
        self._heard_at = _now()
        while self._wanted():
            try:
                async with asyncio.timeout(TICK_SECONDS):  # aiohttp's own timeout restarts with each ping
                    frame = await socket.receive()
            except TimeoutError:
                continue
            jobs = {prompt_id: job.progress for prompt_id, job in self._jobs.items()}
            match frame.type:
                case aiohttp.WSMsgType.TEXT:
                    is_ours = read_text(frame.data, jobs)
                case aiohttp.WSMsgType.BINARY:
                    is_ours = read_binary(frame.data, jobs)
                case _:
                    return
            if is_ours:
                self._heard_at = _now()

    def _wanted(self) -> bool:
        """Whether there are jobs to listen for. Forgets jobs that are no longer polled."""
        now = _now()
        for prompt_id in [each for each, job in self._jobs.items() if now - job.polled_at > UNPOLLED_SECONDS]:
            self.forget(prompt_id)
        is_deaf = any(job.runs for job in self._jobs.values()) and now - self._heard_at > SILENCE_SECONDS
        if is_deaf:
            log.info("comfyui socket silent, reconnecting")
        return bool(self._jobs) and not is_deaf


def _now() -> float:
    return asyncio.get_running_loop().time()
