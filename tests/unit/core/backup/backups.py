"""Databases that are backed up, and what of them is compared."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tests.fakes.storage.databases import migrated
from tests.unit.core.storage import samples
from tests.unit.core.storage.samples import NOW
from vpsops.core.backup.backup_file import VerifiedBackup
from vpsops.core.backup.snapshot import BackupSource
from vpsops.core.storage import schema
from vpsops.core.storage.pools import DEFAULT_OPTIONS, open_pools


@contextmanager
def connected(url: str) -> Iterator[sa.Connection]:
    """Open a database to write to it."""
    pools = open_pools(url)
    try:
        with pools.durable.begin() as connection:
            yield connection
    finally:
        pools.close()


def made(url: str, revision: str = "head") -> None:
    """Make the tables of a version of the schema, with a row in each."""
    if revision == "head" and url.startswith("sqlite"):
        migrated(Path(url.removeprefix("sqlite:///")))
    else:
        migrate(url, revision)
    with connected(url) as connection:
        samples.fill(connection)


def migrate(url: str, revision: str) -> None:
    """Bring a database to a version of the schema."""
    pools = open_pools(url)
    try:
        schema.upgrade(pools.durable, revision)
    finally:
        pools.close()


def contents(url: str) -> dict[str, list[dict[str, Any]]]:
    """Return every row of a database."""
    with connected(url) as connection:
        return samples.contents(connection)


def source_of(url: str) -> BackupSource:
    """Return a database as `vpsops backup` has it."""
    return BackupSource(url, DEFAULT_OPTIONS, "9.9")


def backed_up(url: str, path: Path, *, replace: bool = False) -> VerifiedBackup:
    """Take a backup."""
    return source_of(url).write(path, NOW, replace=replace)
