"""Pages of other origins that call the API from a browser."""

from typing import Any

import aiohttp
import pytest

from sora_proxy.api import ALIASES, FOR_CLIENTS, OPEN
from tests.conftest import Proxy, StartProxy

PAGE = "https://chat.example.com"
# The headers that openai (npm) sends from a browser, and those that other clients add.
ASKED = (
    "authorization,content-type,api-key,openai-organization,openai-project,idempotency-key,prefer,last-event-id,"
    "x-stainless-arch,x-stainless-lang,x-stainless-os,x-stainless-package-version,x-stainless-retry-count,"
    "x-stainless-runtime,x-stainless-runtime-version,x-stainless-timeout,x-stainless-helper-method"
)
ROUTES = {route.path.replace("{model:.+}", "x") for route in [*OPEN, *FOR_CLIENTS, *ALIASES]}
PATHS = [*sorted(path for path in ROUTES if not path.startswith("/admin/")), "/nothing"]


def preflight(origin: str = PAGE, method: str = "POST") -> dict[str, str]:
    return {
        "origin": origin,
        "access-control-request-method": method,
        "access-control-request-headers": ASKED,
    }


async def headers_of(answer: Any) -> tuple[int, dict[str, str]]:
    async with answer as received:
        return received.status, {name.lower(): ", ".join(received.headers.getall(name)) for name in received.headers}


async def test_pages_of_other_origins_are_not_allowed_by_default(proxy: Proxy, session: aiohttp.ClientSession) -> None:
    status, headers = await headers_of(session.options(f"{proxy.url}/v1/models", headers=preflight()))
    assert status == 403
    assert "access-control-allow-origin" not in headers
    status, headers = await headers_of(proxy.client.get(f"{proxy.url}/v1/models", headers={"origin": PAGE}))
    assert status == 200
    assert "access-control-allow-origin" not in headers


async def test_preflights_from_an_allowed_page_need_no_key_on_any_route(
    start_proxy: StartProxy, session: aiohttp.ClientSession
) -> None:
    async with start_proxy(cors_origins=f"{PAGE}/,https://other.example:8443") as proxy:
        for path in PATHS:
            for method in ("GET", "POST", "DELETE"):
                answer = session.options(proxy.url + path, headers=preflight(method=method))
                status, headers = await headers_of(answer)
                assert status == 204, path
                assert headers["access-control-allow-origin"] == PAGE
                assert method in headers["access-control-allow-methods"]
                assert headers["access-control-allow-headers"] == ASKED
                assert "origin" in headers["vary"]


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://chat.example.com.evil.example", "", "*"])
async def test_pages_of_other_origins_are_refused_and_answers_vary_by_origin(
    start_proxy: StartProxy, session: aiohttp.ClientSession, origin: str
) -> None:
    async with start_proxy(cors_origins=PAGE) as proxy:
        status, headers = await headers_of(session.options(f"{proxy.url}/v1/models", headers=preflight(origin)))
        assert status == 403
        assert "access-control-allow-origin" not in headers
        _, headers = await headers_of(proxy.client.get(f"{proxy.url}/v1/models", headers={"origin": origin}))
        assert "access-control-allow-origin" not in headers
        assert headers["vary"] == "origin"


async def test_an_allowed_page_can_read_errors_and_the_headers_for_sdks(
    start_proxy: StartProxy, session: aiohttp.ClientSession
) -> None:
    async with start_proxy(cors_origins=PAGE) as proxy:
        for path, expected in (("/v1/models", 401), ("/nothing", 404), ("/v1/chat/completions", 401)):
            status, headers = await headers_of(session.get(proxy.url + path, headers={"origin": PAGE}))
            assert status == expected
            assert headers["access-control-allow-origin"] == PAGE
            exposed = headers["access-control-expose-headers"].split(", ")
            assert {"x-request-id", "retry-after", "openai-processing-ms", "x-should-retry"} <= {*exposed}
            assert {"x-generation-id", "x-sora-proxy-backend"} <= {*exposed}
        async with proxy.chat(stream=True, headers={"origin": PAGE}) as answer:
            assert answer.headers["access-control-allow-origin"] == PAGE
            await answer.read()


async def test_allowing_all_origins_does_not_include_the_admin_routes(
    start_proxy: StartProxy, session: aiohttp.ClientSession
) -> None:
    async with start_proxy(cors_origins="*") as proxy:
        _, headers = await headers_of(session.options(f"{proxy.url}/v1/models", headers=preflight("null")))
        assert headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in headers
        status, headers = await headers_of(session.options(f"{proxy.url}/admin/api/keys", headers=preflight()))
        assert status == 403
        assert "access-control-allow-origin" not in headers
        _, headers = await headers_of(session.get(f"{proxy.url}/admin/api/keys", headers={"origin": PAGE}))
        assert "access-control-allow-origin" not in headers


async def test_the_answer_to_a_preflight_does_not_repeat_invalid_header_names(
    start_proxy: StartProxy, session: aiohttp.ClientSession
) -> None:
    async with start_proxy(cors_origins=PAGE) as proxy:
        asked = preflight() | {"access-control-request-headers": "x;<script>"}
        _, headers = await headers_of(session.options(f"{proxy.url}/v1/models", headers=asked))
        assert headers["access-control-allow-headers"] == ""
