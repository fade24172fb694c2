"""Rows decoded each on its own: one that this version cannot read hides no other, and is logged once with its id.

A newer version, a downgrade, an edit by hand or a damaged page leave such rows. They stay as they are: a process
that can read them processes them.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from vpsops.core.common.errors import UnreadableRowError
from vpsops.core.common.stored_values import UnreadableValueError

T = TypeVar("T")
Query = sa.Select[Any]
Key = sa.Column[str] | sa.Column[int]
Decoder = Callable[[Sequence[sa.RowMapping]], Callable[[sa.RowMapping], T]]
MAX_NOTED: Final = 10_000
MAX_ID: Final = 80

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class UnreadableRow:
    """A row that this version cannot read: its table, its id, and why."""

    table: str
    id: str
    why: str

    @property
    def error(self) -> UnreadableRowError:
        """The error for a caller that needs this very row."""
        return UnreadableRowError(self.id, self.why)


@dataclass(frozen=True, slots=True)
class Batch(Generic[T]):
    """The rows that were read, in the query's order, and those that could not be read."""

    rows: list[T] = field(default_factory=list)
    unreadable: list[UnreadableRow] = field(default_factory=list)


def read(
    connection: Connection, query: Query, key: Key, decode: Callable[[sa.RowMapping], T], limit: int | None = None
) -> Batch[T]:
    """Return decoded rows of a query on one table, all or up to `limit`; unreadable ones do not count."""
    return read_with(connection, query, key, lambda _: decode, limit)


def read_with(
    connection: Connection, query: Query, key: Key, decoder: Decoder[T], limit: int | None = None
) -> Batch[T]:
    """Do as `read` does, with a decoder that first reads all rows of a page."""
    batch: Batch[T] = Batch()
    seen = 0
    while True:
        page = list(fetch(connection, query if limit is None else query.limit(limit).offset(seen), key))
        decode = decoder([row for row in page if not isinstance(row, UnreadableRow)])
        for row in page:
            if len(batch.rows) == limit:
                return batch
            result = row if isinstance(row, UnreadableRow) else decoded(row, key, decode)
            if isinstance(result, UnreadableRow):
                note(result)
                batch.unreadable.append(result)
            else:
                batch.rows.append(result)
        seen += len(page)
        if limit is None or len(batch.rows) == limit or len(page) < limit:
            return batch


def decoded(row: sa.RowMapping, key: Key, decode: Callable[[sa.RowMapping], T]) -> T | UnreadableRow:
    """Return a row decoded, or the reason why it cannot be."""
    try:
        return decode(row)
    except UnreadableRowError as error:
        return UnreadableRow(key.table.name, str(row[key.name])[:MAX_ID], error.why)
    except Exception as error:  # noqa: BLE001 - decoding is pure: whatever it raises is about this row
        return _unreadable(key, row[key.name], error)


def fetch(connection: Connection, query: Query, key: Key) -> Iterator[sa.RowMapping | UnreadableRow]:
    """Yield a query's rows; where one of them holds no JSON or no text, each is fetched alone."""
    try:
        rows: Sequence[sa.RowMapping] = connection.execute(query).mappings().all()
    except Exception as error:
        if not is_about_content(error):
            raise
        yield from _fetch_alone(connection, query, key)
    else:
        yield from rows


def _fetch_alone(connection: Connection, query: Query, key: Key) -> Iterator[sa.RowMapping | UnreadableRow]:
    for ident in dict.fromkeys(connection.scalars(query.with_only_columns(key, maintain_column_froms=True)).all()):
        alone = query.where(key == ident).limit(None).offset(None)
        try:
            fetched = connection.execute(alone).mappings().all()
        except Exception as error:
            if not is_about_content(error):
                raise
            yield _unreadable(key, ident, error)
        else:
            yield from fetched


def is_about_content(error: Exception) -> bool:
    """Return whether an error is about a value that could not be decoded, rather than about the query."""
    return not isinstance(error, SQLAlchemyError) or "decode to utf-8" in str(error).lower()


def _unreadable(key: Key, ident: object, error: Exception) -> UnreadableRow:
    why = str(error) if isinstance(error, UnreadableValueError) else type(error).__name__
    return UnreadableRow(key.table.name, str(ident)[:MAX_ID], why)


_noted: set[tuple[str, str]] = set()
_noting = threading.Lock()


def note(row: UnreadableRow) -> None:
    """Log a row that cannot be read, once in a process."""
    entry = (row.table, row.id)
    with _noting:
        if entry in _noted or len(_noted) >= MAX_NOTED:
            return
        _noted.add(entry)
    logger.error("row_unreadable", table=row.table, id=row.id, why=row.why)


class JsonText(FunctionElement[str]):
    """The text under a key of a column; NULL without the key."""

    name = "json_text"
    type = sa.Text()
    inherit_cache = True

    def __init__(self, column: sa.Column[Any], key: str) -> None:
        super().__init__(column, sa.literal(key, sa.Text))


@compiles(JsonText, "sqlite")
def _on_sqlite(element: JsonText, compiler: SQLCompiler, **options: Any) -> str:
    """SQLite stores a JSON column as any text, and raises for a whole query where one row of it is none."""
    column, key = (compiler.process(clause, **options) for clause in element.clauses)
    return f"CASE WHEN json_valid({column}) THEN json_extract({column}, '$.' || {key}) END"


@compiles(JsonText)
def _elsewhere(element: JsonText, compiler: SQLCompiler, **options: Any) -> str:
    column, key = (compiler.process(clause, **options) for clause in element.clauses)
    return f"({column} ->> {key})"
