"""Stores the upstream keys: their configuration, the origin of the configuration, and their state.

Tokens are stored here and nowhere else; only the owner of the database file can read them. Functions that write are
called within a transaction.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, TypeVar

import sqlalchemy as sa
import structlog
from pydantic import TypeAdapter, ValidationError

from sora_proxy.database import metadata
from sora_proxy.scheduling.key_health import KeyMemory
from sora_proxy.settings.backends import DEFAULT_BACKEND
from sora_proxy.settings.faults import lines_of
from sora_proxy.settings.kinds import UpstreamKey

T = TypeVar("T")
log = structlog.get_logger(__name__)

keys = sa.Table(
    "keys",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),  # the order in which they were added
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("token", sa.Text, nullable=False, unique=True),  # the identity, so no account is stored twice
    sa.Column("backend", sa.Text, nullable=False, server_default=""),
    sa.Column("config", sa.JSON, nullable=False),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("imported", sa.JSON),
    sa.Column("memory", sa.JSON),
)
MEMORY: TypeAdapter[KeyMemory] = TypeAdapter(KeyMemory)


SIMULATED_KEY = UpstreamKey(key="simulated", name="simulator")  # the key of the built-in simulator


class Origin(StrEnum):
    """The source of a key's configuration."""

    admin = "admin"
    environment = "environment"
    file = "file"
    simulator = "simulator"  # the simulator's own key
    removed = "removed"  # the key's entry in the environment or the file was removed


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A stored key. Its id is the fingerprint of its first identity, and never changes.

    `backend` is the name of its entry in BACKENDS; empty: the back end of the older options.
    """

    id: str
    config: UpstreamKey
    origin: Origin
    created_at: float
    imported: UpstreamKey | None = None  # the key's entry in the source, as last imported
    backend: str = DEFAULT_BACKEND

    @property
    def identity(self) -> str:
        return identity_of(self.backend, self.config)


def identity_of(backend: str, config: UpstreamKey) -> str:
    """The unique identity of a key. This is its token or, for a key in an entry of BACKENDS, the name of the entry
    together with the name or token of the key."""
    return config.token if backend == DEFAULT_BACKEND else f"{backend}/{config.name or config.token}"


def load(connection: sa.Connection) -> list[tuple[KeyRecord, KeyMemory | None]]:
    """All keys that can be read, with their stored states, oldest first."""
    rows = connection.execute(sa.select(keys).order_by(keys.c.number))
    return list(readable(rows, "id", _with_memory))


def readable(rows: sa.CursorResult[Any], name: str, read: Callable[[sa.Row[Any]], T]) -> Iterator[T]:
    """Yield what `read` returns for each row. A row that can't be read is skipped, so that the server can start, and
    logged with its column `name`."""
    while True:
        row = None
        try:
            row = rows.fetchone()  # parses JSON
            if row is None:
                return
            record = read(row)
        except ValueError as error:
            faults = lines_of(error) if isinstance(error, ValidationError) else [str(error)]
            log.warning("stored record unreadable", record=getattr(row, name, None), faults=faults)
        else:
            yield record


def has_keys(connection: sa.Connection) -> bool:
    """Whether any key is stored, enabled or not, except the simulator's key and the keys of BACKENDS. The database may
    not have been migrated yet: in older databases, the table has no column `backend`."""
    rows = connection.execute(sa.text("SELECT * FROM keys")).mappings()
    others = (row for row in rows if row["token"] != SIMULATED_KEY.token)
    return any(row.get("backend", DEFAULT_BACKEND) == DEFAULT_BACKEND for row in others)


def save(connection: sa.Connection, record: KeyRecord) -> None:
    """Add a key, or change its configuration. Its stored state does not change."""
    row = {
        "token": record.identity,
        "backend": record.backend,
        "config": record.config.record(),
        "origin": record.origin.value,
        "imported": record.imported.record() if record.imported else None,
    }
    if not connection.execute(keys.update().where(keys.c.id == record.id), row).rowcount:
        connection.execute(keys.insert(), row | {"id": record.id, "created_at": record.created_at})


def remember(connection: sa.Connection, memories: Mapping[str, KeyMemory]) -> None:
    """Store the states of these keys."""
    for key_id, memory in memories.items():
        connection.execute(keys.update().where(keys.c.id == key_id), {"memory": asdict(memory)})


def delete(connection: sa.Connection, key_id: str) -> None:
    connection.execute(keys.delete().where(keys.c.id == key_id))


def _with_memory(row: sa.Row[Any]) -> tuple[KeyRecord, KeyMemory | None]:
    return _record(row), MEMORY.validate_python(row.memory) if row.memory else None


def _record(row: sa.Row[Any]) -> KeyRecord:
    return KeyRecord(
        id=row.id,
        config=_config(row.config),
        origin=Origin(row.origin),
        created_at=row.created_at,
        imported=_config(row.imported) if row.imported else None,
        backend=row.backend,
    )


def _config(stored: dict[str, Any]) -> UpstreamKey:
    """A key's configuration from its stored fields. Older versions stored an empty string for a missing token."""
    return UpstreamKey.model_validate({name: value for name, value in stored.items() if (name, value) != ("key", "")})
