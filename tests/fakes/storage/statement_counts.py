"""Counts what a piece of work asks of the database: statements, and the rows that come back."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine


@dataclass(slots=True)
class StatementCounts:
    """What was executed, and how many rows the driver handed out."""

    statements: list[str] = field(default_factory=list)
    rows: int = 0

    def about(self, table: str) -> int:
        """Return how many statements name a table."""
        return sum(table in statement for statement in self.statements)


@contextmanager
def counted_statements() -> Iterator[StatementCounts]:
    """Count through SQLAlchemy on every engine of this process; rows are counted as the driver makes them."""
    counts = StatementCounts()

    def begun(connection: Connection) -> None:
        _count_rows(connection.connection.dbapi_connection, counts)

    def executed(_conn: object, _cursor: object, statement: str, *_more: object) -> None:
        counts.statements.append(statement)

    event.listen(Engine, "begin", begun)
    event.listen(Engine, "before_cursor_execute", executed)
    try:
        yield counts
    finally:
        event.remove(Engine, "before_cursor_execute", executed)
        event.remove(Engine, "begin", begun)


def _count_rows(connection: Any, counts: StatementCounts) -> None:
    """Have a connection of sqlite3 or psycopg count the rows that its cursors make."""
    if type(connection).__module__.startswith("psycopg"):
        connection.row_factory = lambda _cursor: _counted(counts)
    else:
        make = _counted(counts)
        connection.row_factory = lambda _cursor, values: make(values)


def _counted(counts: StatementCounts) -> Any:
    def make(values: Any) -> tuple[Any, ...]:
        counts.rows += 1
        return tuple(values)

    return make
