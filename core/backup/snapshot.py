"""Takes a backup of a database as it is in one moment, while processes use it, and verifies what was written.

Of SQLite the online backup API copies the pages; of PostgreSQL one REPEATABLE READ transaction reads all tables.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from vpsops.core.audit import chain
from vpsops.core.backup.backup_file import (
    FORMAT,
    BackupFileError,
    BackupManifest,
    VerifiedBackup,
    opened_to_write,
    tables_in,
    write_manifest,
)
from vpsops.core.backup.output_file import new_file
from vpsops.core.backup.table_rows import TableDigest, copy_rows, digest_of
from vpsops.core.common import timings
from vpsops.core.common.errors import StorageError
from vpsops.core.sqlite.failures import storage_error
from vpsops.core.sqlite.files import BESIDE
from vpsops.core.sqlite.location import NotReadyError
from vpsops.core.storage import alembic_runner, schema
from vpsops.core.storage.pools import Pools, PostgresOptions, open_pools
from vpsops.core.storage.schema import SchemaStatus, newer

PATIENT: Final = f"SET LOCAL idle_in_transaction_session_timeout = '{timings.COPY_SECONDS:.0f}s'"
ALONE: Final = ("PRAGMA journal_mode = DELETE", "PRAGMA synchronous = FULL")


@dataclass(frozen=True, slots=True)
class BackupSource:
    """The database that is backed up, and the version of vpsops that does so."""

    url: str
    options: PostgresOptions
    version: str

    def write(self, path: Path, now: datetime, *, replace: bool = False) -> VerifiedBackup:
        """Write a backup to a path and return it verified; nothing is left there unless it is whole.

        Raises `ConfigurationError`, `StorageError` and `BackupFileError`.
        """
        pools = open_pools(self.url, make=False, options=self.options)
        try:
            _check_is_another(pools, path)
            with new_file(path, replace=replace) as partial:
                self._write(pools, partial, now)
                return VerifiedBackup.read(partial)
        finally:
            pools.close()

    def _write(self, pools: Pools, partial: Path, now: datetime) -> None:
        try:
            with _snapshot(pools) as source:
                _check_schema(source)
                tables = _copy_pages(source, partial) if pools.sqlite else _copy_tables(source, partial)
                seq, digest = chain.head(source)
                revision = schema.revision(source) or ""
        except DBAPIError as error:
            raise storage_error(str(error.orig)) from error
        manifest = BackupManifest(
            format=FORMAT,
            version=self.version,
            schema_revision=revision,
            taken_at=now.timestamp(),
            source="sqlite" if pools.sqlite else "postgresql",
            seq=seq,
            hash=digest,
            tables=tables,
        )
        with _written(partial) as connection:
            write_manifest(connection, manifest)


@contextmanager
def _snapshot(pools: Pools) -> Iterator[Connection]:
    with pools.reading.connect() as connection, connection.begin():
        if not pools.sqlite:
            connection.execute(sa.text(PATIENT))
        pools.verify()
        yield connection


def _check_is_another(pools: Pools, path: Path) -> None:
    """Raise where the backup would take the place of the database, or of a file that SQLite keeps beside it."""
    names = [f"{pools.files.path}{suffix}" for suffix in ("", *BESIDE)] if pools.files is not None else []
    if str(path.resolve()) in names:
        raise BackupFileError(f"{path} is the database itself.", hint="Name another file.")


def _check_schema(source: Connection) -> None:
    match schema.schema_status(source):
        case SchemaStatus.ABSENT:
            raise NotReadyError(
                "The database is empty: there is nothing to back up.", hint="Check VPSOPS_DATABASE_URL."
            )
        case SchemaStatus.NEWER:
            raise newer()
        case _:
            return


def _copy_pages(source: Connection, partial: Path) -> dict[str, TableDigest]:
    """Copy a SQLite database by its online backup API, within the transaction that reads it."""
    driver = source.connection.driver_connection
    if not isinstance(driver, sqlite3.Connection):
        raise StorageError("The driver of this database has no online backup.")
    try:
        target = sqlite3.connect(partial, isolation_level=None)
        try:
            driver.backup(target)
            for pragma in ALONE:
                target.execute(pragma)
        finally:
            target.close()
    except sqlite3.Error as error:
        raise BackupFileError(
            f"The backup cannot be written: {error}.", hint="Make room, or use another disk."
        ) from error
    with _written(partial) as connection:
        return {name: digest_of(connection, table) for name, table in tables_in(connection).items()}


def _copy_tables(source: Connection, partial: Path) -> dict[str, TableDigest]:
    """Make the tables of the database's own schema in the file, and copy the rows of each."""
    with _written(partial) as target:
        alembic_runner.run(target, schema.MIGRATIONS, schema.revision(source) or "")
        tables = tables_in(target)
        for table in reversed(tables.values()):
            target.execute(sa.delete(table))
        return {name: copy_rows(source, target, table, table) for name, table in tables.items()}


@contextmanager
def _written(partial: Path) -> Iterator[Connection]:
    try:
        with opened_to_write(partial) as connection, connection.begin():
            yield connection
    except SQLAlchemyError as error:
        if not isinstance(error, DBAPIError) or "sqlite" in type(error.orig).__module__:
            cause = getattr(error, "orig", None) or type(error).__name__
            raise BackupFileError(
                f"The backup cannot be written: {cause}.", hint="Make room, or use another disk."
            ) from error
        raise
