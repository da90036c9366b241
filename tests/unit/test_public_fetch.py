"""Fetching images from addresses in requests: only public hosts and hosts that the operator allows are accepted.

Every server in this module listens on loopback, so a connection to a server proves that its address was allowed.
"""

import asyncio
import gzip
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from sora_proxy.foreign.addresses import is_public
from sora_proxy.foreign.public_http import AddressRefused
from sora_proxy.media.public_fetch import MAX_BYTES, PublicFetcher
from tests.addresses import ELSEWHERE, LOOPBACK

IMAGE = bytes(range(256)) * 40
BOMB = gzip.compress(bytes(4 * MAX_BYTES))


class Canary:
    """A server on loopback to which no test may connect."""

    def __init__(self) -> None:
        self.connections = 0
        self.port = 0

    def heard(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        writer.close()


@pytest.fixture
async def canary() -> AsyncIterator[Canary]:
    canary = Canary()
    server = await asyncio.start_server(canary.heard, "127.0.0.1", 0)
    canary.port = server.sockets[0].getsockname()[1]
    async with server:
        yield canary


async def refused(address: str, *, allowed: tuple[str, ...] = ()) -> str:
    begun = time.thread_time()
    with pytest.raises(AddressRefused) as caught:
        await PublicFetcher(allowed).fetch(address)
    assert time.thread_time() - begun < 5  # seconds of CPU time; measured: 0.04 for the most expensive address
    assert str(caught.value).isprintable()
    return str(caught.value)


# --- Addresses that are refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", [*LOOPBACK, *ELSEWHERE])
async def test_an_address_that_is_not_public_is_never_used_however_it_is_spelled(canary: Canary, host: str) -> None:
    for scheme in ("http", "https"):
        await refused(f"{scheme}://{host}/fox.png")
        await refused(f"{scheme}://{host}:{canary.port}/fox.png")
        await refused(f"{scheme}://user:password@{host}:{canary.port}/fox.png")
    assert canary.connections == 0


@pytest.mark.parametrize(
    "address",
    [
        "", " ", "fox.png", "/etc/passwd", "//127.0.0.1:{port}/", "http:", "http://", "http:///fox.png",
        "http:127.0.0.1:{port}", "http:/127.0.0.1:{port}/", "http:\\\\127.0.0.1:{port}\\", "file:///etc/passwd",
        "file://127.0.0.1:{port}/x", "ftp://127.0.0.1:{port}/x", "gopher://127.0.0.1:{port}/_GET",
        "ws://127.0.0.1:{port}/", "dict://127.0.0.1:{port}/", "unix:///var/run/docker.sock",
        "data:image/png;base64,AAAA", "javascript:alert(1)", "jar:http://127.0.0.1:{port}!/",
        "http+unix://%2Frun%2Fx", "HTTP://127.0.0.1:{port}/", "hTTp://127.0.0.1:{port}",
        "http://127.0.0.1:{port}#@example.com/", "http://example.com@127.0.0.1:{port}/",
        "http://example.com:80@127.0.0.1:{port}/", "http://127.0.0.1:{port}\\@example.com/",
        "http://example.com%40127.0.0.1:{port}/", "http://example.com#@127.0.0.1:{port}/\ud800",
        "http://[::1]:{port}:80/", "http://127.0.0.1:{port}\r\nHost: x", "http://127.0.0.1 :{port}/",
        "http://127.0.0.1\t:{port}/", "\nhttp://127.0.0.1:{port}/", "http://example.com:22/",
        "https://example.com:80/", "http://example.com:443/", "http://example.com:0/", "http://example.com:99999/",
        "http://example.com:port/", "http://user@example.com/", "http://:password@example.com/",
        "http://exa mple.com/", "http://.example.com/", "http://example..com/", "http://-example.com/",
        "http://1.2.3/", "http://example.com./", "http://" + "a" * 64 + ".com/", "http://" + "a." * 200 + "com/",
        "http://" + "x" * 1_000_000, "http://xn--/", "http://xn--a.com/", "http://\t]_[@", "http://xn--\xfc/",
        "http://\x00/", "http://*/", "http://a_b/", "http://[", "http://]", "http://[]/", "http://ß" + "ß" * 300,
    ],
    ids=lambda address: repr(address[:40]),
)  # fmt: skip
async def test_a_malformed_address_or_an_address_with_a_forbidden_scheme_or_port_is_refused(
    canary: Canary, address: str
) -> None:
    await refused(address.replace("{port}", str(canary.port)))
    assert canary.connections == 0


@pytest.mark.parametrize(
    "answers",
    [
        ["127.0.0.1"],
        ["93.184.215.14", "127.0.0.1"],
        ["127.0.0.1", "93.184.215.14"],
        ["93.184.215.14", "::1"],
        ["2606:4700:4700::1111", "::ffff:10.0.0.1"],
        ["169.254.169.254"],
        ["64:ff9b::7f00:1"],
        [],
    ],
    ids=repr,
)
async def test_a_host_name_is_refused_after_one_lookup_if_any_of_its_addresses_is_private(
    canary: Canary, monkeypatch: pytest.MonkeyPatch, answers: list[str]
) -> None:
    lookups = []

    async def resolve(host: str, port: int, **_options: object) -> list[Any]:
        lookups.append(host)
        families = [socket.AF_INET6 if ":" in answer else socket.AF_INET for answer in answers]
        return [(family, 1, 6, "", (answer, port)) for family, answer in zip(families, answers, strict=True)]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    assert await refused("http://images.example.com/fox.png") == "the image's address is not public"
    assert lookups == ["images.example.com"]


async def test_an_international_host_name_is_looked_up_in_its_ascii_form(monkeypatch: pytest.MonkeyPatch) -> None:
    lookups = []

    async def resolve(host: str, *_arguments: object, **_options: object) -> list[Any]:
        lookups.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    assert await refused("https://bücher.example/fox.png") == "the image's address did not give a usable answer"
    assert lookups == ["xn--bcher-kva.example"]


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.215.14", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450:4001::1"]
)
def test_public_ip_addresses_are_recognised(address: str) -> None:
    assert is_public(address)


# --- Hosts that the operator allows -----------------------------------------------------------------------------------


class Origin:
    """A server on loopback that is on the operator's list of allowed hosts."""

    def __init__(self, canary: Canary) -> None:
        self._canary = canary
        self.requests: list[web.Request] = []
        self.sent = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        match request.path:
            case "/redirect":
                raise web.HTTPFound(f"http://127.0.0.1:{self._canary.port}/")
            case "/missing":
                raise web.HTTPNotFound
            case "/endless":
                return await self._endless(request)
            case "/bomb":
                return web.Response(body=BOMB, headers={"content-encoding": "gzip"})
            case "/members":
                body = gzip.compress(bytes(2**16)) * 1000
                return web.Response(body=body, headers={"content-encoding": "gzip"})
            case "/broken-gzip":
                return web.Response(body=b"no gzip at all", headers={"content-encoding": "gzip"})
            case "/gzip":
                return web.Response(body=gzip.compress(IMAGE), headers={"content-encoding": "gzip"})
            case "/large":
                return web.Response(body=bytes(MAX_BYTES))
            case "/hang-up":
                assert request.transport is not None
                request.transport.abort()
        return web.Response(body=IMAGE, content_type="text/html")

    async def _endless(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:  # until the client closes the connection
            await response.write(bytes(2**18))
            self.sent += 2**18


@pytest.fixture
async def origin(canary: Canary) -> Origin:
    return Origin(canary)


@pytest.fixture
async def server(origin: Origin) -> AsyncIterator[TestServer]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", origin.handle)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server()
    yield server
    await server.close()


async def test_images_are_fetched_from_an_allowed_host(server: TestServer, origin: Origin) -> None:
    for allowed in ("127.0.0.1", f"127.0.0.1:{server.port}"):
        assert await PublicFetcher([allowed]).fetch(str(server.make_url("/fox.png?a=b"))) == IMAGE
    assert [request.path_qs for request in origin.requests] == ["/fox.png?a=b"] * 2


async def test_the_name_of_an_allowed_host_may_be_written_in_any_case(server: TestServer) -> None:
    fetcher = PublicFetcher([f"LocalHost:{server.port}"])
    assert await fetcher.fetch(f"http://LOCALHOST:{server.port}/fox.png") == IMAGE


async def test_an_allowed_ipv6_address_may_be_written_with_brackets(canary: Canary) -> None:
    for allowed in ("[::1]:1", "[::1]", "::1"):
        said = await refused("http://[::1]:1/fox.png", allowed=(allowed,))  # nothing is listening on this port
        assert said == "the image's address did not give a usable answer"


async def test_an_address_that_differs_from_the_allowed_host_and_port_is_refused(
    canary: Canary, server: TestServer, origin: Origin
) -> None:
    allowed = (f"127.0.0.1:{server.port}", "nas.local")
    await refused(f"http://127.0.0.1:{canary.port}/", allowed=allowed)
    await refused(f"http://localhost:{server.port}/", allowed=allowed)
    await refused(f"http://127.0.0.2:{server.port}/", allowed=allowed)
    await refused(f"http://127.1:{server.port}/", allowed=allowed)
    await refused(f"http://nas.local.localhost:{server.port}/", allowed=allowed)
    await refused(f"http://user:password@127.0.0.1:{server.port}/", allowed=allowed)
    await refused(f"ftp://127.0.0.1:{server.port}/", allowed=allowed)
    assert canary.connections == 0
    assert origin.requests == []


async def test_no_credentials_cookies_or_proxies_are_used(
    server: TestServer, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")  # a request through this proxy would fail
    await PublicFetcher(["127.0.0.1"]).fetch(str(server.make_url("/")))
    (request,) = origin.requests
    assert {"authorization", "cookie", "referer"}.isdisjoint(name.lower() for name in request.headers)


async def test_a_redirect_is_not_followed(canary: Canary, server: TestServer) -> None:
    said = await refused(str(server.make_url("/redirect")), allowed=("127.0.0.1",))
    assert said == "the image's address answered with status 302"
    assert canary.connections == 0


async def test_an_answer_with_a_status_other_than_200_is_refused(server: TestServer) -> None:
    said = await refused(str(server.make_url("/missing")), allowed=("127.0.0.1",))
    assert said == "the image's address answered with status 404"


async def test_an_endless_body_is_refused_when_it_exceeds_the_limit(server: TestServer, origin: Origin) -> None:
    said = await refused(str(server.make_url("/endless")), allowed=("127.0.0.1",))
    assert said == "the image is larger than 10 MiB"
    assert origin.sent < 4 * MAX_BYTES


@pytest.mark.parametrize("path", ["/bomb", "/members"])
async def test_a_compressed_body_that_exceeds_the_limit_is_refused(server: TestServer, path: str) -> None:
    with pytest.raises(AddressRefused, match="larger than 10 MiB"):
        await PublicFetcher(["127.0.0.1"]).fetch(str(server.make_url(path)))


@pytest.mark.parametrize("path", ["/broken-gzip", "/hang-up"])
async def test_a_broken_answer_is_refused(server: TestServer, path: str) -> None:
    said = await refused(str(server.make_url(path)), allowed=("127.0.0.1",))
    assert said == "the image's address did not give a usable answer"


async def test_a_body_of_exactly_the_limit_is_fetched(server: TestServer) -> None:
    fetcher = PublicFetcher(["127.0.0.1"])
    assert await fetcher.fetch(str(server.make_url("/gzip"))) == IMAGE
    assert len(await fetcher.fetch(str(server.make_url("/large")))) == MAX_BYTES
