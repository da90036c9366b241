"""Merges the back ends of the configuration into the stored back ends, by the same rule as for keys.

A back end is identified by its name. Its entry is stored as it was last imported, and an import applies only the
differences from that entry. So an edited entry takes effect, and an unchanged entry does not undo an operator's change.
A back end whose entry was removed finishes its orders and accepts no new orders.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

from sora_proxy.backend_keeping.store import BackendRecord
from sora_proxy.key_keeping.imports import edited
from sora_proxy.key_keeping.store import Origin
from sora_proxy.settings.backends import BackendConfig


def merged(stored: Sequence[BackendRecord], entries: Sequence[BackendConfig]) -> list[BackendRecord]:
    """All back ends after an import: first those of the configuration, in its order, then the others."""
    before = {record.name: record for record in stored}
    after = [_imported(before.pop(entry.name, None), entry.model_copy(update={"keys": ()})) for entry in entries]
    return after + [_disabled(each) if each.origin is Origin.environment else each for each in before.values()]


def _imported(record: BackendRecord | None, entry: BackendConfig) -> BackendRecord:
    if record is None:
        return BackendRecord(entry, Origin.environment, time.time(), entry)
    config = edited(record.config, record.imported, entry) if record.imported else entry
    return replace(record, config=config, origin=Origin.environment, imported=entry)


def _disabled(record: BackendRecord) -> BackendRecord:
    off = {"enabled": False}
    imported = record.imported.model_copy(update=off) if record.imported else None
    return replace(record, config=record.config.model_copy(update=off), origin=Origin.removed, imported=imported)
