"""Cancelling tasks that are no longer needed at their back end."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from sora_proxy.blocking import BlockingPool
from sora_proxy.database import Database
from sora_proxy.errors import Fault, UpstreamUnavailable
from sora_proxy.generation import Asset, Generation, Status
from sora_proxy.media.image_files import Media
from sora_proxy.orders.backend import Backend, Resources, SendPolicy
from sora_proxy.orders.backends import Backends
from sora_proxy.orders.lifecycle import Lifecycle, Policy
from sora_proxy.orders.spending import Caps, Spending
from sora_proxy.orders.store import Store
from sora_proxy.orders.supervisor import Supervisor
from sora_proxy.scheduling.key_pool import KeyPool
from sora_proxy.scheduling.order_queue import QueueBounds
from sora_proxy.settings.accounts import Account
from sora_proxy.settings.kinds import UpstreamKey
from sora_proxy.spec import GenerationSpec
from sora_proxy.upstream import Abilities, Capabilities, Identity, Snapshot, Submission, TaskState
from sora_proxy.upstream.model_names import Route
from tests.eventually import eventually

KEY = UpstreamKey(key="key")


class CancellableBackend:
    """A back end in this process whose only task runs until it is cancelled."""

    name, base_url = "ends tasks", "http://back-end.invalid"
    capabilities = Capabilities({"m": Abilities()})
    identity, links_results = Identity.listed, True
    names_tasks: bool | None = True
    polls_are_complete = False
    max_concurrent: int | None = None

    def __init__(self, fault: Fault | None) -> None:
        self.looked_at = asyncio.Event()
        self.told: list[tuple[str, str]] = []
        self._fault = fault
        self._state = TaskState.running

    async def submit(self, submission: Submission) -> str:  # noqa: ARG002
        return "task_1"

    async def poll(self, task_ids: Sequence[str], account: Account, *, deep: bool) -> dict[str, Snapshot]:  # noqa: ARG002
        self.looked_at.set()
        return {task_id: Snapshot(task_id, self._state) for task_id in task_ids}

    async def recent(self, _account: Account) -> list[Snapshot]:
        return []

    async def cancel(self, task_id: str, account: Account) -> bool:
        self.told.append((task_id, account.token))
        self._state = TaskState.failed
        if self._fault is not None:
            raise self._fault
        return True

    async def ask_capabilities(self, account: Account) -> Capabilities:  # noqa: ARG002
        return self.capabilities

    async def may_have_changed(self) -> bool:
        return False

    async def upload(self, image: Path, account: Account) -> str:
        raise NotImplementedError

    async def fetch(self, asset: Asset, account: Account, destination: Path) -> None:
        raise NotImplementedError

    async def check_link(self, asset: Asset, account: Account | None) -> None:
        raise NotImplementedError

    async def probe(self, account: Account) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        pass


@pytest.fixture(params=[None, UpstreamUnavailable("not now")], ids=["done", "refused"])
async def upstream(request: pytest.FixtureRequest) -> CancellableBackend:
    return CancellableBackend(request.param)


@pytest.fixture
async def supervisor(upstream: CancellableBackend, tmp_path: Path) -> AsyncIterator[Supervisor]:
    pool = BlockingPool()
    database = await asyncio.to_thread(Database, tmp_path / "data" / "sora_proxy.db", pool)
    await database.open()
    media = Media(tmp_path / "images", tmp_path / "inputs", pool)
    await media.open()
    keys = KeyPool("sora", QueueBounds())
    keys.put("key", KEY)
    store, spending = Store(database), Spending(database, Caps())

    def routes(spec: GenerationSpec) -> dict[str, Route]:
        return {upstream.name: Route(upstream.name, spec.model, Abilities())}

    backend = Backend(upstream, keys, Resources(store, media, SendPolicy(poll_interval=0.02), routes, spending))
    backends = Backends(routes, max_wait=1.0)
    backends.put(backend)
    supervisor = Supervisor(backends, store, media, Lifecycle(backends, store, media, Policy()).run)
    yield supervisor
    await supervisor.stop(5)
    await backend.close()
    await database.close()
    pool.close()


async def until_cancelled(generation: Generation) -> None:
    async def look() -> bool:
        return generation.status is Status.cancelled

    await eventually(look)


async def test_cancelling_an_order_cancels_its_task_once_with_the_key_of_the_task(
    supervisor: Supervisor, upstream: CancellableBackend
) -> None:
    generation = await supervisor.start(GenerationSpec("m", "p"), "client")
    await upstream.looked_at.wait()
    await supervisor.cancel(generation)
    assert generation.cancelled
    await until_cancelled(generation)
    assert upstream.told == [("task_1", "key")]
