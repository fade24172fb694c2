"""The identity of the database server at an address: what a promoted standby or a restored dump does not share.

On PostgreSQL a standby that takes over begins a new timeline, another cluster has another system identifier, and
a dump that was restored has other object numbers. A SQLite file has nothing of the kind.
"""

from collections.abc import Mapping
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.common.errors import StorageError
from vpsops.core.storage.database import Database

OBJECTS: Final = {
    "database": "(SELECT oid FROM pg_database WHERE datname = current_database())::text",
    "table": "'audit_head'::regclass::oid::text",
}
SYSTEM: Final = {"system": "(SELECT system_identifier FROM pg_control_system())::text"}
# The last checkpoint names the timeline too, but only some seconds after a standby took over.
TIMELINE: Final = {
    "timeline": "CASE WHEN pg_is_in_recovery() THEN '' ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END"
}
READABLE: Final = (SYSTEM | TIMELINE | OBJECTS, SYSTEM | OBJECTS, OBJECTS)
"""The expressions that a role may read, the most first: a managed server may not allow all of them."""
REFUSED: Final = ("0A", "42")  # classes of SQLSTATE: not supported; no such function, or not for this role

Lineage = Mapping[str, str]


def columns_of(expressions: Mapping[str, str]) -> list[sa.ColumnElement[str]]:
    """Return the columns that read a lineage in the query of something else."""
    return [sa.literal_column(text).label(f"lineage_{name}") for name, text in expressions.items()]


def lineage_of(row: sa.RowMapping) -> dict[str, str]:
    """Return the values of such columns; what is empty is not known."""
    named = {name: str(row[name]) for name in row if name.startswith("lineage_") and row[name]}
    return {name.removeprefix("lineage_"): value for name, value in named.items()}


def differences(before: Lineage, now: Lineage) -> list[str]:
    """Return the names of the values that differ, of those that are known of both."""
    return [name for name in before if name in now and before[name] != now[name]]


async def readable(database: Database) -> Mapping[str, str]:
    """Return the expressions that this database answers to this role; raises `StorageError`."""
    if database.sqlite:
        return {}
    for expressions in READABLE:
        if await _answers(database, expressions):
            return expressions
    return {}


async def _answers(database: Database, expressions: Mapping[str, str]) -> bool:
    def work(connection: Connection) -> None:
        connection.execute(sa.select(*columns_of(expressions))).one()

    try:
        await database.read(work)
    except StorageError as error:
        state = getattr(getattr(error.__cause__, "orig", None), "sqlstate", None) or ""
        if state.startswith(REFUSED):
            return False
        raise
    return True
