"""Bring a database's schema up to this version, and refuse one from the future."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from core.errors import ConfigurationError

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK = 0x76707301  # any number: what PostgreSQL's advisory lock is called by all our processes


def upgrade(engine: sa.Engine, revision: str = "head") -> None:
    """Migrate to `revision`; several processes may start at once.

    Raises `ConfigurationError` when the database was made by a newer version.
    """
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        script = ScriptDirectory.from_config(_config(connection))
        here = MigrationContext.configure(connection).get_current_revision()
        if here == script.get_current_head():
            return
        if here is not None and here not in {one.revision for one in script.walk_revisions()}:
            raise ConfigurationError(
                "The database was made by a newer version of vpsops.", hint="Update vpsops on this machine."
            )
        command.upgrade(_config(connection), revision)


def _config(connection: sa.Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config
