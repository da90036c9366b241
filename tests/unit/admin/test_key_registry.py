"""The registry: a change that has returned is on disk and in effect, even if its caller is cancelled."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sora_proxy.blocking import BlockingPool
from sora_proxy.database import Database
from sora_proxy.errors import KeyExists, KeyRejected, RateLimited, StorageUnavailable
from sora_proxy.key_keeping.memories import KeyMemories
from sora_proxy.key_keeping.registry import KeyRegistry
from sora_proxy.key_keeping.store import Origin
from sora_proxy.log import Redactor
from sora_proxy.operators.audit import Actor, AuditLog
from sora_proxy.scheduling.key_pools import KeyPools
from sora_proxy.scheduling.order_queue import QueueBounds
from sora_proxy.settings.access import fingerprint
from sora_proxy.settings.backends import DEFAULT_BACKEND
from sora_proxy.settings.kinds import UpstreamKey

OPERATOR = Actor("admin key", "192.0.2.1")
ID = fingerprint("token-a")


def key(token: str = "token-a", **fields: Any) -> UpstreamKey:
    return UpstreamKey.model_validate({"key": token, **fields})


class Process:
    """The objects that one process has for its keys: the pool, the registry, and the store of the keys' health."""

    def __init__(self, database: Database) -> None:
        pools = KeyPools(QueueBounds(), {}, "sora")
        self.pool = pools.add("sora", one_intent=True)
        self.redactor = Redactor()
        self.registry = KeyRegistry(database, pools, self.redactor)
        self.memories = KeyMemories(database)
        self.pool.on_change = self.memories.note


@pytest.fixture
def start(database: Database) -> Callable[[], Process]:
    return lambda: Process(database)


async def test_a_change_is_completed_even_if_its_caller_is_cancelled(
    start: Callable[[], Process], database: Database
) -> None:
    process = start()
    adding = asyncio.create_task(process.registry.add([key()], OPERATOR))
    await asyncio.sleep(0)
    adding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await adding
    assert process.pool.get(ID) is not None
    again = start()
    await again.registry.open([], Origin.file)
    assert [record.id for record in again.registry.records] == [ID]
    assert len(await AuditLog(database).page(10, None)) == 1


async def test_a_change_that_cannot_be_stored_has_no_effect(tmp_path: Path) -> None:
    pool = BlockingPool()
    database = await asyncio.to_thread(Database, tmp_path / "data" / "sora_proxy.db", pool)
    await database.open()
    process = Process(database)
    await process.registry.add([key()], OPERATOR)
    await database.write(lambda connection: connection.exec_driver_sql("DROP TABLE audit"))
    with pytest.raises(StorageUnavailable):
        await process.registry.change(ID, {"weight": 9}, OPERATOR)
    with pytest.raises(StorageUnavailable):
        await process.registry.add([key("token-b")], OPERATOR)
    with pytest.raises(StorageUnavailable):
        await process.registry.remove(ID, OPERATOR)
    assert process.registry.get(ID).config.weight == 1
    assert [each.id for each in process.pool.keys] == [ID]
    again = Process(database)
    await again.registry.open([(DEFAULT_BACKEND, key())], Origin.admin)
    assert again.registry.get(ID).config == key()
    await database.close()
    pool.close()


async def test_simultaneous_changes_of_a_key_are_all_kept(start: Callable[[], Process]) -> None:
    process = start()
    await process.registry.add([key()], OPERATOR)
    changes: list[dict[str, Any]] = [
        {"weight": 5},
        {"max_rpm": 7},
        {"notes": "x"},
        {"name": "n"},
        {"max_concurrent": 2},
    ]
    await asyncio.gather(*(process.registry.change(ID, fields, OPERATOR) for fields in changes))
    config = process.registry.get(ID).config
    assert (config.weight, config.max_rpm, config.notes, config.name) == (5, 7, "x", "n")


async def test_adding_one_token_many_times_at_once_adds_one_key(start: Callable[[], Process]) -> None:
    process = start()
    adding = (process.registry.add([key()], OPERATOR) for _ in range(20))
    outcomes = await asyncio.gather(*adding, return_exceptions=True)
    assert sum(isinstance(outcome, KeyExists) for outcome in outcomes) == 19
    assert len(process.registry.records) == 1


async def test_the_health_of_a_key_survives_a_restart_and_is_reset_by_a_new_token(
    start: Callable[[], Process],
) -> None:
    process = start()
    await process.registry.add([key(), key("token-b")], OPERATOR)
    first, second = process.pool.keys
    process.pool.report(first, KeyRejected("the account is dead"), "chatcmpl-1")
    process.pool.report(second, RateLimited("tired", retry_after=600))
    await process.memories.close()
    again = start()
    await again.registry.open([], Origin.file)
    first, second = again.pool.keys
    assert first.rejected is not None
    assert (first.rejected.reason, first.rejected.by) == ("the account is dead", "chatcmpl-1")
    assert 590 < second.cooldown.until - again.pool.now <= 600
    assert (second.unproven, second.cooldown.why and second.cooldown.why.reason) == (True, "tired")
    await again.registry.change(ID, {"key": "token-c"}, OPERATOR)
    # As in a crash, nothing is closed before the next startup, so health that is not yet on disk is lost.
    last = start()
    await last.registry.open([], Origin.file)
    assert [(each.token, each.rejected) for each in last.pool.keys] == [("token-c", None), ("token-b", None)]


async def test_every_secret_of_a_key_is_masked_in_logs_before_it_is_used(start: Callable[[], Process]) -> None:
    process = start()
    await process.registry.add([key("a-secret-token", proxy="http://user:pass%2Fword@127.0.0.1:9")], OPERATOR)
    await process.registry.import_keys([(DEFAULT_BACKEND, key("a-token-of-the-file"))], Origin.file)
    await process.registry.change(fingerprint("a-secret-token"), {"key": "another-token"}, OPERATOR)
    secrets = ("a-secret-token", "another-token", "a-token-of-the-file", "pass/word")
    line = process.redactor(None, "", {"event": " ".join(secrets)})
    assert line == {"event": " ".join(["***"] * 4)}
    again = start()
    await again.registry.open([], Origin.file)
    assert again.redactor(None, "", {"event": "another-token pass/word"}) == {"event": "*** ***"}
