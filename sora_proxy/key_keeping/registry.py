"""KeyRegistry: the configuration of all upstream keys, which is changed only here.

A change is committed first, together with its entry in the audit log, and then takes effect in the pool at once. One
change is made at a time, and it is completed even if its caller is cancelled.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
import structlog

from sora_proxy.background import uninterrupted
from sora_proxy.database import Database
from sora_proxy.errors import KeyExists, KeyHasSource, KeyInUse, KeyNotFound, SimulatorInUse
from sora_proxy.key_keeping import imports, store
from sora_proxy.key_keeping.imports import Entry
from sora_proxy.key_keeping.store import KeyRecord, Origin, identity_of
from sora_proxy.log import Redactor
from sora_proxy.operators import audit
from sora_proxy.operators.audit import Actor, Changes
from sora_proxy.scheduling.key_health import KeyMemory
from sora_proxy.scheduling.key_pools import KeyPools
from sora_proxy.settings.access import fingerprint
from sora_proxy.settings.accounts import egress_names
from sora_proxy.settings.backends import DEFAULT_BACKEND
from sora_proxy.settings.derived import HOW_TO_NAME_A_BACKEND
from sora_proxy.settings.kinds import UpstreamKey
from sora_proxy.settings.secret_kinds import HIDDEN, hidden, restored

log = structlog.get_logger(__name__)

MIN_LENGTH_WITH_TAIL = 16
Write = Callable[[sa.Connection], None]


class KeyRegistry:
    """The records of all keys. The redactor gets the secrets of all keys, so that no secret is logged."""

    def __init__(self, database: Database, pools: KeyPools, redactor: Redactor) -> None:
        self._database = database
        self._pools = pools
        self._redactor = redactor
        # All the mutable state: the keys by their ids, in the order in which they were added; their ids by their
        # current identities; the lock that allows one change at a time; whether keys other than the simulator's are
        # refused.
        self._records: dict[str, KeyRecord] = {}
        self._ids: dict[str, str] = {}
        self._changing = asyncio.Lock()
        self.closed = False

    def __repr__(self) -> str:
        return f"<KeyRegistry {len(self._records)} keys>"

    @property
    def records(self) -> Collection[KeyRecord]:
        return self._records.values()

    def get(self, key_id: str) -> KeyRecord:
        """The record of a key. Raises KeyNotFound."""
        try:
            return self._records[key_id]
        except KeyError:
            raise KeyNotFound("This key does not exist.") from None

    async def open(self, entries: Sequence[Entry], origin: Origin) -> None:
        """Put the stored keys into the pools, and import those of the configuration."""
        stored = await self._database.read(store.load)
        self._redactor.hide(secret for record, _ in stored for secret in record.config.secrets)
        for record, memory in stored:
            self._put(record, memory)
        await self.import_keys(entries, origin)

    def check_open(self) -> None:
        """Check that a key would be used if it were added. Raises SimulatorInUse."""
        if self.closed:
            raise SimulatorInUse(
                "Keys can't be added now: this server returns simulator images, because neither a key nor a back"
                f" end was configured when it started. To use a real back end, {HOW_TO_NAME_A_BACKEND}; to add keys to"
                " the simulator, set UPSTREAM=simulator and restart."
            )

    async def import_keys(self, entries: Sequence[Entry], origin: Origin) -> None:
        """Import the keys of a source. Raises SimulatorInUse."""
        if origin is not Origin.simulator:
            self.check_open()
        await uninterrupted(self._import_keys(entries, origin))

    async def add(
        self, configs: Sequence[UpstreamKey], actor: Actor, backend: str = DEFAULT_BACKEND, *also: Write
    ) -> list[KeyRecord]:
        """Add all of these keys or none; `also` writes in the same commit. Raises KeyExists or SimulatorInUse."""
        self.check_open()
        return await uninterrupted(self._add(configs, actor, backend, also))

    def put_into_pool(self, backend: str) -> None:
        """Put the keys of a new back end into its pool."""
        for record in self._of(backend):
            self._put(record)

    async def remove_all_of(self, backend: str, also: Write) -> None:
        """Delete the keys of a deleted back end; `also` writes in the same commit."""
        async with self._changing:
            records = self._of(backend)

            def write(connection: sa.Connection) -> None:
                also(connection)
                for record in records:
                    store.delete(connection, record.id)

            await self._database.write(write)
            for record in records:
                del self._records[record.id], self._ids[record.identity]

    def hide(self, secrets: Iterable[str]) -> None:
        """Mask these secrets of a back end in the logs."""
        self._redactor.hide(secrets)

    async def change(self, key_id: str, fields: dict[str, Any], actor: Actor) -> KeyRecord:
        """Set fields of a key's configuration; None restores the default.

        Raises KeyNotFound, KeyExists, SimulatorInUse, or pydantic's ValidationError for values that are not valid.
        """
        return await uninterrupted(self._change(key_id, fields, actor))

    async def remove(self, key_id: str, actor: Actor) -> None:
        """Delete a key. Raises KeyNotFound, KeyHasSource or KeyInUse."""
        await uninterrupted(self._remove(key_id, actor))

    def find_by_identity(self, identity: str) -> KeyRecord | None:
        """The key whose current or first identity this is; None if there is no such key."""
        first = fingerprint(identity)
        return self._records.get(self._ids.get(identity, first))

    async def _import_keys(self, entries: Sequence[Entry], origin: Origin) -> None:
        async with self._changing:
            records = imports.changes(self.records, entries, origin)
            if records:
                await self._commit(records, Actor(origin.value))
                log.info("upstream keys imported", origin=origin.value, entries=len(entries), changed=len(records))

    def _of(self, backend: str) -> list[KeyRecord]:
        return [record for record in self.records if self._pools.name_of(record.backend) == backend]

    async def _add(
        self, configs: Sequence[UpstreamKey], actor: Actor, backend: str, also: Sequence[Write]
    ) -> list[KeyRecord]:
        async with self._changing:
            identities = {identity_of(backend, config): config for config in configs}
            if any(map(self.find_by_identity, identities)):
                raise KeyExists("Another key has this token. Change that key instead.")
            now = time.time()
            records = [
                KeyRecord(fingerprint(identity), config, Origin.admin, now, backend=backend)
                for identity, config in identities.items()
            ]
            await self._commit(records, actor, *also)
            return records

    async def _change(self, key_id: str, fields: dict[str, Any], actor: Actor) -> KeyRecord:
        async with self._changing:
            record = self.get(key_id)
            config = _changed(record.config, fields)
            if config.token != record.config.token:
                self.check_open()
            holder = self.find_by_identity(identity_of(record.backend, config))
            if holder and holder.id != key_id:
                raise KeyExists("Another key has this token. Change that key instead.")
            origin = record.origin
            if origin is Origin.removed and config.enabled:  # operators manage the key from now on
                origin = Origin.admin
            after = replace(record, config=config, origin=origin)
            await self._commit([after], actor)
            return after

    async def _remove(self, key_id: str, actor: Actor) -> None:
        async with self._changing:
            record, pool = self.get(key_id), self._pools.of(self.get(key_id).backend)
            key = pool.get(key_id) if pool else None
            if record.origin in imports.IMPORTED_ORIGINS:
                raise KeyHasSource(
                    f"The key is imported from its source ({record.origin}). Remove it there, or disable it."
                )
            if key is not None and key.tasks:
                raise KeyInUse("Tasks are running on the key. Disable it, and delete it when they have ended.")

            def write(connection: sa.Connection) -> None:
                store.delete(connection, key_id)
                audit.note(connection, actor, "key.delete", key_id, _differences(record.config, None))

            await self._database.write(write)
            del self._records[key_id], self._ids[record.identity]
            if pool is not None:
                pool.remove(key_id)

    async def _commit(self, records: Sequence[KeyRecord], actor: Actor, *also: Write) -> None:
        existing = {record.id: self._records.get(record.id) for record in records}

        def write(connection: sa.Connection) -> None:
            for record in records:
                before = existing[record.id]
                store.save(connection, record)
                if before and before.config.token != record.config.token:  # the stored state belongs to the old token
                    store.remember(connection, {record.id: KeyMemory()})
                changes = _differences(before.config if before else None, record.config)
                if changes:
                    audit.note(connection, actor, "key.change" if before else "key.add", record.id, changes)
            for write_also in also:
                write_also(connection)

        self._redactor.hide(secret for record in records for secret in record.config.secrets)
        await self._database.write(write)
        for record in records:
            self._put(record)

    def _put(self, record: KeyRecord, memory: KeyMemory | None = None) -> None:
        before = self._records.get(record.id)
        self._records[record.id] = record
        if before:
            del self._ids[before.identity]
        self._ids[record.identity] = record.id
        if (pool := self._pools.of(record.backend)) is not None:
            key = pool.put(record.id, record.config, memory)
            if before and before.config.token != record.config.token:
                pool.revive(key)


def redacted(config: UpstreamKey) -> dict[str, Any]:
    """A key's configuration as operators see it, without the token, passwords of proxies and values of headers."""
    token = config.token
    tail = HIDDEN + (token[-4:] if len(token) >= MIN_LENGTH_WITH_TAIL else "")
    return config.record() | {"key": tail, "proxy": egress_names(config.proxy), "headers": hidden(config.headers)}


def _changed(config: UpstreamKey, fields: dict[str, Any]) -> UpstreamKey:
    given = {name: value for name, value in fields.items() if value is not None or name not in UpstreamKey.model_fields}
    if "headers" in given:
        given["headers"] = restored(given["headers"], config.headers)
    unchanged = {name: value for name, value in config.record().items() if name not in fields and value is not None}
    return UpstreamKey.model_validate(unchanged | given)


def _differences(before: UpstreamKey | None, after: UpstreamKey | None) -> Changes:
    """The changed fields, without secrets: a changed token is shown by its fingerprint."""
    old, new = (_audited(config) if config else {} for config in (before, after))
    return {name: (old.get(name), new.get(name)) for name in old | new if old.get(name) != new.get(name)}


def _audited(config: UpstreamKey) -> dict[str, Any]:
    return redacted(config) | {"key": fingerprint(config.token)}
