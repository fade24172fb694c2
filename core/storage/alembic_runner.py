"""Alembic, which only a process that finds another schema than its own needs: importing it costs 12 MiB."""

import threading
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

_ONE_AT_A_TIME = threading.Lock()  # alembic keeps the migration under way in a module


def knows(connection: sa.Connection, scripts: Path) -> tuple[str | None, frozenset[str]]:
    """Return the newest of some migration scripts, and all of them."""
    script = ScriptDirectory.from_config(_config(connection, scripts))
    return script.get_current_head(), frozenset(revision.revision for revision in script.walk_revisions())


def run(connection: sa.Connection, scripts: Path, revision: str) -> None:
    """Migrate to a revision, in the caller's transaction."""
    with _ONE_AT_A_TIME:
        command.upgrade(_config(connection, scripts), revision)


def _config(connection: sa.Connection, scripts: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))  # % is the option syntax's own
    config.attributes["connection"] = connection
    return config
