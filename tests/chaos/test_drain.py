"""Shutdown after SIGTERM, with real processes: no order is lost, every stream is ended, and the server waits only for
running submits."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import orjson

from tests.benchmarks.programs import ROOT
from tests.chaos.simulator_world import SimulatorWorld, world
from tests.chaos.test_kills import all_is_well

STREAMS = 100
# Seconds. Tests give a process a tenth of this time to end, so a test fails if the process waits for all of this time.
LONG = "600"


class Stream:
    """A client that reads a stream to its end."""

    def __init__(self, it: SimulatorWorld) -> None:
        self._it = it
        self.opened = asyncio.Event()
        self.generation_id = ""
        self.text = ""

    async def read(self) -> None:
        it, prompt = self._it, self._it.book.new_prompt()
        body = {"model": "sora-1.0", "stream": True, "messages": [{"role": "user", "content": prompt}]}
        async with it.session.post(f"{it.url}/v1/chat/completions", json=body) as answer:
            assert answer.status == 200, await answer.text()
            self.generation_id = answer.headers["x-generation-id"]
            it.book.acknowledged[self.generation_id] = prompt
            self.opened.set()
            self.text = (await answer.read()).decode()


async def ended_clean(it: SimulatorWorld) -> bool:
    """Whether the log shows that the server finished its work within the grace period of its last shutdown."""
    lines = await asyncio.to_thread((it.folder / "errors.log").read_bytes)
    (*_, stopped) = [line for line in map(orjson.loads, lines.splitlines()) if line["event"] == "server stopped"]
    return bool(stopped["clean"])


async def test_shutdown_waits_for_submits_ends_every_stream_and_loses_no_order(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, seconds=1.5, SHUTDOWN_GRACE=LONG) as it:
        async with it.life() as server:
            # The back end delays its answer to the 21st submit by 2 s. Meanwhile, the back end's process is suspended.
            await it.fault("hang", endpoint="submit", registered=True, seconds=2, skip=20, times=1)
            streams = [Stream(it) for _ in range(STREAMS)]
            reading = [asyncio.create_task(stream.read()) for stream in streams]
            await asyncio.gather(*(stream.opened.wait() for stream in streams))
            await it.seen(struck=1)  # most orders are queued, since two keys have 20 slots each
            it.upstream.send(signal.SIGSTOP)
            ending = asyncio.create_task(server.end(signal.SIGTERM))
            await it.until_ready(ready=False)
            assert await it.status_of("/health/live") == 200
            async with it.session.post(f"{it.url}/v1/chat/completions", json=ORDER) as answer:
                assert answer.status == 503
                assert int(answer.headers["retry-after"]) > 0
                assert answer.headers["connection"] == "close"
            assert not ending.done()
            it.upstream.send(signal.SIGCONT)
            assert await ending == 0
            assert await ended_clean(it)
            await asyncio.gather(*reading)
        for stream in streams:
            *_, last = stream.text.removesuffix("data: [DONE]\n\n").strip().split("\n\n")
            assert stream.generation_id in last, stream.text
        async with it.life():
            all_is_well(await it.final_outcome())


ORDER = {"model": "sora-1.0", "messages": [{"role": "user", "content": "too late"}]}


async def test_shutdown_without_a_running_submit_does_not_wait_for_clients(tmp_path: Path) -> None:
    async with world(tmp_path, seconds=60, SHUTDOWN_GRACE=LONG) as it, it.life() as server:
        streams = [Stream(it) for _ in range(10)]
        reading = [asyncio.create_task(stream.read()) for stream in streams]
        await asyncio.gather(*(stream.opened.wait() for stream in streams))
        for generation_id in it.book.acknowledged:
            await it.until_on_disk(generation_id, "running")
        assert await server.end(signal.SIGTERM) == 0
        assert await ended_clean(it)
        await asyncio.gather(*reading)


async def test_a_hanging_submit_does_not_delay_shutdown_beyond_the_grace_period(tmp_path: Path) -> None:
    async with world(tmp_path, SHUTDOWN_GRACE="3", SUBMIT_TIMEOUT=LONG) as it:
        async with it.life() as server:
            await it.fault("hang", endpoint="submit", registered=True, times=1)
            await it.order()
            await it.seen(struck=1)
            assert await server.end(signal.SIGTERM) == 0
            assert not await ended_clean(it)
        async with it.life():
            all_is_well(await it.final_outcome())


async def test_a_second_signal_ends_the_server_at_once_and_loses_no_order(tmp_path: Path) -> None:
    async with world(tmp_path, SHUTDOWN_GRACE=LONG, SUBMIT_TIMEOUT=LONG) as it:
        async with it.life() as server:
            await it.fault("hang", endpoint="submit", registered=True, times=1)
            await it.order()
            await it.seen(struck=1)
            server.send(signal.SIGTERM)
            await it.until_ready(ready=False)
            assert await server.end(signal.SIGINT) == -signal.SIGINT
        async with it.life():
            all_is_well(await it.final_outcome())


async def test_a_signal_during_startup_ends_the_server_cleanly(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        async with it.life() as server:
            await it.fault("hang", endpoint="submit", registered=False, times=1)
            await it.order()
            await it.seen(struck=1)
            await it.kill(server)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sora_proxy"),
            cwd=it.folder,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **it.settings},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr is not None
        while b"database opened" not in await process.stderr.readline():
            assert process.returncode is None
        process.send_signal(signal.SIGTERM)
        _, said = await process.communicate()
        assert process.returncode == 0, said
        async with it.life():
            all_is_well(await it.final_outcome())
