"""Samples of the data that earlier versions wrote: one data folder for each schema that the database ever had.

A sample is named after the version of its schema. The names of older samples also contain the first commit that had
this schema. The databases are stored as SQL. The `v7_half_…` samples are folders of version 2 in which a program of
version 7 changed only the version number, because its startup failed.
"""

import contextlib
import json
import shutil
import sqlite3
from pathlib import Path

SAMPLES = Path(__file__).parent / "data" / "upgrades"
DUMP = "sora_proxy.sql"
NAMES = sorted(path.name for path in SAMPLES.iterdir())

Shape = dict[str, list[tuple[object, ...]]]  # the columns and indexes of each table, by its name


def restore(name: str, data: Path) -> None:
    """Make the data folder of a sample, as the killed program left it."""
    shutil.copytree(SAMPLES / name, data)
    dump = data / DUMP
    with contextlib.closing(sqlite3.connect(data / "sora_proxy.db")) as connection:
        connection.executescript(dump.read_text())
        connection.execute("PRAGMA journal_mode = WAL")
    dump.unlink()


def rows(data: Path, query: str, *values: object) -> list[tuple[object, ...]]:
    """The rows of a query; none if the database does not have the table."""
    with contextlib.closing(sqlite3.connect(data / "sora_proxy.db")) as connection:
        try:
            return connection.execute(query, values).fetchall()
        except sqlite3.OperationalError:
            return []


def orders(data: Path) -> dict[str, str]:
    """The ids of the orders, by their prompts."""
    return {json.loads(str(spec))["prompt"]: str(name) for name, spec in rows(data, "SELECT id, spec FROM generations")}


def shape(data: Path) -> Shape:
    """The columns of each table, with their types and constraints, and the columns of its indexes."""
    tables = [str(row[0]) for row in rows(data, "SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {table: sorted([*_columns(data, table), *_indexes(data, table)], key=str) for table in tables}


def _columns(data: Path, table: str) -> list[tuple[object, ...]]:
    return rows(data, 'SELECT name, type, "notnull", pk FROM pragma_table_info(?)', table)


def _indexes(data: Path, table: str) -> list[tuple[object, ...]]:
    found = rows(data, 'SELECT name, "unique" FROM pragma_index_list(?)', table)
    return [(unique, *rows(data, "SELECT name FROM pragma_index_info(?)", name)) for name, unique in found]
