"""Reads of textual queries: of a SQLite file by the standard library alone, or of an open transaction.

A query of this kind names its values as `:name`, which both understand.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import TypeVar

    from sqlalchemy.engine import Connection

    from vpsops.core.sqlite.files import StoreFiles

    T = TypeVar("T")

WRITE_AHEAD, WAL_TRIES = "PRAGMA journal_mode=WAL", 20


class DatabaseView(Protocol):
    """One consistent view of a database."""

    def rows(self, query: str, **values: object) -> Sequence[Mapping[str, Any]]:
        """Return the rows of a query, by the names of their columns."""


class ConnectionView:
    """The view of a transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def rows(self, query: str, **values: object) -> Sequence[Mapping[str, Any]]:
        """Return the rows of a query."""
        import sqlalchemy as sa  # noqa: PLC0415 - it is loaded where there is such a connection

        return [dict(row) for row in self._connection.execute(sa.text(query), values).mappings()]


class FileView:
    """The view of a connection of the standard library."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, query: str, **values: object) -> Sequence[Mapping[str, Any]]:
        """Return the rows of a query."""
        cursor = self._connection.execute(query, values)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]


class FileReader:
    """Reads one SQLite file on a connection of its own, which writes nothing; one read at a time."""

    def __init__(self, files: StoreFiles, busy: float) -> None:
        self._files = files
        self._busy = busy
        self._lock = Lock()
        self._connection: sqlite3.Connection | None = None

    def read(self, work: Callable[[DatabaseView], T]) -> T:
        """Run `work` on one consistent view; raises `StoreMovedError`, `sqlite3.Error`."""
        with self._lock, self._transaction() as connection:
            self._files.verify()
            return work(FileView(connection))

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            if self._connection is not None:
                self._files.close(self._connection)
                self._connection.close()
            self._connection = None

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection = self._connection or self._opened()
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            connection.rollback()

    def _opened(self) -> sqlite3.Connection:
        connection = self._files.connect()
        try:
            connection.isolation_level = None  # our BEGIN above, not the driver's
            prepare(connection.cursor(), self._files, ("query_only=ON", f"busy_timeout={int(self._busy * 1000)}"))
        except BaseException:
            self._files.close(connection)
            connection.close()
            raise
        return connection


class Cursor(Protocol):
    """What executes statements: the standard library's cursor, or SQLAlchemy's view of it."""

    def execute(self, operation: str, /) -> object:
        """Execute a statement."""


def prepare(cursor: Cursor, files: StoreFiles, pragmas: Sequence[str]) -> None:
    """Prepare a new connection: the write-ahead log where the file may be written to, and these pragmas."""
    if not files.read_only:
        write_ahead(cursor)
    for pragma in pragmas:
        cursor.execute(f"PRAGMA {pragma}")


def write_ahead(cursor: Cursor) -> None:
    """Switch to the write-ahead log; SQLite waits for no lock there, so where one is held it is waited for first."""
    for _ in range(WAL_TRIES):
        try:
            cursor.execute(WRITE_AHEAD)
        except sqlite3.OperationalError:
            cursor.execute("BEGIN IMMEDIATE")  # waits, and raises where waiting does not help
            cursor.execute("ROLLBACK")
        else:
            return
    cursor.execute(WRITE_AHEAD)


def json_value(stored: object) -> Any:
    """Return a value of a JSON column: SQLite's is text, PostgreSQL's driver parses it. Raises `ValueError`."""
    return json.loads(stored) if isinstance(stored, str) else stored
