"""Fixtures: the whole server and the simulator, on real sockets. No part of the project is replaced by a fake."""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog
from aiohttp import web
from blockbuster import BlockBuster
from pydantic import SecretStr

from sora_proxy.api.admin.context import KEY_POOLS
from sora_proxy.api.http.context import SETTINGS
from sora_proxy.app import create_app
from sora_proxy.blocking import BlockingPool
from sora_proxy.database import Database
from sora_proxy.log import Redactor
from sora_proxy.operators.runtime_settings import RuntimeSettings
from sora_proxy.scheduling.key_pool import KeyPool
from sora_proxy.settings.access import load_access
from sora_proxy.settings.options import Settings
from sora_proxy.simulator import Clocks, SimulatorOptions, serve_simulator
from tests.eventually import PATIENCE, eventually
from tests.leftovers import pytest_collection_finish, pytest_runtest_teardown
from tests.scripted import Serve, serving, silent_port

__all__ = ["pytest_collection_finish", "pytest_runtest_teardown"]  # hooks

CLIENT_KEY = "sk-client-key-of-the-tests"
ADMIN_KEY = "sk-admin-key-of-the-tests"
UPSTREAM_TOKEN = "upstream-token-of-the-tests"
HOUR = 3600.0  # the duration of a simulated task that ends only when the test advances the clock

Overrides = Any  # the fields of Settings


@pytest.fixture(scope="session")
def detection() -> BlockBuster:
    """The detector of blocking calls on an event loop. It is built only once, because building it is slow."""
    return BlockBuster()


@pytest.fixture(autouse=True)
def _no_blocking_call_on_the_event_loop(detection: BlockBuster) -> Iterator[None]:
    detection.activate()
    yield
    detection.deactivate()


@pytest.fixture(autouse=True)
def _logs_go_to_pytest() -> None:
    """Pass log lines to pytest. By default, structlog prints lines, and printing blocks the event loop."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(),
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


@pytest.fixture(scope="session", autouse=True)
def _servers_of_other_workers_are_not_noticed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give each worker a separate temporary folder. Servers use a file in this folder to notice that another server has
    the same upstream keys, and the keys of all tests have the same tokens."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(tmp_path_factory.getbasetemp()))
        patch.setattr(tempfile, "tempdir", None)  # so that Python reads the variable again
        yield


@pytest.fixture(autouse=True)
def _images_are_given_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the server give up soon on an image that it can't fetch. Tests of fetching set a longer time."""
    monkeypatch.setattr("sora_proxy.orders.results.FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr("sora_proxy.orders.results.PATIENCE_SECONDS", 0.0)


@dataclass
class Clock:
    """The clock of a simulator's tasks. It shows the monotonic time, and a test may move it forward."""

    ahead: float = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@dataclass
class Simulator:
    """A running simulator and its control routes."""

    url: str
    session: aiohttp.ClientSession
    clock: Clock

    async def let_pass(self, seconds: float = HOUR, *, registered: int = 1) -> None:
        """Wait until `registered` tasks are registered, and then move the simulator's clock forward by `seconds`."""
        await self.wait_for(registered=registered)
        self.clock.ahead += seconds

    async def stats(self) -> dict[str, Any]:
        async with self.session.get(f"{self.url}/simulator/stats") as answer:
            stats: dict[str, Any] = await answer.json()
            return stats

    async def order_fault(self, fault: str, **parameters: Any) -> None:
        async with self.session.post(f"{self.url}/simulator/faults", json={"fault": fault, **parameters}) as answer:
            assert answer.status < 300, await answer.text()

    async def wait_for(self, **facts: Any) -> None:
        """Wait until the simulator has seen the given number of requests, or registered the given number of tasks."""
        async with self.session.get(f"{self.url}/simulator/wait", params={"timeout": str(PATIENCE), **facts}) as answer:
            assert answer.status == 200, await answer.text()


@dataclass
class Proxy:
    """A running sora_proxy, and a client that sends the client key."""

    url: str
    client: aiohttp.ClientSession
    app: web.Application

    @property
    def pool(self) -> KeyPool:
        """The keys of the server's only back end."""
        (pool,) = self.app[KEY_POOLS].all
        return pool

    def chat(self, prompt: str = "a red fox", **fields: Any) -> Any:
        """Post a chat request. Returns an async context manager that yields the answer."""
        headers = fields.pop("headers", None)
        body = {"model": "sora-1.0", "messages": [{"role": "user", "content": prompt}], **fields}
        return self.client.post(f"{self.url}/v1/chat/completions", json=body, headers=headers)

    async def get(self, path: str) -> Any:
        """Get a path; returns the JSON of the answer."""
        async with self.client.get(self.url + path) as answer:
            return await answer.json()

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Send a request with the admin key; returns the status and the JSON of the answer."""
        headers = {"authorization": f"Bearer {ADMIN_KEY}"}
        async with self.client.request(method, self.url + path, json=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def admin_get(self, path: str) -> Any:
        """Get a path of the admin API; returns the JSON of the answer."""
        status, found = await self.ask("GET", path)
        assert status == 200, found
        return found

    async def images_today(self) -> int:
        """The number of images that count today against the daily cap across all back ends."""
        return int((await self.admin_get("/admin/api/queue"))["in_all"]["images_today"])

    async def ended(self, generation_id: str) -> dict[str, Any]:
        """The completion of a generation, once it has ended."""

        async def look() -> dict[str, Any] | None:
            completion: dict[str, Any] = await self.get(f"/v1/generation/{generation_id}")
            return None if completion["choices"][0]["finish_reason"] == "processing" else completion

        return await eventually(look)


StartSimulator = Callable[..., AbstractAsyncContextManager[Simulator]]
StartProxy = Callable[..., AbstractAsyncContextManager[Proxy]]


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def start_simulator(session: aiohttp.ClientSession) -> StartSimulator:
    """Start a simulator with the given options. By default, its tasks are quick."""

    @contextlib.asynccontextmanager
    async def start(**options: Any) -> AsyncIterator[Simulator]:
        wanted, clock = SimulatorOptions(**({"seconds": 0.3, "queue_seconds": 0.0} | options)), Clock()
        async with serve_simulator(wanted, clocks=Clocks(now=clock)) as running:
            yield Simulator(running.url, session, clock)

    return start


@pytest.fixture
def start_proxy(tmp_path: Path) -> StartProxy:
    """Start a whole server with the given settings, in the test's temporary folder."""

    @contextlib.asynccontextmanager
    async def start(**settings: Overrides) -> AsyncIterator[Proxy]:
        # On a thread, because this reads files. The real program reads them before its event loop is running.
        app = await asyncio.to_thread(app_for, tmp_path, **settings)
        options: dict[str, Any] = {"handler_cancellation": True, "auto_decompress": False}
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, **options)
        try:
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            headers = {"authorization": f"Bearer {CLIENT_KEY}"}
            async with aiohttp.ClientSession(headers=headers) as client:
                yield Proxy(f"http://127.0.0.1:{runner.addresses[0][1]}", client, app)
        finally:
            await runner.cleanup()

    return start


def settings_for(folder: Path, **settings: Overrides) -> Settings:
    """Settings with the short times that tests need. Neither the environment nor a file of options is read."""
    defaults: dict[str, Any] = {
        "data_dir": folder / "data",
        "admin_key": SecretStr(ADMIN_KEY),
        "api_auth_token": SecretStr(CLIENT_KEY),
        "poll_interval": 0.1,
        "settle_time": 0.3,
        "shutdown_grace": 5.0,
        "simulator_seconds": 0.3,
    }
    given = defaults | settings
    checked = Settings.model_validate(Settings.model_construct().model_dump() | given)
    return Settings.model_construct(_fields_set=set(given), **dict(checked))


def app_for(folder: Path, **settings: Overrides) -> web.Application:
    chosen = settings_for(folder, **settings)
    return create_app(chosen, load_access(chosen), Redactor())


def app_that_knows_its_settings(**settings: Overrides) -> web.Application:
    """An application that contains only settings, for tests of code that needs a request but no running server."""
    app = web.Application()
    app[SETTINGS] = fixed_settings(**settings)
    return app


def fixed_settings(**settings: Overrides) -> RuntimeSettings:
    """Settings that never change, and whose database is never opened."""
    database = Database(Path("never-opened.db"), BlockingPool())
    return RuntimeSettings(Settings.model_construct(**settings), database, lambda _settings: None)


def upstream_keys(*tokens: str, **fields: Any) -> list[dict[str, Any]]:
    """One key object for each of the given tokens; if there are none, one for `UPSTREAM_TOKEN`."""
    return [{"key": token, **fields} for token in tokens or (UPSTREAM_TOKEN,)]


def in_front_of(simulator: Simulator, *tokens: str, **fields: Any) -> dict[str, Any]:
    """The settings of a server whose back end is a simulator, with keys for the given tokens."""
    return {"upstream": "sora", "sora_base_url": simulator.url, "api_keys": upstream_keys(*tokens, **fields)}


@pytest.fixture
def socket_path() -> Iterator[Path]:
    """A path for a unix socket. It is short, because such a path is limited to about a hundred bytes."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "http.sock"


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers that follow a script."""
    with serving() as serve:
        yield serve


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that refuses connections."""
    with silent_port() as port:
        yield port


@pytest.fixture
async def simulator(start_simulator: StartSimulator) -> AsyncIterator[Simulator]:
    async with start_simulator() as simulator:
        yield simulator


@pytest.fixture
async def proxy(start_proxy: StartProxy, simulator: Simulator) -> AsyncIterator[Proxy]:
    """A server with one key, in front of a simulator."""
    settings = in_front_of(simulator)
    async with start_proxy(**settings, image_localization=True) as proxy:
        yield proxy
