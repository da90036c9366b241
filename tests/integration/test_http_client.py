"""The HTTP client of the back ends that use aiohttp sends secrets only to the host that was called."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from sora_proxy.errors import UpstreamUnavailable
from sora_proxy.upstream.http_client import Call, HttpClient
from tests.listening import listening

SECRETS = {"authorization": "Bearer secret", "x-login": "secret"}


class Elsewhere:
    """A server that records the requests that it gets."""

    def __init__(self) -> None:
        self.url = ""
        self.calls: list[str] = []

    async def note(self, request: web.Request) -> web.Response:
        self.calls.append(request.path)
        return web.Response()


@pytest.fixture
async def elsewhere() -> AsyncIterator[Elsewhere]:
    sink = Elsewhere()
    app = web.Application()
    app.router.add_get("/{path:.*}", sink.note)
    runner, sink.url = await listening(app)
    yield sink
    await runner.cleanup()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirected_websocket_is_not_opened_and_sends_no_headers_elsewhere(
    elsewhere: Elsewhere, status: int
) -> None:
    async def moved(_request: web.Request) -> web.Response:
        return web.Response(status=status, headers={"location": f"{elsewhere.url}/login"})

    app = web.Application()
    app.router.add_get("/ws", moved)
    runner, url = await listening(app)
    http = HttpClient()
    call = Call("GET", f"{url}/ws", None, 10.0, SECRETS)
    with pytest.raises(UpstreamUnavailable):
        async with http.socket(call, max_frame=1000):
            pass
    assert elsewhere.calls == []
    await http.close()
    await runner.cleanup()
