"""The typed keys of the application and of requests for the layer around every request.

This module imports nothing about orders: the layer does not depend on the purpose of a request.
"""

import asyncio
from collections.abc import Callable

from aiohttp import web

from sora_proxy.blocking import BlockingPool
from sora_proxy.media.image_files import Media
from sora_proxy.media.public_fetch import PublicFetcher
from sora_proxy.operators.audit import Actor
from sora_proxy.operators.runtime_settings import RuntimeSettings
from sora_proxy.operators.sessions import Sessions
from sora_proxy.settings.access import Access

SETTINGS = web.AppKey("settings", RuntimeSettings)  # always read options from here: some change at run time
ACCESS = web.AppKey("access", Access)
SESSIONS = web.AppKey("sessions", Sessions)
INSTANCE = web.AppKey("instance", str)  # the mark of this server in its requests to back ends
THREADS = web.AppKey("threads", BlockingPool)
MEDIA = web.AppKey("media", Media)
FETCHER = web.AppKey("fetcher", PublicFetcher)
LARGE_BODY_SLOTS = web.AppKey("large_body_slots", asyncio.Semaphore)

REQUEST_ID = web.RequestKey("request_id", str)
STARTED = web.RequestKey("started", float)
BEGUN = web.RequestKey("begun", bool)  # whether the status has been sent
CLIENT = web.RequestKey("client", str)
VIA: web.RequestKey[tuple[str, ...]] = web.RequestKey("via")  # the marks of the servers that the request came through
# A function that is called when the answer is sent, and returns the headers about the order.
ORDER_HEADERS: web.RequestKey[Callable[[], dict[str, str]]] = web.RequestKey("order_headers")
OPERATOR = web.RequestKey("operator", Actor)
