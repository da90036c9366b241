"""JSON answers that take a long time. Heartbeats keep proxies from closing the silent connection.

For `KEEPALIVE_AFTER` seconds the status is held back, so that an early failure gets its own status. Then 200 is sent
with a first space, and another space is sent every `HEARTBEAT_INTERVAL`; JSON parsers skip these spaces. From then on,
only the body can report a failure.
"""

import asyncio
import math
import re
from collections.abc import Coroutine
from typing import Any

from aiohttp import web

from sora_proxy.api.http.context import SETTINGS
from sora_proxy.api.http.slow_readers import written_in_time
from sora_proxy.background import start_task

# The headers in which OpenAI's SDKs send their timeout. The SDK for Python always sends it; the SDK for Node sends it
# if the timeout is set.
CLIENT_TIMEOUTS = ("x-stainless-read-timeout", "x-stainless-timeout")
DURATION = re.compile(r"\d{1,7}(\.\d{1,6})?", re.ASCII)
MARGIN_SECONDS = 5.0  # the time for an answer to reach the client


class LongAnswer:
    """One answer. Call `wait` until its content is known, then check `begun`, and call `end`."""

    def __init__(self, request: web.Request, headers: dict[str, str] | None = None) -> None:
        self._request = request
        self._headers = headers or {}
        self._response: web.StreamResponse | None = None

    @property
    def begun(self) -> bool:
        """Whether the status, 200, has been sent."""
        return self._response is not None

    async def wait(self, ending: Coroutine[Any, Any, object], seconds: float) -> bool:
        """Wait at most `seconds` for `ending`, and keep the connection alive. Returns whether `ending` has finished."""
        settings = self._request.app[SETTINGS].current
        end = start_task(ending, name="answer", awaited=True)
        left, silence = seconds, settings.keepalive_after
        try:
            while True:
                pause = min(left, silence)
                await asyncio.wait([end], timeout=pause)
                left -= pause
                if end.done():
                    end.result()
                    return True
                if left <= 0:
                    return False
                await self.write(b" ")
                silence = settings.heartbeat_interval
        finally:
            end.cancel()

    async def write(self, data: bytes) -> None:
        """Send a piece of the answer, with the status before the first piece."""
        if self._response is None:
            self._response = web.StreamResponse(headers=self._headers)
            self._response.content_type = "application/json"
            await self._response.prepare(self._request)
        await written_in_time(self._request, self._response.write(data))

    async def end(self, body: bytes = b"", headers: dict[str, str] | None = None) -> web.StreamResponse:
        """End the answer with this body, or with the rest of a body if pieces have been sent.

        `headers` are added if the status has not been sent yet.
        """
        if self._response is None:
            return web.Response(body=body, headers=self._headers | (headers or {}), content_type="application/json")
        await self._response.write_eof(body)
        return self._response


def client_patience(request: web.Request) -> float:
    """The seconds until the client gives up, less a margin; infinite if its headers contain no timeout."""
    timeouts = (DURATION.fullmatch(request.headers.get(name, "")) for name in CLIENT_TIMEOUTS)
    seconds = min((float(each[0]) for each in timeouts if each), default=math.inf)
    return max(seconds - MARGIN_SECONDS, seconds / 2)
