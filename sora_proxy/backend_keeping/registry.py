"""BackendRegistry: the configuration of all back ends, which is changed only here.

A change is committed first, together with its entry in the audit log, and then takes effect at once. Only one change
is made at a time, and it is completed even if its caller is cancelled.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
import structlog

from sora_proxy.backend_keeping import store
from sora_proxy.backend_keeping.fleet import Fleet
from sora_proxy.backend_keeping.store import BackendRecord
from sora_proxy.background import uninterrupted
from sora_proxy.database import Database
from sora_proxy.errors import (
    BackendExists,
    BackendHasSource,
    BackendInUse,
    BackendNotFound,
    ConfigurationError,
    SimulatorInUse,
)
from sora_proxy.key_keeping.registry import KeyRegistry
from sora_proxy.key_keeping.source import keys_of
from sora_proxy.key_keeping.store import Origin
from sora_proxy.operators import audit
from sora_proxy.operators.audit import Actor, Changes
from sora_proxy.settings.backends import BackendConfig
from sora_proxy.settings.derived import HOW_TO_NAME_A_BACKEND
from sora_proxy.settings.secret_kinds import hidden, restored
from sora_proxy.upstream import Capabilities

log = structlog.get_logger(__name__)


class BackendRegistry:
    """The records of all back ends, the preferred ones first. `keys` contains the records of their keys."""

    def __init__(self, database: Database, fleet: Fleet, keys: KeyRegistry) -> None:
        self._database = database
        self._fleet = fleet
        self._keys = keys
        # All the mutable state: the back ends by their names; the lock that allows one change at a time.
        self._records: dict[str, BackendRecord] = {}
        self._changing = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<BackendRegistry {', '.join(self._records)}>"

    @property
    def records(self) -> Sequence[BackendRecord]:
        return list(self._records.values())

    def get(self, name: str) -> BackendRecord:
        """The record of a back end. Raises BackendNotFound."""
        try:
            return self._records[name]
        except KeyError:
            raise BackendNotFound("This back end does not exist.") from None

    def load(self, records: Iterable[BackendRecord]) -> None:
        """Put the back ends into use at startup. Raises ConfigurationError if a configured back end is unusable."""
        for record in records:
            try:
                upstream = self._fleet.make_upstream(record.config)
            except ConfigurationError as error:
                if record.origin is Origin.environment:
                    raise
                log.warning("stored back end ignored", backend=record.name, faults=error.faults)
                continue
            self._fleet.put(record.config, upstream)
            self._records[record.name] = record
        self._fleet.offer(self.records)
        self._fleet.check_models()

    async def open(self) -> None:
        """Store the changes that came from the configuration."""
        records = [record for record in self.records if record.origin is not Origin.simulator]
        for record in self.records:
            self._keys.hide(record.config.secrets)
            _log(record)
        await self._database.write(lambda connection: store.save(connection, records))

    async def add(self, config: BackendConfig, actor: Actor) -> BackendRecord:
        """Add a back end and its keys.

        Raises BackendExists, SimulatorInUse, KeyExists, or ConfigurationError if the back end can't be used.
        """
        return await uninterrupted(self._add(config, actor))

    async def change(self, name: str, fields: dict[str, Any], actor: Actor) -> BackendRecord:
        """Set fields of a back end's configuration; None restores the default. Other fields and options do not
        change. A back end that is disabled finishes its orders.

        Raises BackendNotFound, ConfigurationError, or pydantic's ValidationError for values that are not valid.
        """
        return await uninterrupted(self._change(name, fields, actor))

    async def remove(self, name: str, actor: Actor) -> None:
        """Delete a back end and its keys. Raises BackendNotFound, BackendHasSource or BackendInUse."""
        await uninterrupted(self._remove(name, actor))

    async def store_capabilities(self, name: str, capabilities: Capabilities, *, complete: bool) -> None:
        """Store the capabilities of a back end if they have changed, and serve its models.

        If not all of its servers answered, the back end also keeps its previous capabilities.
        """
        async with self._changing:
            record = self._records.get(name)
            if record is None:
                return
            before = record.capabilities or self._fleet.built_in(name)
            capabilities = capabilities if complete else capabilities.together_with(before)
            if capabilities == before:
                return
            after = replace(record, capabilities=capabilities)
            if record.origin is not Origin.simulator:
                await self._database.write(lambda connection: store.save(connection, [after]))
            log.info("models listed", backend=name, models=list(capabilities.models))
            self._put(after)

    async def _add(self, config: BackendConfig, actor: Actor) -> BackendRecord:
        async with self._changing:
            if any(record.origin is Origin.simulator for record in self.records):
                raise SimulatorInUse(
                    f"Back ends can't be added while the simulator is in use. Instead, {HOW_TO_NAME_A_BACKEND}."
                )
            if config.name in self._records:
                raise BackendExists("A back end with this name already exists. Change it, or choose another name.")
            upstream = self._fleet.make_upstream(config)
            record = BackendRecord(config.model_copy(update={"keys": ()}), Origin.admin, time.time())

            def write(connection: sa.Connection) -> None:
                store.save(connection, [record])
                audit.note(connection, actor, "backend.add", record.name, _differences(None, record.config))

            await self._keys.add(keys_of(config), actor, config.name, write)
            self._fleet.put(config, upstream)
            self._keys.put_into_pool(config.name)
            self._put(record)
            return record

    async def _change(self, name: str, fields: dict[str, Any], actor: Actor) -> BackendRecord:
        async with self._changing:
            record = self.get(name)
            config = _changed(record.config, fields)
            upstream = self._fleet.make_upstream(config)
            origin = Origin.admin if record.origin is Origin.removed and config.enabled else record.origin
            after = replace(record, config=config, origin=origin)

            def write(connection: sa.Connection) -> None:
                store.save(connection, [after])
                audit.note(connection, actor, "backend.change", name, _differences(record.config, config))

            self._keys.hide(config.secrets)
            await self._database.write(write)
            self._fleet.put(config, upstream)
            self._put(after)
            return after

    async def _remove(self, name: str, actor: Actor) -> None:
        async with self._changing:
            record = self.get(name)
            if record.origin in (Origin.environment, Origin.simulator):
                raise BackendHasSource("The back end is part of the configuration. Remove it there, or disable it.")
            if self._fleet.has_orders(name):
                raise BackendInUse(
                    "The back end has unfinished orders. Disable it, and delete it when they have ended."
                )

            def write(connection: sa.Connection) -> None:
                store.delete(connection, name)
                audit.note(connection, actor, "backend.delete", name, _differences(record.config, None))

            await self._keys.remove_all_of(name, write)
            del self._records[name]
            self._fleet.offer(self.records)
            await self._fleet.remove(name)

    def _put(self, record: BackendRecord) -> None:
        _log(record)
        self._records[record.name] = record
        self._fleet.offer(self.records)
        self._fleet.warn_of_missing_models()


def _log(record: BackendRecord) -> None:
    config = record.config
    log.info("back end loaded", backend=config.name, kind=config.kind, base_url=config.base_url, enabled=config.enabled)


def redacted(config: BackendConfig) -> dict[str, Any]:
    """A back end's configuration as operators see it, without the values of headers and similar options."""
    options = {name: hidden(each) if isinstance(each, dict) else each for name, each in config.options}
    return config.record() | {"options": options}


def _changed(config: BackendConfig, fields: dict[str, Any]) -> BackendConfig:
    present = config.record()
    given = {name: value for name, value in fields.items() if value is not None}
    if isinstance(options := given.get("options"), dict):
        before = present["options"]
        given["options"] = before | {name: restored(value, before.get(name)) for name, value in options.items()}
    unchanged = {name: value for name, value in present.items() if name not in fields}
    return BackendConfig.model_validate({"name": config.name, "kind": config.kind} | unchanged | given)


def _differences(before: BackendConfig | None, after: BackendConfig | None) -> Changes:
    old, new = (redacted(config) if config else {} for config in (before, after))
    return {name: (old.get(name), new.get(name)) for name in old | new if old.get(name) != new.get(name)}
