"""Merges the keys of the configuration into the existing keys.

An existing key is found by its current identity (`identity_of`), or by its first identity, whose fingerprint is its id.
Otherwise it is found by its token at the same back end, for example after a move from API_KEYS to an entry of BACKENDS.
The last imported entry is stored with the key, and an import applies only the differences from that entry. So an edit
in the file takes effect, and an unchanged file does not undo a later change by an operator. A key whose entry was
removed is disabled, not deleted: its tasks continue, its record stays, and it is enabled again when the entry is added
again.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from pydantic import BaseModel

from sora_proxy.key_keeping.store import KeyRecord, Origin, identity_of
from sora_proxy.settings.access import fingerprint
from sora_proxy.settings.backends import DEFAULT_BACKEND
from sora_proxy.settings.kinds import UpstreamKey

C = TypeVar("C", bound=BaseModel)
IMPORTED_ORIGINS = (Origin.environment, Origin.file, Origin.simulator)


Entry = tuple[str, UpstreamKey]  # the name of a back end, and one of its keys


def changes(existing: Iterable[KeyRecord], entries: Sequence[Entry], origin: Origin) -> list[KeyRecord]:
    """The records that an import adds or changes, with their new contents."""
    records = list(existing)
    by_id = {record.id: record for record in records}
    by_identity = {record.identity: record for record in records}
    by_token = {(_backend_of(record.backend), record.config.token): record for record in records if record.config.token}
    after: dict[str, KeyRecord] = {}
    for backend, entry in entries:
        identity = identity_of(backend, entry)
        record = by_identity.get(identity) or by_id.get(fingerprint(identity))
        if record is None and (moved := by_token.get((_backend_of(backend), entry.token))) and moved.id not in after:
            record = replace(moved, backend=backend)
        if record is None:
            record = KeyRecord(fingerprint(identity), entry, origin, time.time(), entry, backend)
            after[record.id] = record
        elif record.id not in after:
            after[record.id] = _merged(record, entry, origin)
    for record in records:
        if record.id not in after and record.origin in IMPORTED_ORIGINS:
            after[record.id] = _disabled(record)
    return [record for record in after.values() if record != by_id.get(record.id)]


def _backend_of(backend: str) -> str:
    """The name of a key's back end. A back end that is configured by the older options has the name `sora`, so its keys
    are recognized when an operator moves them to an entry `sora` in `BACKENDS`."""
    return "sora" if backend == DEFAULT_BACKEND else backend


def edited(config: C, before: C, entry: C) -> C:
    """A configuration after an import: fields in which `entry` differs from the last imported entry, `before`, get the
    values of `entry`."""
    fields = {name: getattr(entry, name) for name in type(config).model_fields}
    return config.model_copy(update={name: value for name, value in fields.items() if value != getattr(before, name)})


def _merged(record: KeyRecord, entry: UpstreamKey, origin: Origin) -> KeyRecord:
    before = record.imported or UpstreamKey(key=entry.key)
    return replace(record, config=edited(record.config, before, entry), origin=origin, imported=entry)


def _disabled(record: KeyRecord) -> KeyRecord:
    off = {"enabled": False}
    imported = record.imported.model_copy(update=off) if record.imported else None
    return replace(record, config=record.config.model_copy(update=off), origin=Origin.removed, imported=imported)
