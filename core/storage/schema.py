"""Bring a database's schema up to this version, and refuse one from the future."""

from enum import StrEnum
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from core.errors import ConfigurationError
from core.storage.engines import NotReady

MIGRATIONS = Path(__file__).parent / "migrations"
UPGRADE_PATIENCE = "60s"
LOCK = 0x76707301  # any number: what PostgreSQL's advisory lock is called by all our processes


class Standing(StrEnum):
    """How a database's schema stands to the one this version knows."""

    ABSENT = "absent"
    OLDER = "older"
    CURRENT = "current"
    NEWER = "newer"


def standing(connection: sa.Connection, scripts: Path = MIGRATIONS) -> Standing:
    """Compare a database's schema with the newest of `scripts`."""
    script = ScriptDirectory.from_config(_config(connection, scripts))
    here = MigrationContext.configure(connection).get_current_revision()
    if here is None:
        return Standing.ABSENT
    if here == script.get_current_head():
        return Standing.CURRENT
    known = {one.revision for one in script.walk_revisions()}
    return Standing.OLDER if here in known else Standing.NEWER


def check(connection: sa.Connection) -> None:
    """Raise `ConfigurationError` unless the schema is the one this version knows; changes nothing."""
    match standing(connection):
        case Standing.ABSENT:
            raise NotReady("The database is empty.", hint="`vpsops mcp` or `vpsops bot` makes its tables.")
        case Standing.OLDER:
            raise NotReady(
                "The database was made by an older version of vpsops.",
                hint="Start `vpsops mcp` or `vpsops bot` of this version once: they bring it up to date.",
            )
        case Standing.NEWER:
            raise newer()
        case Standing.CURRENT:
            return


def newer() -> ConfigurationError:
    """The refusal to work on a schema from the future."""
    return ConfigurationError(
        "The database was made by a newer version of vpsops.", hint="Update vpsops on this machine."
    )


def upgrade(engine: sa.Engine, revision: str = "head", scripts: Path = MIGRATIONS) -> None:
    """Migrate to `revision`, in one transaction; several processes may start at once.

    Raises `ConfigurationError` when the database was made by a newer version.
    """
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text(f"SET LOCAL lock_timeout = '{UPGRADE_PATIENCE}'"))
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        match standing(connection, scripts):
            case Standing.CURRENT:
                return
            case Standing.NEWER:
                raise newer()
            case _:
                command.upgrade(_config(connection, scripts), revision)


def _config(connection: sa.Connection, scripts: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))  # % is the option syntax's own
    config.attributes["connection"] = connection
    return config
