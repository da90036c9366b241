"""Servers of the tests on sockets of this machine."""

from aiohttp import web


async def listening(app: web.Application, port: int = 0) -> tuple[web.AppRunner, str]:
    """Serve an application, on a free port unless one is named. Returns its runner, to be cleaned up, and its URL."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"
