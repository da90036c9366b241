"""Bodies of requests. A large one is parsed on a thread, for the event loop has others to serve."""

from collections.abc import Callable
from typing import TypeVar

from aiohttp import web

from sora_proxy.api.context import POOL
from sora_proxy.blocking import Work

LARGE = 2**16
T = TypeVar("T")


async def parsed(request: web.Request, parse: Callable[[bytes], T]) -> T:
    """What `parse` makes of the request's body."""
    body = await request.read()
    return await request.app[POOL].run(Work.media, parse, body) if len(body) > LARGE else parse(body)
