"""Schema: migrates the database files of earlier versions, and checks that tables are as this version declares them.

The first versions of the program changed tables without raising the version number. Therefore a migration looks at the
columns of the database, not only at its version number. A migration runs in one transaction: if it fails, the file
stays as it was.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

# Raised with every change to a table, and with every new table. Version 8 is the first whose files certainly have all
# declared tables and columns: earlier programs could give a file a new number without migrating it completely.
SCHEMA_VERSION = 8
# The columns that were added to existing tables, by table and column, oldest first, each with the statements that add
# it. Tables and indexes need no entry: those that are missing are always created.
ADDED: Mapping[tuple[str, str], Sequence[str]] = {
    ("generations", "lost"): ["ALTER TABLE generations ADD COLUMN lost INTEGER NOT NULL DEFAULT 0"],
    ("generations", "listed"): ["ALTER TABLE generations ADD COLUMN listed JSON"],
    ("generations", "ended_at"): [
        "ALTER TABLE generations ADD COLUMN ended_at FLOAT",
        "UPDATE generations SET ended_at = created_at WHERE status IN ('completed', 'failed', 'cancelled')",
    ],
    ("audit", "id"): ["ALTER TABLE audit RENAME COLUMN number TO id"],
    ("generations", "backend"): ["ALTER TABLE generations ADD COLUMN backend TEXT"],
    ("keys", "backend"): ["ALTER TABLE keys ADD COLUMN backend TEXT NOT NULL DEFAULT ''"],
    ("generations", "model"): ["ALTER TABLE generations ADD COLUMN model TEXT"],
    ("generations", "ignored"): ["ALTER TABLE generations ADD COLUMN ignored JSON NOT NULL DEFAULT '[]'"],
    ("generations", "size"): ["ALTER TABLE generations ADD COLUMN size JSON"],
    ("generations", "calls"): ["ALTER TABLE generations ADD COLUMN calls JSON NOT NULL DEFAULT '[]'"],
    ("generations", "usage"): ["ALTER TABLE generations ADD COLUMN usage JSON"],
}
OLDEST_TABLES = {"generations", "events", "pictures"}  # the tables that every version has had


class SchemaError(Exception):
    """The database file can't be used. The message says why, and what to do."""


def version_of(connection: sa.Connection) -> int:
    """The version of a file; 0 if it is empty.

    Raises SchemaError if the file is not a database of this program, or if a newer version of the program wrote it.
    """
    version: int = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    tables = set(sa.inspect(connection).get_table_names())
    if (version or tables) and not (version and tables >= OLDEST_TABLES):
        raise SchemaError("the file is not a database of sora_proxy. Move it away, or use another DATA_DIR")
    if version > SCHEMA_VERSION:
        raise SchemaError("was written by a newer version of sora_proxy. Use that version, or restore a backup")
    return version


def migrate(connection: sa.Connection, metadata: sa.MetaData) -> None:
    """Migrate an older file to this version. Columns and tables that the file already has are not touched."""
    for (table, column), statements in ADDED.items():
        columns = _columns(connection, table)
        if columns and column not in columns:
            for statement in statements:
                connection.exec_driver_sql(statement)
    metadata.create_all(connection)
    for index in (index for table in metadata.sorted_tables for index in table.indexes):
        index.create(connection, checkfirst=True)
    connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")


def compare(connection: sa.Connection, metadata: sa.MetaData) -> None:
    """Compare the tables of a file with the declared tables.

    Raises SchemaError if another program has changed the file: if a table or column is missing or different, or if a
    table requires a column that is not declared.
    """
    for table in metadata.sorted_tables:
        found = _columns(connection, table.name)
        if not found:
            raise _changed(f"table {table.name} is missing")
        for column in table.columns:
            declared = (column.type.compile(connection.dialect), not column.nullable, column.primary_key)
            if column.name not in found:
                raise _changed(f"table {table.name} has no column {column.name}")
            row = found[column.name]
            if (row.type, bool(row.notnull), bool(row.pk)) != declared:
                raise _changed(f"column {column.name} of table {table.name} has another type or constraint")
        for name, row in found.items():
            if name not in table.columns and row.notnull and row.dflt_value is None:
                raise _changed(f"table {table.name} requires an unknown column {name}")


def _changed(what: str) -> SchemaError:
    return SchemaError(f"{what}. Restore a backup, or use another DATA_DIR")


def _columns(connection: sa.Connection, table: str) -> dict[str, sa.Row[Any]]:
    """The columns that a table has in a file, by name; empty if there is no such table."""
    return {row.name: row for row in connection.exec_driver_sql(f"PRAGMA table_info({table})")}
