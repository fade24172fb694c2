"""The statements that SQLite has of a new database."""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from tests.fakes.storage.databases import migrated


def values(folder: Path) -> Mapping[str, Sequence[str]]:
    """Return the statements of each table and of its indexes, one line for each column."""
    path = folder / "schema.sqlite3"
    migrated(path)
    with closing(sqlite3.connect(path)) as database:
        query = "SELECT tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY tbl_name, type DESC, name"
        rows = database.execute(query).fetchall()
    results: dict[str, list[str]] = {}
    for table, statement in rows:
        lines = (" ".join(line.split()) for line in statement.split("\n"))
        results.setdefault(table, []).extend(line for line in lines if line)
    return results
