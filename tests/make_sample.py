"""Make a sample of the data that a version of the program writes: `python -m tests.make_sample NAME [FOLDER]`.

The program in FOLDER (by default, the program of this checkout) is started in front of a back end for tests. It gets
orders from clients and changes from an operator, and is then killed. Its data folder becomes
`tests/data/upgrades/NAME`, with the database as SQL.
"""

import asyncio
import contextlib
import json
import os
import shutil
import sqlite3
import sys
import tempfile
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from tests.conftest import CLIENT_KEY, UPSTREAM_TOKEN
from tests.eventually import eventually
from tests.scripted import silent_port
from tests.sora_server import GIF_URI, Order, Sora, serve_sora
from tests.upgrade_samples import DUMP, SAMPLES

KEPT_TOKEN = "upstream-token-of-an-operator"
ROOT = Path(__file__).parents[1]


class Version:
    """A running program, and what its clients and its operator do. Routes that a version does not have are skipped."""

    def __init__(self, session: aiohttp.ClientSession, url: str, data: Path) -> None:
        self._session = session
        self._url = url
        self._data = data

    async def listens(self) -> bool:
        with contextlib.suppress(aiohttp.ClientConnectionError):
            async with self._session.get(f"{self._url}/health/live") as answer:
                return answer.status == 200
        return False

    async def order(self, prompt: str, *, image: str | None = None, **fields: Any) -> None:
        """Place an order, without waiting for its end."""
        parts: list[dict[str, Any]] = [{"type": "text", "text": prompt}]
        if image:
            parts.append({"type": "image_url", "image_url": {"url": image}})
        body = {"model": "sora-1.0", "stream": True, "messages": [{"role": "user", "content": parts}], **fields}
        headers = {"authorization": f"Bearer {CLIENT_KEY}", "idempotency-key": prompt}
        async with self._session.post(f"{self._url}/v1/chat/completions", json=body, headers=headers) as answer:
            assert answer.status == 200, await answer.text()

    @property
    def admin_key(self) -> str:
        return (self._data / "admin_key").read_text().strip()

    async def administer(self, method: str, path: str, body: Any) -> None:
        headers = {"authorization": f"Bearer {self.admin_key}"}
        async with self._session.request(method, self._url + path, json=body, headers=headers) as answer:
            assert answer.status in (200, 201, 404), await answer.text()

    async def until(self, status: str) -> None:
        """Wait until the newest order has this status on disk."""

        async def look() -> bool:
            return await asyncio.to_thread(self._newest) == status

        await eventually(look)

    def _newest(self) -> str:
        with contextlib.closing(sqlite3.connect(self._data / "sora_proxy.db")) as connection:
            query = "SELECT status FROM generations ORDER BY number DESC LIMIT 1"
            return str(connection.execute(query).fetchone()[0])


async def use(version: Version, sora: Sora, webhooks: str) -> None:
    """Place orders that end, and orders that are running, being submitted or queued when the program is killed."""
    await version.administer("POST", "/admin/api/login", {"key": version.admin_key})
    await version.administer("POST", "/admin/api/keys", {"key": KEPT_TOKEN, "name": "kept", "enabled": False})
    await version.administer("PATCH", "/admin/api/settings", {"VERBOSE_LOGGING": True})
    backend = {"name": "spare", "kind": "sora", "base_url": "http://127.0.0.1:9", "enabled": False}
    await version.administer("POST", "/admin/api/backends", backend)
    await version.order("a red fox", metadata={"webhook_url": webhooks}, store=True)
    await version.until("completed")
    await version.order("the same fox in the snow", image=GIF_URI)
    await version.until("completed")
    sora.on_order = refuse
    await version.order("a fox that fails")
    await version.until("failed")
    sora.on_order = sora.take_and_run
    await version.order("a running fox")
    await version.until("running")
    sora.on_order = never_answer
    await version.order("a fox on its way")
    await version.until("submitting")
    await version.order("a waiting fox", image=GIF_URI)
    await version.until("queued")


async def refuse(_order: Order) -> web.StreamResponse:
    return web.json_response({"error": {"code": "content_policy_violation", "message": "no"}}, status=400)


async def never_answer(_order: Order) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


def options(program: Path, data: Path, upstream: str, webhooks: str) -> dict[str, str]:
    """The environment of the program. Each version has these options."""
    with silent_port() as port:  # the program can listen on the port after this block
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(program),
            "API_HOST": "127.0.0.1",
            "API_PORT": str(port),
            "API_AUTH_TOKEN": CLIENT_KEY,
            "UPSTREAM": "sora",
            "SORA_BASE_URL": upstream,
            "API_KEYS": json.dumps([{"key": UPSTREAM_TOKEN, "name": "first", "max_concurrent": 2}]),
            "DATA_DIR": str(data),
            "IMAGE_LOCALIZATION": "True",
            "POLL_INTERVAL": "0.1",
            "WEBHOOK_ALLOW": webhooks,
        }


async def make(program: Path, data: Path) -> None:
    """Let the program in a folder fill a data folder, and kill it."""
    async with serve_sora() as sora, aiohttp.ClientSession() as session:
        with silent_port() as nobody:
            environment = options(program, data, sora.url, f"127.0.0.1:{nobody}")
            command = (sys.executable, "-m", "sora_proxy")
            process = await asyncio.create_subprocess_exec(*command, env=environment, cwd=data.parent)
            try:
                version = Version(session, f"http://127.0.0.1:{environment['API_PORT']}", data)
                await eventually(version.listens)
                await use(version, sora, f"http://127.0.0.1:{nobody}/")
            finally:
                process.kill()
                await process.wait()


def save(data: Path, sample: Path) -> None:
    """Copy a data folder, with its database as SQL."""
    with contextlib.closing(sqlite3.connect(data / "sora_proxy.db")) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        dump = [*connection.iterdump(), f"PRAGMA user_version = {version};", ""]
    shutil.rmtree(sample, ignore_errors=True)
    shutil.copytree(data, sample, ignore=shutil.ignore_patterns("sora_proxy.db*"))
    (sample / DUMP).write_text("\n".join(dump))


def main(name: str, program: str = str(ROOT)) -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        asyncio.run(make(Path(program).resolve(), data))
        save(data, SAMPLES / name)


if __name__ == "__main__":
    main(*sys.argv[1:])
