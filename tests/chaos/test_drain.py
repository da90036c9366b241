"""SIGTERM, with real processes: nothing is lost by it, everybody is told, and it does not take long."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import aiohttp
import pytest

from tests.benchmarks.programs import ROOT
from tests.chaos.test_kills import all_is_well
from tests.chaos.world import SECONDS, World, world

STREAMS = 100
HANG_SECONDS = 1.0


class Stream:
    """A client that reads a stream to its end."""

    def __init__(self, it: World) -> None:
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


async def status_of(it: World, path: str) -> int:
    async with it.session.get(it.url + path) as answer:
        return answer.status


async def test_a_stop_tells_everybody_keeps_what_is_on_the_wire_and_the_next_start_goes_on(tmp_path: Path) -> None:
    async with world(tmp_path, seconds=1.5) as it:
        async with it.life() as server:
            streams = [Stream(it) for _ in range(STREAMS)]
            reading = [asyncio.create_task(stream.read()) for stream in streams]
            await asyncio.gather(*(stream.opened.wait() for stream in streams))
            await it.seen(registered=20)  # others are queued: two keys of 20
            struck = await it.struck()
            await it.fault("hang", endpoint="submit", registered=True, seconds=HANG_SECONDS, times=1)
            await it.seen(struck=struck + 1)
            begun = time.monotonic()
            ending = asyncio.create_task(server.end(signal.SIGTERM))
            while await status_of(it, "/health/ready") == 200:
                assert time.monotonic() - begun < 0.5
            assert await status_of(it, "/health/live") == 200
            async with it.session.post(f"{it.url}/v1/chat/completions", json=ORDER) as answer:
                assert answer.status == 503
                assert int(answer.headers["retry-after"]) > 0
                assert answer.headers["connection"] == "close"
            assert not ending.done()
            assert await ending == 0
            assert time.monotonic() - begun < HANG_SECONDS + 2
            await asyncio.gather(*reading)
        for stream in streams:
            *_, last = stream.text.removesuffix("data: [DONE]\n\n").strip().split("\n\n")
            assert stream.generation_id in last, stream.text
        async with it.life():
            all_is_well(await it.reckon())


ORDER = {"model": "sora-1.0", "messages": [{"role": "user", "content": "too late"}]}


async def test_a_stop_with_nothing_on_the_wire_takes_at_most_two_seconds(tmp_path: Path) -> None:
    async with world(tmp_path, seconds=5) as it, it.life() as server:
        streams = [Stream(it) for _ in range(10)]
        reading = [asyncio.create_task(stream.read()) for stream in streams]
        await it.seen(registered=10)
        await asyncio.sleep(0.2)
        begun = time.monotonic()
        assert await server.end(signal.SIGTERM) == 0
        assert time.monotonic() - begun < 2
        await asyncio.gather(*reading)


async def test_a_call_that_hangs_in_a_thread_does_not_hold_up_the_end_beyond_the_grace(tmp_path: Path) -> None:
    async with world(tmp_path, SHUTDOWN_GRACE="3") as it:
        async with it.life() as server:
            await it.fault("hang", endpoint="submit", registered=True, times=1)
            await it.order()
            await it.seen(struck=1)
            begun = time.monotonic()
            assert await server.end(signal.SIGTERM) == 0
            assert time.monotonic() - begun < 3.5
        async with it.life():
            all_is_well(await it.reckon())


async def test_a_second_signal_ends_it_now_and_the_next_start_goes_on(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        async with it.life() as server:
            await it.fault("hang", endpoint="submit", registered=True, times=1)
            await it.order()
            await it.seen(struck=1)
            server.send(signal.SIGTERM)
            async with asyncio.timeout(SECONDS):
                while await status_of(it, "/health/ready") == 200:
                    pass
            begun = time.monotonic()
            assert await server.end(signal.SIGINT) == -signal.SIGINT
            assert time.monotonic() - begun < 0.5
        async with it.life():
            all_is_well(await it.reckon())


async def test_a_signal_while_it_starts_ends_it_well(tmp_path: Path) -> None:
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
        while b"database open" not in await process.stderr.readline():
            assert process.returncode is None
        process.send_signal(signal.SIGTERM)
        _, said = await process.communicate()
        assert process.returncode == 0, said
        with pytest.raises(aiohttp.ClientConnectionError):
            await status_of(it, "/health/live")
        async with it.life():
            all_is_well(await it.reckon())
