"""Access to the admin API: keys, sessions, failed logins, and the audit log."""

import asyncio
import io
from typing import Any

import aiohttp
import pytest

from sora_proxy.api import FOR_CLIENTS, OPEN
from sora_proxy.api.admin import FOR_OPERATORS
from tests.conftest import ADMIN_KEY, CLIENT_KEY, Proxy, StartProxy

LOGIN, LOGOUT, AUDIT = "/admin/api/login", "/admin/api/logout", "/admin/api/audit"
ROUTES = [(route.method, route.path.replace("{id}", "x").replace("{name}", "x")) for route in FOR_OPERATORS]


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def ask(session: aiohttp.ClientSession, method: str, url: str, **fields: Any) -> tuple[int, dict[str, Any]]:
    """The status and the JSON of one answer."""
    async with session.request(method, url, **fields) as answer:
        return answer.status, await answer.json()


async def login(session: aiohttp.ClientSession, proxy: Proxy, key: str = ADMIN_KEY, **headers: str) -> tuple[int, Any]:
    return await ask(session, "POST", proxy.url + LOGIN, json={"key": key}, headers=headers)


async def test_every_route_belongs_to_exactly_one_access_list(proxy: Proxy) -> None:
    declared = [{route.handler for route in routes} for routes in (OPEN, FOR_CLIENTS, FOR_OPERATORS)]
    for route in proxy.app.router.routes():
        assert [route.handler in handlers for handlers in declared].count(True) == 1, route
        assert route.resource is not None
        path = route.resource.canonical
        assert (route.handler in declared[2]) == (path.startswith("/admin") and path != LOGIN)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        (bearer("wrong"), 401),
        (bearer(ADMIN_KEY[:-1]), 401),
        (bearer(ADMIN_KEY + "x"), 401),
        (bearer(ADMIN_KEY.upper()), 401),
        (bearer(ADMIN_KEY.replace("a", "а")), 401),
        ({"authorization": f"Basic {ADMIN_KEY}"}, 401),
        ({"cookie": f"token={ADMIN_KEY}"}, 401),
        (bearer(CLIENT_KEY), 403),
        ({"api-key": CLIENT_KEY}, 403),
    ],
    ids=str,
)
async def test_every_admin_route_accepts_only_operators(
    proxy: Proxy, session: aiohttp.ClientSession, headers: dict[str, str], status: int
) -> None:
    expected = (status, "admin_key_required" if status == 403 else "invalid_api_key")
    for method, path in ROUTES:
        url = f"{proxy.url}{path}?token={ADMIN_KEY}&key={ADMIN_KEY}"
        answered, body = await ask(session, method, url, headers=headers)
        assert (answered, body["error"]["code"]) == expected, path
        assert set(body["error"]) == {"message", "type", "param", "code"}


async def test_a_request_with_two_keys_is_refused(proxy: Proxy, session: aiohttp.ClientSession) -> None:
    headers = [("authorization", f"Bearer {CLIENT_KEY}"), ("authorization", f"Bearer {ADMIN_KEY}")]
    async with session.get(proxy.url + AUDIT, headers=headers) as answer:
        assert answer.status == 401


async def test_a_session_token_works_like_the_admin_key_until_logout(
    proxy: Proxy, session: aiohttp.ClientSession
) -> None:
    status, begun = await login(session, proxy)
    assert (status, begun["token_type"]) == (200, "Bearer")
    assert 0 < begun["expires_in"] <= 3600
    _, other = await login(session, proxy)
    headers = bearer(begun["token"])
    assert (await ask(session, "GET", proxy.url + AUDIT, headers=headers))[0] == 200
    assert await ask(session, "POST", proxy.url + LOGOUT, headers=headers) == (200, {"ended": True})
    for token in (begun["token"], other["token"]):
        assert (await ask(session, "GET", proxy.url + AUDIT, headers=bearer(token)))[0] == 401
    assert (await ask(session, "GET", proxy.url + AUDIT, headers=bearer(ADMIN_KEY)))[0] == 200
    assert (await login(session, proxy))[0] == 200


async def test_a_session_token_is_not_a_client_key_and_is_invalid_after_a_restart(
    start_proxy: StartProxy, session: aiohttp.ClientSession
) -> None:
    async with start_proxy() as proxy:
        _, begun = await login(session, proxy)
        async with session.get(f"{proxy.url}/v1/models", headers=bearer(begun["token"])) as answer:
            assert answer.status == 401
    async with start_proxy() as proxy:
        assert (await ask(session, "GET", proxy.url + AUDIT, headers=bearer(begun["token"])))[0] == 401


async def test_failed_logins_are_rate_limited_and_other_requests_are_not(
    start_proxy: StartProxy, session: aiohttp.ClientSession
) -> None:
    """All failed logins come at once, and from one address. Their headers claim other addresses, which are made up."""
    async with start_proxy(trusted_proxies="10.0.0.0/8") as proxy:
        tries = (
            login(session, proxy, f"guess {n}", **{"x-forwarded-for": f"198.51.100.{n % 100}"}) for n in range(300)
        )
        statuses = [status for status, _ in await asyncio.gather(*tries)]
        assert (statuses.count(401), statuses.count(429)) == (10, 290)
        async with session.post(proxy.url + LOGIN, json={"key": ADMIN_KEY}) as answer:
            assert answer.status == 429
            assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert (await ask(session, "GET", proxy.url + AUDIT, headers=bearer(ADMIN_KEY)))[0] == 200


async def test_logins_from_different_addresses_behind_a_proxy_are_limited_separately(
    start_proxy: StartProxy, session: aiohttp.ClientSession
) -> None:
    async with start_proxy(trusted_proxies="127.0.0.0/8") as proxy:
        for guess in range(11):
            status, _ = await login(session, proxy, f"guess {guess}", **{"x-forwarded-for": "192.0.2.66, 198.51.100.7"})
        assert status == 429
        assert (await login(session, proxy, **{"x-forwarded-for": "198.51.100.7, 192.0.2.66"}))[0] == 200
        assert (await login(session, proxy, **{"x-forwarded-for": f"192.0.2.66, {'x' * 2000}"}))[0] == 200
        _, entries = await ask(session, "GET", proxy.url + AUDIT, headers=bearer(ADMIN_KEY))
        assert [entry["address"] for entry in entries["data"][:2]] == ["127.0.0.1", "192.0.2.66"]


@pytest.mark.parametrize(
    ("content_type", "body", "refusal"),
    [
        ("application/x-www-form-urlencoded", f"key={ADMIN_KEY}", (415, "unsupported_media_type", None)),
        ("text/plain", f'{{"key": "{ADMIN_KEY}"}}', (415, "unsupported_media_type", None)),
        ("application/json", "{", (400, "invalid_json", None)),
        ("application/json", "[]", (400, "invalid_json", None)),
        ("application/json", "{}", (400, "missing_required_parameter", "key")),
        ("application/json", '{"key": 1}', (400, "invalid_value", "key")),
        ("application/json", '{"key": "a", "role": "admin"}', (400, "unknown_parameter", "role")),
        ("application/json", '{"key": "' + "x" * 5000 + '"}', (413, "request_too_large", None)),
    ],
)
async def test_a_login_that_is_not_json_is_refused(
    proxy: Proxy,
    session: aiohttp.ClientSession,
    content_type: str,
    body: str,
    refusal: tuple[int, str, str | None],
) -> None:
    headers = {"content-type": content_type, "origin": "https://evil.example"}
    status, told = await ask(session, "POST", proxy.url + LOGIN, data=io.BytesIO(body.encode()), headers=headers)
    assert (status, told["error"]["code"], told["error"]["param"]) == refusal


async def test_pages_of_other_sites_cannot_read_the_admin_api(
    start_proxy: StartProxy, session: aiohttp.ClientSession
) -> None:
    async with start_proxy(cors_origins="*") as proxy:
        preflight = {"origin": "https://chat.example.com", "access-control-request-method": "POST"}
        async with session.options(proxy.url + LOGIN, headers=preflight) as answer:
            assert answer.status == 403
            assert "access-control-allow-origin" not in answer.headers
        headers = {"origin": "https://chat.example.com"} | bearer(ADMIN_KEY)
        async with session.get(proxy.url + AUDIT, headers=headers) as answer:
            assert answer.status == 200
            assert not [name for name in answer.headers if name.lower().startswith("access-control")]
            assert "set-cookie" not in answer.headers
            assert answer.headers["cache-control"] == "no-store"


async def test_the_audit_log_lists_the_actions_of_operators_in_pages(
    proxy: Proxy, session: aiohttp.ClientSession
) -> None:
    _, begun = await login(session, proxy)
    await login(session, proxy)
    await ask(session, "POST", proxy.url + LOGOUT, headers=bearer(begun["token"]))
    _, first = await ask(session, "GET", f"{proxy.url}{AUDIT}?limit=2", headers=bearer(ADMIN_KEY))
    assert [entry["action"] for entry in first["data"]] == ["session.end_all", "session.begin"]
    assert first["has_more"] is True
    assert first["data"][0]["who"].startswith("session ")
    after = first["last_id"]
    _, rest = await ask(session, "GET", f"{proxy.url}{AUDIT}?limit=2&after={after}", headers=bearer(ADMIN_KEY))
    told = [(entry["who"], entry["address"], entry["action"]) for entry in rest["data"]]
    assert told == [("admin key", "127.0.0.1", "session.begin"), ("environment", None, "key.add")]
    assert rest["has_more"] is False
    assert begun["token"] not in str(first) + str(rest)


@pytest.mark.parametrize(
    ("query", "param"),
    [("limit=x", "limit"), ("limit=²", "limit"), ("after=x", "after"), ("after=-1", "after"), ("after=²", "after")],
)
async def test_an_invalid_page_parameter_is_refused_by_name(
    proxy: Proxy, session: aiohttp.ClientSession, query: str, param: str
) -> None:
    status, body = await ask(session, "GET", f"{proxy.url}{AUDIT}?{query}", headers=bearer(ADMIN_KEY))
    assert (status, body["error"]["param"]) == (400, param)
