"""Storage that fails: an order that can't be stored is not sent, and no order is lost."""

import asyncio
import contextlib
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.programs import ROOT, Program
from tests.chaos.simulator_world import world
from tests.chaos.test_kills import all_is_well


@contextlib.contextmanager
def no_room(server: Program) -> Iterator[None]:
    """Keep every file from growing, including the database's log, as if the disk were full."""
    soft, hard = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):  # the server was killed
            resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (soft, hard))


async def test_new_orders_are_refused_and_running_orders_survive_while_the_disk_is_full(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, seconds=1) as it, it.life() as server:
        done = await it.order()
        assert done is not None
        await it.made(done)
        running = await it.order()
        assert running is not None
        await it.until_on_disk(running, "running")
        with no_room(server):
            for _ in range(3):
                body = {"model": "sora-1.0", "messages": [{"role": "user", "content": "no room"}]}
                async with it.session.post(f"{it.url}/v1/chat/completions", json=body) as answer:
                    assert answer.status == 503
                    assert (await answer.json())["error"]["code"] == "storage_unavailable"
                    assert int(answer.headers["retry-after"]) > 0
            async with it.session.get(f"{it.url}/health/ready") as answer:
                (reason,) = (await answer.json())["reasons"]
            assert (answer.status, reason["code"]) == (503, "storage_unavailable")
            assert reason["message"].startswith("The server's storage is unavailable: the database refused the write: ")
            assert await it.status_of("/health/live") == 200
            assert await it.status_of(f"/v1/generation/{done}") == 200
            assert await it.status_of(f"/v1/generation/{running}") == 200
            await it.until_all_is_made()
            looks = sum((await it.stats())["requests"]["list"].values())
            await it.seen(endpoint="list", count=looks + 3)  # the server knows the state, but can't store it
            assert await it.status_of("/health/ready") == 503
            assert (await it.stats())["registered"] == 2
        await it.until_ready()
        assert await it.order() is not None
        all_is_well(await it.final_outcome())
        assert (await it.stats())["registered"] == 3


async def test_a_kill_while_the_disk_is_full_loses_no_acknowledged_order(tmp_path: Path) -> None:
    async with world(tmp_path, seconds=1) as it:
        async with it.life() as server:
            await asyncio.gather(*(it.order() for _ in range(5)))
            with no_room(server):
                await it.until_all_is_made()
                await it.kill(server)
        async with it.life():
            all_is_well(await it.final_outcome())


async def test_an_image_that_cannot_be_stored_is_linked_at_the_back_end(tmp_path: Path) -> None:
    async with world(tmp_path, IMAGE_LOCALIZATION="True") as it, it.life():
        await asyncio.to_thread(shutil.rmtree, it.folder / "data/images")
        generation_id = await it.order()
        assert generation_id is not None
        content = (await it.made(generation_id))["choices"][0]["message"]["content"]
        assert f"]({it.upstream.url}/media/" in content


def test_startup_fails_with_one_line_if_the_data_folder_cannot_be_created(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file/data"  # not even root can create it
    settings = {"DATA_DIR": str(folder), "ADMIN_KEY": "sk-admin-key-of-the-tests", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "sora_proxy"]
    ended = subprocess.run(command, cwd=tmp_path, env=settings, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"DATA_DIR: {folder}/client_key: ")


def test_startup_fails_with_one_line_if_the_database_is_damaged(tmp_path: Path) -> None:
    database = tmp_path / "data/sora_proxy.db"
    database.parent.mkdir()
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.executescript("CREATE TABLE made (it TEXT); INSERT INTO made VALUES (zeroblob(20000));")
    damaged = database.read_bytes()[:9000]
    database.write_bytes(damaged)
    settings = {"ADMIN_KEY": "sk-admin-key-of-the-tests", "API_PORT": "0", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "sora_proxy"]
    ended = subprocess.run(command, cwd=tmp_path, env=settings, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert line.startswith("data/sora_proxy.db: can't be used as the database: ")
    assert database.read_bytes() == damaged
