"""A disk that is really full: a tmpfs of a few megabytes, on machines that permit mounting."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from tests.chaos.simulator_world import SimulatorWorld, world
from tests.chaos.world import Outcome
from tests.eventually import PATIENCE

SIZE = "4m"
BLOCK = 4096
RUNNING = 4


async def on_a_full_disk(folder: Path) -> Outcome | None:
    """Fill the disk while orders are running, check the answers, kill the server, and make room again. Returns None if
    mounting is not permitted."""
    async with world(folder, seconds=1, IMAGE_LOCALIZATION="True") as it, tmpfs(it.folder / "data") as is_mounted:
        if not is_mounted:
            return None
        async with it.life() as server:
            await it.order()
            await asyncio.gather(*(it.order() for _ in range(RUNNING)))
            await it.seen(registered=RUNNING)
            filler = await asyncio.to_thread(_fill, it.folder / "data")
            await _is_refused(it)
            registered = (await it.stats())["registered"]
            await it.until_all_is_made()  # the images can't be stored
            await _is_refused(it)
            assert (await it.stats())["registered"] == registered, "an order was sent without an intent"
            await asyncio.to_thread(filler.unlink)
            await it.until_ready()
            for generation_id in it.book.acknowledged:
                await it.made(generation_id)
            await it.order()
            filler = await asyncio.to_thread(_fill, it.folder / "data")
            await it.kill(server)
        await asyncio.to_thread(filler.unlink)
        async with it.life():
            return await it.final_outcome()


async def _is_refused(it: SimulatorWorld) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:  # small orders still fit into the last block of the database's log
            messages = [{"role": "user", "content": "no room " * 1000}]
            body = {"model": "sora-1.0", "background": True, "messages": messages}
            async with it.session.post(f"{it.url}/v1/chat/completions", json=body) as answer:
                if answer.status == 503:
                    break
    async with it.session.get(f"{it.url}/health/live") as answer:
        assert answer.status == 200
    for generation_id in it.book.acknowledged:
        async with it.session.get(f"{it.url}/v1/generation/{generation_id}") as answer:
            assert answer.status == 200


def _fill(folder: Path) -> Path:
    filler = folder / "filler"
    with contextlib.suppress(OSError), filler.open("ab", buffering=0) as file:
        while True:
            file.write(bytes(BLOCK))
    return filler


@contextlib.asynccontextmanager
async def tmpfs(folder: Path) -> AsyncIterator[bool]:
    """Mount a small file system at the folder, if mounting is permitted. Yields whether mounting is permitted."""
    await asyncio.to_thread(folder.mkdir)
    mounting = await asyncio.create_subprocess_exec(
        *("mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)), stderr=asyncio.subprocess.DEVNULL
    )
    is_mounted = await mounting.wait() == 0
    try:
        yield is_mounted
    finally:
        if is_mounted:
            await (await asyncio.create_subprocess_exec("umount", str(folder))).wait()
