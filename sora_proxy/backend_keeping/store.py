"""Stores the back ends: the configuration of each, where it came from, and the last known capabilities.

The keys of back ends are in another table. Functions that write are called within a transaction.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
import structlog
from pydantic import TypeAdapter, ValidationError

from sora_proxy.database import metadata
from sora_proxy.key_keeping.store import Origin, readable
from sora_proxy.settings.backends import BackendConfig
from sora_proxy.upstream import Capabilities

log = structlog.get_logger(__name__)

backends = sa.Table(
    "backends",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),  # the sequence in which back ends were added
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("config", sa.JSON, nullable=False),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("imported", sa.JSON(none_as_null=True)),
    sa.Column("capabilities", sa.JSON(none_as_null=True)),
)
CAPABILITIES: TypeAdapter[Capabilities] = TypeAdapter(Capabilities)


@dataclass(frozen=True, slots=True)
class BackendRecord:
    """A stored back end. `capabilities` are those that the back end last reported, even if it is down now; None if it
    has never reported any."""

    config: BackendConfig
    origin: Origin
    created_at: float
    imported: BackendConfig | None = None  # the entry in the source, as last imported
    capabilities: Capabilities | None = None

    @property
    def name(self) -> str:
        return self.config.name


def load(connection: sa.Connection) -> list[BackendRecord]:
    """All back ends that can be read, oldest first."""
    return list(readable(connection.execute(sa.select(backends).order_by(backends.c.number)), "name", _record))


def has_backends(connection: sa.Connection) -> bool:
    """Whether any back end is stored, readable or not."""
    return connection.scalar(sa.select(backends.c.number).limit(1)) is not None


def save(connection: sa.Connection, records: Iterable[BackendRecord]) -> None:
    """Add back ends, or change existing ones."""
    for record in records:
        row = {
            "config": record.config.record(),
            "origin": record.origin.value,
            "imported": record.imported.record() if record.imported else None,
            "capabilities": asdict(record.capabilities) if record.capabilities else None,
        }
        if not connection.execute(backends.update().where(backends.c.name == record.name), row).rowcount:
            connection.execute(backends.insert(), row | {"name": record.name, "created_at": record.created_at})


def delete(connection: sa.Connection, name: str) -> None:
    connection.execute(backends.delete().where(backends.c.name == name))


def _record(row: sa.Row[Any]) -> BackendRecord:
    return BackendRecord(
        config=BackendConfig.model_validate(row.config),
        origin=Origin(row.origin),
        created_at=row.created_at,
        imported=BackendConfig.model_validate(row.imported) if row.imported else None,
        capabilities=_capabilities(row),
    )


def _capabilities(row: sa.Row[Any]) -> Capabilities | None:
    """The capabilities in a row; None if they are unreadable, since the back end can be asked again."""
    try:
        return CAPABILITIES.validate_python(row.capabilities) if row.capabilities else None
    except ValidationError:
        log.warning("stored capabilities unreadable", backend=row.name)
        return None
