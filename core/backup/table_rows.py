"""Rows of a table as they are stored, between a SQLite file and any database.

JSON stays the text that it is, so that a row that this version cannot read is copied like any other, and null and
nothing stay apart.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict
from sqlalchemy.engine import Connection

Row = Sequence[Any]
BATCH: Final = 500
MODULUS: Final = 1 << 256


class TableDigest(BaseModel):
    """How many rows a table has, and the sum of their hashes, which no order of theirs alters."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int
    sum: str


class DigestSum:
    """Adds up the rows of a table."""

    def __init__(self) -> None:
        self._rows, self._sum = 0, 0

    def add(self, row: Row) -> None:
        """Add a row."""
        text = json.dumps([*row], separators=(",", ":"), default=str)
        self._sum = (self._sum + int.from_bytes(hashlib.sha256(text.encode()).digest())) % MODULUS
        self._rows += 1

    @property
    def digest(self) -> TableDigest:
        """The sum of all rows so far."""
        return TableDigest(rows=self._rows, sum=f"{self._sum:064x}")


def columns_of(table: sa.Table) -> Sequence[sa.Column[Any]]:
    """Return the columns of a table in the order of their names: migrations add to the end."""
    return sorted(table.columns, key=lambda column: column.name)


def read_rows(connection: Connection, table: sa.Table) -> Iterator[Row]:
    """Yield the rows of a table, some hundreds in memory at a time."""
    query = sa.select(*(_stored(connection, column) for column in columns_of(table))).select_from(table)
    result = connection.execute(query, execution_options={"yield_per": BATCH})
    for row in result:
        yield tuple(row)


def digest_of(connection: Connection, table: sa.Table) -> TableDigest:
    """Return the digest of a table."""
    total = DigestSum()
    for row in read_rows(connection, table):
        total.add(row)
    return total.digest


def copy_rows(source: Connection, target: Connection, read: sa.Table, written: sa.Table) -> TableDigest:
    """Insert all rows of a table of one database into a table of another one; return their digest."""
    total, names = DigestSum(), [f"v_{column.name}" for column in columns_of(read)]
    statement = _insert(target, written, [column.name for column in columns_of(read)])
    rows = read_rows(source, read)
    while batch := list(islice(rows, BATCH)):
        for row in batch:
            total.add(row)
        target.execute(statement, [dict(zip(names, row, strict=True)) for row in batch])
    return total.digest


def _is_json(column: sa.Column[Any]) -> bool:
    return isinstance(column.type, sa.JSON)


def _stored(connection: Connection, column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """Return a column as it is stored: of SQLite JSON is text already, of PostgreSQL it is cast to it."""
    if not _is_json(column):
        return column
    read = sa.type_coerce if connection.dialect.name == "sqlite" else sa.cast
    return read(column, sa.Text).label(column.name)


def _insert(connection: Connection, table: sa.Table, names: Sequence[str]) -> sa.Insert:
    values: dict[str, sa.ColumnElement[Any]] = {}
    for name in names:
        column = table.c[name]
        text = _is_json(column)
        value: sa.ColumnElement[Any] = sa.bindparam(f"v_{name}", type_=sa.Text() if text else column.type)
        values[name] = sa.cast(value, sa.JSON) if text and connection.dialect.name != "sqlite" else value
    return sa.insert(table).values(values)
