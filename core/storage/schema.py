"""Bring a database's schema up to this version, and refuse one from the future."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from vpsops.core.common.errors import ConfigurationError, StorageError
from vpsops.core.sqlite.location import NotReadyError
from vpsops.core.sqlite.reader import ConnectionView

if TYPE_CHECKING:
    import sqlalchemy as sa

    from vpsops.core.sqlite.reader import DatabaseView

MIGRATIONS = Path(__file__).parent / "migrations"
HEAD = "0024"  # the newest of them: an ordinary start reads no further
UPGRADE_PATIENCE = "60s"
LOCK = 0x76707301  # any number: the key of PostgreSQL's advisory lock in all our processes


class SchemaStatus(StrEnum):
    """A database's schema compared with the one this version expects."""

    ABSENT = "absent"
    OLDER = "older"
    CURRENT = "current"
    NEWER = "newer"


def schema_status(connection: sa.Connection, scripts: Path = MIGRATIONS) -> SchemaStatus:
    """Compare a database's schema with the newest of `scripts`."""
    here = revision(connection)
    if here is None:
        return SchemaStatus.ABSENT
    if here == HEAD and scripts == MIGRATIONS:
        return SchemaStatus.CURRENT
    from vpsops.core.storage import alembic_runner  # noqa: PLC0415 - see there what it costs

    newest, known = alembic_runner.knows(connection, scripts)
    if here == newest:
        return SchemaStatus.CURRENT
    return SchemaStatus.OLDER if here in known else SchemaStatus.NEWER


def revision(connection: sa.Connection) -> str | None:
    """Return alembic's stored revision, if any."""
    import sqlalchemy as sa  # noqa: PLC0415 - not for what reads a file

    return revision_in(ConnectionView(connection)) if sa.inspect(connection).has_table("alembic_version") else None


def revision_in(view: DatabaseView) -> str | None:
    """Return the revision in alembic's table, if any."""
    stored = view.rows("SELECT version_num FROM alembic_version")
    return stored[0]["version_num"] if stored else None


def is_current(view: DatabaseView) -> bool:
    """Return whether a SQLite file has the schema of this version."""
    made = view.rows("SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'")
    return bool(made) and revision_in(view) == HEAD


def check(connection: sa.Connection) -> None:
    """Raise `ConfigurationError` unless the schema is the one this version expects; changes nothing."""
    match schema_status(connection):
        case SchemaStatus.ABSENT:
            raise NotReadyError(
                "The database is empty.", hint="The first command that uses it makes its tables, such as `vpsops list`."
            )
        case SchemaStatus.OLDER:
            raise OlderSchemaError(
                "The database was made by an older version of vpsops.",
                hint="Start `vpsops mcp` or `vpsops bot` of this version once: they bring it up to date.",
            )
        case SchemaStatus.NEWER:
            raise newer()
        case SchemaStatus.CURRENT:
            return


class OlderSchemaError(NotReadyError):
    """The database has the schema of an older version: a start brings it up to date, a read does not."""


class OutdatedError(ConfigurationError):
    """The database has the schema of a newer version: this one must not write to it."""


def newer() -> OutdatedError:
    """The refusal to work on a schema from the future."""
    return OutdatedError("The database was made by a newer version of vpsops.", hint="Update vpsops on this machine.")


class MovedOnError(StorageError):
    """The schema was migrated to another version while this process ran: it writes no more, and ends."""


def verify(connection: sa.Connection) -> None:
    """Raise `MovedOnError` unless the schema is still the one that this version opened."""
    here = revision_in(ConnectionView(connection))
    if here != HEAD:
        raise MovedOnError(
            f"The database was brought to schema {here} by another version of vpsops; this one knows {HEAD}.",
            hint="This process stops, and nothing more is stored by it. Update vpsops on this machine.",
        )


def upgrade(engine: sa.Engine, revision: str = "head", scripts: Path = MIGRATIONS) -> None:
    """Migrate to `revision`, in one transaction; several processes may start at once.

    Raises `ConfigurationError` when the database was made by a newer version.
    """
    import sqlalchemy as sa  # noqa: PLC0415 - not for what reads a file

    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            for bound in ("lock_timeout", "idle_in_transaction_session_timeout"):  # alembic is imported in between
                connection.execute(sa.text(f"SET LOCAL {bound} = '{UPGRADE_PATIENCE}'"))
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        match schema_status(connection, scripts):
            case SchemaStatus.CURRENT:
                return
            case SchemaStatus.NEWER:
                raise newer()
            case _:
                from vpsops.core.storage import alembic_runner  # noqa: PLC0415 - see there what it costs

                alembic_runner.run(connection, scripts, revision)
