"""The database: SQLite in WAL mode on one machine, PostgreSQL for several; one code path, visible SQL."""

from vpsops.core.storage.database import Database, open_database

__all__ = ["Database", "open_database"]
