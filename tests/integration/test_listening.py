"""The server listens on several addresses at once (IPv4, IPv6 and unix sockets): on all of them, or on none."""

import asyncio
import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from sora_proxy.api.http.context import THREADS
from sora_proxy.api.listening import Listener
from sora_proxy.blocking import BlockingPool
from sora_proxy.errors import ConfigurationError

ALL_ADDRESSES = ("::", "0.0.0.0")  # noqa: S104


@asynccontextmanager
async def server(*addresses: str, port: int = 0) -> AsyncIterator[list[str]]:
    """Start a server that answers every request; yields the addresses on which it is listening."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=request.host)

    app, listener = web.Application(), Listener(addresses, port)
    app[THREADS] = BlockingPool()
    app.router.add_get("/", answer)
    app.cleanup_ctx.append(listener.bound)
    runner = web.AppRunner(app, access_log=None)
    try:
        await runner.setup()
        yield await listener.start(runner)
    finally:
        await runner.cleanup()
        app[THREADS].close()


async def status_at(address: str) -> int:
    path = address.removeprefix("unix:") if address.startswith("unix:") else None
    connector = aiohttp.UnixConnector(path) if path else None
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get("http://localhost/" if path else address) as answer,
    ):
        return answer.status


async def refusal(*addresses: str, port: int = 0) -> str:
    """The only line of the error with which startup fails on these addresses."""
    with pytest.raises(ConfigurationError) as refused:
        async with server(*addresses, port=port):
            pass
    (line,) = refused.value.faults
    return line


async def test_all_addresses_of_a_server_have_the_same_port_and_work_as_shown(socket_path: Path) -> None:
    async with server(*ALL_ADDRESSES, f"unix:{socket_path}") as addresses:
        six, four, unix = addresses
        assert six == four.replace("localhost", "[::1]")
        assert unix == f"unix:{socket_path}"
        for address in (six, four, four.replace("localhost", "127.0.0.1"), unix):
            assert await status_at(address) == 200


async def test_a_host_name_with_several_addresses_is_shown_once() -> None:
    async with server("localhost", "127.0.0.2") as addresses:
        name, number = addresses
        assert name.startswith("http://localhost:")
        assert number == name.replace("localhost", "127.0.0.2")
        assert await status_at(number) == 200


async def test_an_address_that_two_names_have_in_common_is_used_once() -> None:
    async with server("localhost", "127.0.0.1") as addresses:
        assert len(addresses) == 1
        assert await status_at(addresses[0]) == 200


async def test_a_taken_port_is_replaced_only_if_the_system_chooses_the_port(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = await refusal("127.0.0.2", "127.0.0.1", port=port)
        assert line == f"API_PORT: can't listen on 127.0.0.1:{port}: Address already in use. Example: API_PORT=8891"
        with socket.create_server(("127.0.0.2", port)):  # nothing is listening on the first address any more
            pass
        getaddrinfo = socket.getaddrinfo

        def choosing(host: str, asked: int, *rest: Any, **options: Any) -> Any:
            """Let the system choose, for the first address, the port that is taken on the second address."""
            return getaddrinfo(host, asked or port, *rest, **options)

        monkeypatch.setattr(socket, "getaddrinfo", choosing)
        async with server("127.0.0.2", "127.0.0.1") as (first, second):
            assert first == f"http://127.0.0.2:{port}"
            assert second != f"http://127.0.0.1:{port}"
            assert await status_at(second) == 200


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("192.0.2.1", "API_HOST: can't listen on 192.0.2.1:0: Cannot assign requested address."),
        ("2001:db8::1", "API_HOST: can't listen on [2001:db8::1]:0: Cannot assign requested address."),
        ("no-such-host.invalid", "API_HOST: can't listen on no-such-host.invalid:0: "),
        (
            "unix:/no/such/folder/x",
            "API_HOST: can't listen on unix:/no/such/folder/x: The folder /no/such/folder does not exist",
        ),
        (f"unix:/tmp/{'a' * 200}", f"API_HOST: can't listen on unix:/tmp/{'a' * 200}: AF_UNIX path too long."),
    ],
)
async def test_an_unusable_address_makes_startup_fail_with_one_line_and_no_listener(
    address: str, reason: str, socket_path: Path
) -> None:
    assert (await refusal(f"unix:{socket_path}", "127.0.0.1", address)).startswith(reason)
    assert not await asyncio.to_thread(socket_path.exists)


async def test_any_user_may_connect_to_the_unix_socket_and_shutdown_removes_it(
    socket_path: Path,
) -> None:
    before = os.umask(0o077)
    try:
        async with server(f"unix:{socket_path}"):
            status = await asyncio.to_thread(socket_path.lstat)
            assert stat.filemode(status.st_mode) == "srw-rw-rw-"
    finally:
        os.umask(before)
    assert not await asyncio.to_thread(socket_path.exists)


async def test_a_unix_socket_that_a_killed_process_left_behind_is_replaced(socket_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(socket_path))
    async with server(f"unix:{socket_path}") as (address,):
        assert await status_at(address) == 200


async def test_a_unix_socket_on_which_a_program_is_listening_is_refused_and_keeps_working(socket_path: Path) -> None:
    async with server(f"unix:{socket_path}") as (address,):
        assert await refusal(f"unix:{socket_path}") == (
            f"API_HOST: can't listen on unix:{socket_path}: Another program is listening there."
            " Example: API_HOST=unix:/run/sora_proxy/http.sock"
        )
        assert await status_at(address) == 200


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
async def test_a_file_that_is_not_a_socket_is_kept_and_its_path_is_refused(socket_path: Path, kind: str) -> None:
    def put() -> None:
        match kind:
            case "file":
                socket_path.write_text("not yours")
            case "folder":
                socket_path.mkdir()
            case "link":
                socket_path.symlink_to("/dev/null")

    await asyncio.to_thread(put)
    before = await asyncio.to_thread(socket_path.lstat)
    assert "A file that is not a socket is there." in await refusal(f"unix:{socket_path}")
    assert (await asyncio.to_thread(socket_path.lstat)).st_ino == before.st_ino


async def test_the_unix_socket_of_another_program_is_not_removed_at_shutdown(socket_path: Path) -> None:
    async with server(f"unix:{socket_path}"):
        await asyncio.to_thread(socket_path.unlink)
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(socket_path))
    assert await asyncio.to_thread(socket_path.exists)
