"""The example configuration for nginx, tested with a real nginx that listens on unix sockets."""

import asyncio
import contextlib
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme

from tests.conftest import CLIENT_KEY
from tests.e2e.conftest import CHECKOUT, Program, StartProgram
from tests.eventually import PATIENCE, eventually

EXAMPLE = CHECKOUT / "config" / "deploy" / "nginx.conf"
HOST = "images.example.com"
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
PREFIX = [  # the changes that a comment in the example describes for a path prefix
    ("location / {", "location /sora/ {"),
    ("proxy_pass http://sora_proxy;", "proxy_pass http://sora_proxy/;"),
    ('X-Forwarded-Prefix "";', "X-Forwarded-Prefix /sora;"),
]

UNIX = [("    server 127.0.0.1:8890;", ""), ("    # server unix:/run", "    server unix:/run")]  # for a unix socket

pytestmark = pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")


@dataclass
class Nginx:
    """An nginx with the example configuration, in a separate folder."""

    folder: Path
    authority: trustme.CA

    def configure(self, upstream: str, *changes: tuple[str, str]) -> None:
        """Write the example to the folder, with the addresses and certificates of the test and with these changes."""
        site = EXAMPLE.read_text()
        for before, after in [
            ("    listen [::]:80;\n", ""),
            ("    listen [::]:443 ssl;\n", ""),
            ("listen 80;", f"listen unix:{self.folder}/80;"),
            # TLS is switched off, because the connector of aiohttp for unix sockets does not support it.
            ("listen 443 ssl;", f"listen unix:{self.folder}/443;"),
            ("/etc/ssl/images.example.com.pem", f"{self.folder}/certificate.pem"),
            ("/etc/ssl/images.example.com.key", f"{self.folder}/key.pem"),
            ("127.0.0.1:8890", upstream),
            *changes,
        ]:
            assert before in site
            site = site.replace(before, after)
        certificate = self.authority.issue_cert(HOST)
        certificate.private_key_pem.write_to_path(f"{self.folder}/key.pem")
        certificate.cert_chain_pems[0].write_to_path(f"{self.folder}/certificate.pem")
        paths = "".join(f"{name}_temp_path {self.folder}/{name};" for name in TEMPORARY)
        head = f"daemon off; master_process off; pid {self.folder}/pid; error_log stderr; events {{}}"
        (self.folder / "nginx.conf").write_text(f"{head} http {{ access_log off; {paths} {site} }}")

    def check(self) -> str:
        """The output of nginx when it checks its configuration."""
        checked = subprocess.run([*self._command, "-t"], capture_output=True, text=True, check=False)
        return checked.stderr

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        with (self.folder / "log").open("wb") as log:
            process = subprocess.Popen(self._command, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            process.wait(PATIENCE)

    @property
    def _command(self) -> list[str]:
        return ["nginx", "-e", "stderr", "-p", str(self.folder), "-c", f"{self.folder}/nginx.conf"]

    @contextlib.asynccontextmanager
    async def client(self, port: int = 443) -> AsyncIterator[aiohttp.ClientSession]:
        """A client that is connected to nginx. Waits until nginx is listening."""
        path = f"{self.folder}/{port}"

        async def listens() -> bool:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_unix_connection(path)
                writer.close()
                return True
            return False

        await eventually(listens)
        connector = aiohttp.UnixConnector(path)
        headers = {"authorization": f"Bearer {CLIENT_KEY}"}
        async with aiohttp.ClientSession(f"http://{HOST}", connector=connector, headers=headers) as client:
            yield client


@pytest.fixture
def nginx() -> Iterator[Nginx]:
    with tempfile.TemporaryDirectory() as folder:  # the path of a socket is limited to about a hundred bytes
        yield Nginx(Path(folder), trustme.CA())


@contextlib.contextmanager
def behind_nginx(
    start_program: StartProgram, nginx: Nginx, kind: str, *changes: tuple[str, str], **settings: str
) -> Iterator[Program]:
    """A program behind nginx. nginx connects to the program's port or to its unix socket."""
    upstream = f"{nginx.folder}/http.sock"
    settings |= {"API_HOST": f"127.0.0.1,unix:{upstream}", "TRUSTED_PROXIES": "unix" if kind == "unix" else "127.0.0.1"}
    with start_program(**settings, API_AUTH_TOKEN=CLIENT_KEY, UPSTREAM="simulator") as program:
        port = program.url.rpartition(":")[2]
        nginx.configure(f"127.0.0.1:{port}" if kind == "tcp" else f"unix:{upstream}", *changes)
        with nginx.running():
            yield program


def chat(**fields: Any) -> dict[str, Any]:
    return {"model": "sora-1.0", "messages": [{"role": "user", "content": "a red fox"}], **fields}


async def origin_in(client: aiohttp.ClientSession, path: str, **headers: str) -> str:
    """The address of the server in its API document."""
    async with client.get(f"{path}/openapi.json", headers=headers) as answer:
        (server,) = (await answer.json())["servers"]
        return str(server["url"])


@pytest.mark.parametrize("changes", [[], PREFIX, UNIX], ids=["as it is", "with a prefix", "with a unix socket"])
def test_nginx_accepts_the_example_configuration(nginx: Nginx, changes: list[tuple[str, str]]) -> None:
    nginx.configure("127.0.0.1:8890", *changes)
    assert "test is successful" in nginx.check()


@pytest.mark.parametrize("kind", ["tcp", "unix"])
@pytest.mark.parametrize(("path", "changes"), [("", []), ("/sora", PREFIX)], ids=["whole host", "prefix"])
def test_links_and_the_api_document_contain_the_address_of_nginx(
    start_program: StartProgram, nginx: Nginx, kind: str, path: str, changes: list[tuple[str, str]]
) -> None:
    async def use() -> None:
        origin = f"http://{HOST}{path}"
        async with nginx.client() as client:
            async with client.post(f"{path}/v1/chat/completions", json=chat()) as answer:
                content = (await answer.json())["choices"][0]["message"]["content"]
            (link,) = re.findall(r"\((.*)\)", content)
            assert link.startswith(f"{origin}/images/")
            async with client.get(link.removeprefix(f"http://{HOST}")) as image:
                assert (image.status, image.content_type) == (200, "image/png")
            assert await origin_in(client, path) == origin
            async with client.get(f"{path}/docs") as page:
                assert f"&#x27;{origin}/health&#x27;" in await page.text()

    with behind_nginx(start_program, nginx, kind, *changes):
        asyncio.run(use())


def test_nginx_does_not_pass_on_the_forwarding_headers_of_clients(start_program: StartProgram, nginx: Nginx) -> None:
    async def use() -> None:
        forged = {"x-forwarded-prefix": "/evil", "x-forwarded-host": "evil.example", "x-forwarded-proto": "https"}
        async with nginx.client() as client:
            assert await origin_in(client, "", **forged) == f"http://{HOST}"

    with behind_nginx(start_program, nginx, "tcp"):
        asyncio.run(use())


def test_nginx_does_not_buffer_streams(start_program: StartProgram, nginx: Nginx) -> None:
    async def use() -> None:
        async with nginx.client() as client, client.post("/v1/chat/completions", json=chat(stream=True)) as answer:
            first = json.loads((await answer.content.readline()).removeprefix(b"data: "))
            async with client.get(f"/v1/generation/{first['id']}") as unfinished:
                assert (await unfinished.json())["choices"][0]["finish_reason"] == "processing"

    with behind_nginx(start_program, nginx, "unix") as program:
        program.order_fault("never_finish")
        asyncio.run(use())


@pytest.mark.parametrize(("keepalive_after", "status"), [("0.5", 200), ("60", 504)])
def test_a_slow_answer_arrives_only_if_keepalive_after_is_below_the_timeout_of_nginx(
    start_program: StartProgram, nginx: Nginx, keepalive_after: str, status: int
) -> None:

    async def use() -> int:
        async with nginx.client() as client, client.post("/v1/chat/completions", json=chat()) as answer:
            await answer.read()
            return answer.status

    limit = ("proxy_read_timeout 75s;", "proxy_read_timeout 2s;")
    times = {"SIMULATOR_SECONDS": "4", "HEARTBEAT_INTERVAL": "0.5", "KEEPALIVE_AFTER": keepalive_after}
    with behind_nginx(start_program, nginx, "tcp", limit, **times):
        assert asyncio.run(use()) == status


def test_http_is_redirected_to_https(nginx: Nginx) -> None:
    async def use() -> None:
        async with nginx.client(80) as client, client.post("/v1/models?a=b", allow_redirects=False) as answer:
            assert (answer.status, answer.headers["location"]) == (308, f"https://{HOST}/v1/models?a=b")

    nginx.configure("127.0.0.1:8890")
    with nginx.running():
        asyncio.run(use())
