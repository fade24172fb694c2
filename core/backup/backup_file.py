"""The backup file: a SQLite database of its own, with a manifest of what it has to hold.

It has the tables of the database that it was taken from, whatever kind that is, so any SQLite reads it, and the
migrations bring an older one up to date.
"""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from vpsops.core.audit import chain
from vpsops.core.audit.chain import ChainVerifier
from vpsops.core.backup.table_rows import TableDigest, digest_of
from vpsops.core.common.errors import VpsopsError
from vpsops.core.storage import alembic_runner, schema
from vpsops.core.storage.schema import SchemaStatus

MANIFEST: Final = sa.Table("vpsops_backup", sa.MetaData(), sa.Column("manifest", sa.Text, nullable=False))
VERSION_TABLE: Final = "alembic_version"
FORMAT: Final = 1
PAGE: Final = 500
OTHER_FILE: Final = (
    "Name a file that `vpsops backup` made; the disk of a server is another matter: vpsops backup-restore."
)
DAMAGED: Final = "Take another backup: nothing was changed."


class BackupFileError(VpsopsError):
    """A file is no backup, is damaged, or cannot be written."""


class BackupManifest(BaseModel):
    """What a backup holds: where it is from, and the digest of every table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    version: str
    schema_revision: str
    taken_at: float
    source: str
    seq: int
    hash: str
    tables: dict[str, TableDigest]

    @property
    def rows(self) -> int:
        """The rows of all tables."""
        return sum(table.rows for table in self.tables.values())


class VerifiedBackup(BaseModel):
    """A backup whose content is what its manifest says, and the faults of the audit trail that it holds."""

    model_config = ConfigDict(frozen=True)

    manifest: BackupManifest
    status: SchemaStatus
    faults: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and verify a file; raises `BackupFileError`."""
        try:
            with opened(path) as connection:
                manifest = _manifest_of(connection)
                _check_pages(connection)
                _check_tables(connection, manifest)
                status = schema.schema_status(connection)
                head = chain.head(connection)
                if head != (manifest.seq, manifest.hash):
                    raise BackupFileError("The backup's audit trail has another end than its manifest.", hint=DAMAGED)
                return cls(manifest=manifest, status=status, faults=tuple(_trail_faults(connection)))
        except (SQLAlchemyError, sqlite3.Error, ValueError) as error:
            raise BackupFileError(
                f"{path} cannot be read as a backup ({type(error).__name__}).", hint=OTHER_FILE
            ) from None


@contextmanager
def opened(path: Path) -> Iterator[Connection]:
    """Open a file to read it, and make nothing beside it; raises `BackupFileError`."""
    if path.exists() and not path.is_file():
        raise BackupFileError(f"{path} is no file.", hint=OTHER_FILE)
    try:
        path.open("rb").close()
    except OSError as error:
        raise BackupFileError(f"{path} cannot be read: {error.strerror}.", hint=OTHER_FILE) from None
    with _engine(f"{path.resolve().as_uri()}?mode=ro&immutable=1") as connection:
        yield connection


@contextmanager
def opened_current(path: Path, backup: VerifiedBackup) -> Iterator[Connection]:
    """Open a backup in the schema of this version; an older one as a copy that is brought up to date.

    Raises `OutdatedError` for a newer version's file, and `BackupFileError` for a file that is not the one verified.
    """
    if backup.status is SchemaStatus.CURRENT:
        with opened(path) as connection:
            _check_same(path, backup)  # once it is open, it is this file whatever takes its name
            yield connection
        return
    if backup.status is not SchemaStatus.OLDER:
        raise schema.newer()
    with tempfile.TemporaryDirectory(prefix="vpsops-restore-") as folder:
        copy = Path(folder, "upgraded.sqlite3")
        shutil.copyfile(path, copy)
        copy.chmod(0o600)
        _check_same(copy, backup)
        with opened_to_write(copy) as connection, connection.begin():
            alembic_runner.run(connection, schema.MIGRATIONS, "head")
        with opened(copy) as connection:
            copy.unlink()  # a process that is killed leaves none
            yield connection


def _check_same(path: Path, backup: VerifiedBackup) -> None:
    """Verify a file again: since it was verified first a person was asked, and the next backup may have its name."""
    if VerifiedBackup.read(path) != backup:
        raise BackupFileError(
            "The file is another one than was verified, so nothing was restored.", hint="Run the command again."
        )


@contextmanager
def opened_to_write(path: Path) -> Iterator[Connection]:
    """Open a file that no other program uses, to write it."""
    with _engine(f"{path.resolve().as_uri()}?mode=rw") as connection:
        yield connection


@contextmanager
def _engine(uri: str) -> Iterator[Connection]:
    engine = sa.create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(uri, uri=True, check_same_thread=False), poolclass=sa.StaticPool
    )
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def tables_in(connection: Connection) -> dict[str, sa.Table]:
    """Return the tables of a file but the two that describe it, as it has them."""
    metadata = sa.MetaData()
    metadata.reflect(connection)
    names = {MANIFEST.name, VERSION_TABLE}
    return {table.name: table for table in metadata.sorted_tables if table.name not in names}


def write_manifest(connection: Connection, manifest: BackupManifest) -> None:
    """Put the manifest into a file."""
    MANIFEST.create(connection, checkfirst=True)
    connection.execute(sa.delete(MANIFEST))
    connection.execute(sa.insert(MANIFEST).values(manifest=manifest.model_dump_json()))


def _manifest_of(connection: Connection) -> BackupManifest:
    if not sa.inspect(connection).has_table(MANIFEST.name):
        raise BackupFileError("The file is no backup: it has no manifest.", hint=OTHER_FILE)
    text = connection.scalar(sa.select(MANIFEST.c.manifest))
    try:
        manifest = BackupManifest.model_validate_json(text or "")
    except ValidationError:
        raise BackupFileError(
            "The backup's manifest cannot be read: it is damaged, or a newer version of vpsops made it.",
            hint="Use the version that made it, or take another backup.",
        ) from None
    if manifest.format != FORMAT:
        raise BackupFileError(f"The backup has format {manifest.format}.", hint="Update vpsops on this machine.")
    return manifest


def _check_pages(connection: Connection) -> None:
    text = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar_one()
    if text != "ok":
        raise BackupFileError("The backup's pages are damaged.", hint=DAMAGED)
    if connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
        raise BackupFileError("The backup holds a vote without its change.", hint=DAMAGED)


def _check_tables(connection: Connection, manifest: BackupManifest) -> None:
    tables = tables_in(connection)
    if tables.keys() != manifest.tables.keys() or schema.revision(connection) != manifest.schema_revision:
        raise BackupFileError("The backup has other tables than its manifest.", hint=DAMAGED)
    for name, table in tables.items():
        if digest_of(connection, table) != manifest.tables[name]:
            raise BackupFileError(f"The backup's table {name} is not as it was written.", hint=DAMAGED)


def _trail_faults(connection: Connection) -> Iterator[str]:
    walk, after = ChainVerifier(), 0
    while records := chain.read(connection, after=after, limit=PAGE):
        for record in records:
            yield from (fault.what for fault in walk.step(record))
        after = records[-1].seq
    yield from (fault.what for fault in walk.end(chain.head(connection)))
