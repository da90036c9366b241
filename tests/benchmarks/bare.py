"""A bare aiohttp server that sends recorded bytes at the recorded times, and does nothing else.

`python -m tests.benchmarks.bare SCRIPT` is a separate program; `write_script` writes its script from a stream.
"""

import asyncio
import gc
import sys
from dataclasses import dataclass
from pathlib import Path

import orjson
from aiohttp import web

from tests.benchmarks.load import Stream

BACKLOG = 4096


def write_script(path: Path, stream: Stream) -> Path:
    """Write the bytes and the times of a stream to a file."""
    chunks = [(at, data.decode()) for at, data in stream.chunks]
    path.write_bytes(orjson.dumps({"headers": stream.headers, "chunks": chunks}))
    return path


@dataclass(frozen=True, slots=True)
class Script:
    """The pieces of an answer and their times."""

    headers: dict[str, str]
    chunks: list[tuple[float, bytes]]


def read_script(path: Path) -> Script:
    """Read a file that `write_script` wrote."""
    kept = orjson.loads(path.read_bytes())
    return Script(kept["headers"], [(at, text.encode()) for at, text in kept["chunks"]])


def create_app(script: Script) -> web.Application:
    """Make an application with one route and no middleware."""

    async def chat(request: web.Request) -> web.StreamResponse:
        begun = asyncio.get_running_loop().time()
        await request.read()
        response = web.StreamResponse(headers={"content-type": "text/event-stream; charset=utf-8", **script.headers})
        await response.prepare(request)
        for at, data in script.chunks:
            await asyncio.sleep(begun + at - asyncio.get_running_loop().time())
            await response.write(data)
        await response.write_eof()
        return response

    app = web.Application()
    app.router.add_post("/v1/chat/completions", chat)
    return app


async def serve(script: Script) -> None:
    """Serve until the process is ended."""
    runner = web.AppRunner(create_app(script), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=BACKLOG).start()
    print(f"bare server listening on http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    # The garbage collector has the settings of sora_proxy, so a comparison shows only the work of the servers.
    gc.set_threshold(50_000, 20, 50)
    gc.freeze()
    asyncio.run(serve(read_script(Path(sys.argv[1]))))
