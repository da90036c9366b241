"""Serving an application of a test on a socket of this machine."""

from aiohttp import web


async def listening(app: web.Application, port: int = 0) -> tuple[web.AppRunner, str]:
    """Serve an application; port 0 means a free port. Returns the runner, which the caller cleans up, and the URL."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"
