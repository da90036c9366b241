"""The page at `/` and its files, which need no key and load nothing from other hosts."""

import pytest

from tests.conftest import Proxy

PARTS = [
    ("/", "text/html"),
    ("/page/page.js", "text/javascript"),
    ("/page/page.css", "text/css"),
    ("/page/icon.svg", "image/svg+xml"),
]


@pytest.mark.parametrize(("path", "kind"), PARTS)
async def test_the_page_needs_no_key_and_may_load_files_only_from_its_own_server(
    proxy: Proxy, path: str, kind: str
) -> None:
    async with proxy.client.get(proxy.url + path, headers={"authorization": ""}) as answer:
        assert (answer.status, answer.content_type) == (200, kind)
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert {policy[name] for name in ("script-src", "style-src", "img-src", "connect-src")} == {"'self'"}
        assert {policy[name] for name in ("base-uri", "form-action", "frame-ancestors")} == {"'none'"}
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("name", ["unknown.js", "__init__.py", "..%2f__init__.py", "%2e%2e%2fopenapi.json"])
async def test_only_the_files_of_the_page_are_served(proxy: Proxy, name: str) -> None:
    async with proxy.client.get(f"{proxy.url}/page/{name}") as answer:
        assert answer.status == 404
        assert (await answer.json())["error"]["code"] == "not_found"
