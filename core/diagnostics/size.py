"""How much room the database takes, table by table."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from vpsops.core.common.text import count_text, size_text
from vpsops.core.config.settings import Settings
from vpsops.core.console.checks import DoctorFinding, ok, warn
from vpsops.core.storage import Database
from vpsops.core.storage.tables import METADATA

SCARCE_BYTES: Final = 100_000_000
OF_SQLITE: Final = (
    "SELECT m.tbl_name, sum(s.pgsize) FROM dbstat AS s JOIN sqlite_master AS m ON m.name = s.name"
    " WHERE s.aggregate = 1 GROUP BY m.tbl_name"
)
OF_POSTGRESQL: Final = "SELECT relname, pg_total_relation_size(oid) FROM pg_class WHERE oid = to_regclass(:name)"


@dataclass(frozen=True, slots=True)
class TableSize:
    """The rows of a table, and its bytes with those of its indexes, where the database can say."""

    name: str
    rows: int
    size: int | None

    @property
    def text(self) -> str:
        """The size as people read it."""
        room = "" if self.size is None else f" in {size_text(self.size)}"
        return f"{self.name} {self.rows:,}{room}"


def table_sizes(connection: Connection) -> list[TableSize]:
    """Return the sizes of all tables, the largest first."""
    sizes = _of_sqlite(connection) if connection.dialect.name == "sqlite" else _of_postgresql(connection)
    tables = [
        TableSize(table.name, _rows(connection, table), sizes.get(table.name)) for table in METADATA.sorted_tables
    ]
    return sorted(tables, key=lambda table: (-(table.size or 0), -table.rows, table.name))


def _rows(connection: Connection, table: sa.Table) -> int:
    return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def _of_sqlite(connection: Connection) -> dict[str, int]:
    try:
        return {str(name): int(size) for name, size in connection.exec_driver_sql(OF_SQLITE)}
    except DBAPIError:  # a SQLite that was built without it
        return {}


def _of_postgresql(connection: Connection) -> dict[str, int]:
    query = sa.text(OF_POSTGRESQL)
    rows = [row for name in METADATA.tables for row in connection.execute(query, {"name": name})]
    return {str(name): int(size) for name, size in rows}


async def check_size(database: Database, settings: Settings) -> Sequence[DoctorFinding]:
    """Return the size of the database and of each table that holds something; warn where room runs out."""
    tables = await database.read(table_sizes)
    used = [table.text for table in tables if table.rows]
    whole = await database.read(_whole) if not database.sqlite else _file_text(settings)
    text = f"{whole}; rows: {', '.join(used) or 'none'}; empty: {count_text(len(tables) - len(used), 'table')}"
    free = database.free_bytes
    if free is not None and free < SCARCE_BYTES:
        return [warn("size", f"{size_text(free)} are free on its disk; {text}", "Make room, or move the database")]
    return [ok("size", text)]


def _whole(connection: Connection) -> str:
    size = connection.scalar(sa.text("SELECT pg_database_size(current_database())"))
    return f"the database takes {size_text(size or 0)}"


def _file_text(settings: Settings) -> str:
    path = Path(sa.make_url(settings.database).database or "").expanduser()
    size, log = _bytes(path), _bytes(path.with_name(f"{path.name}-wal"))
    return f"the file takes {size_text(size)}" + (f", its write-ahead log {size_text(log)}" if log else "")


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
