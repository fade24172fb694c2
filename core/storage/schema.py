"""Bring a database's schema up to this version, and refuse one from the future."""

from enum import StrEnum
from pathlib import Path

import sqlalchemy as sa

from vpsops.core.common.errors import ConfigurationError, StorageError
from vpsops.core.storage.engines import NotReadyError

MIGRATIONS = Path(__file__).parent / "migrations"
HEAD = "0012"  # the newest of them: an ordinary start reads no further
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
    here = _revision(connection)
    if here is None:
        return SchemaStatus.ABSENT
    if here == HEAD and scripts == MIGRATIONS:
        return SchemaStatus.CURRENT
    from vpsops.core.storage import alembic_runner  # noqa: PLC0415 - see there what it costs

    newest, known = alembic_runner.knows(connection, scripts)
    if here == newest:
        return SchemaStatus.CURRENT
    return SchemaStatus.OLDER if here in known else SchemaStatus.NEWER


def _revision(connection: sa.Connection) -> str | None:
    """Return alembic's stored revision, if any."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    return revision


def check(connection: sa.Connection) -> None:
    """Raise `ConfigurationError` unless the schema is the one this version expects; changes nothing."""
    match schema_status(connection):
        case SchemaStatus.ABSENT:
            raise NotReadyError("The database is empty.", hint="`vpsops mcp` or `vpsops bot` makes its tables.")
        case SchemaStatus.OLDER:
            raise NotReadyError(
                "The database was made by an older version of vpsops.",
                hint="Start `vpsops mcp` or `vpsops bot` of this version once: they bring it up to date.",
            )
        case SchemaStatus.NEWER:
            raise newer()
        case SchemaStatus.CURRENT:
            return


class OutdatedError(ConfigurationError):
    """The database has the schema of a newer version: this one must not write to it."""


def newer() -> OutdatedError:
    """The refusal to work on a schema from the future."""
    return OutdatedError("The database was made by a newer version of vpsops.", hint="Update vpsops on this machine.")


class MovedOnError(StorageError):
    """The schema was migrated to another version while this process ran: it writes no more, and ends."""


def verify(connection: sa.Connection) -> None:
    """Raise `MovedOnError` unless the schema is still the one that this version opened."""
    here = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    if here != HEAD:
        raise MovedOnError(
            f"The database was brought to schema {here} by another version of vpsops; this one knows {HEAD}.",
            hint="This process stops, and nothing more is stored by it. Update vpsops on this machine.",
        )


def upgrade(engine: sa.Engine, revision: str = "head", scripts: Path = MIGRATIONS) -> None:
    """Migrate to `revision`, in one transaction; several processes may start at once.

    Raises `ConfigurationError` when the database was made by a newer version.
    """
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
