"""A backup holds one moment of a database, and what is not whole is never there."""

import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.harness.patience import PATIENCE_SECONDS
from tests.unit.core.backup.backups import backed_up, connected, contents, made
from tests.unit.core.storage.samples import NOW
from vpsops.core.backup.backup_file import BackupFileError, VerifiedBackup
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.sqlite.location import NotReadyError
from vpsops.core.storage import schema
from vpsops.core.storage.schema import OutdatedError, SchemaStatus
from vpsops.core.storage.tables import AUDIT, CHANGES, SWITCHES

PROGRAM = """
import select
import sys
from pathlib import Path
from vpsops.cli.main import main
from vpsops.core.backup import snapshot

def wait(path):
    sys.stdout.write("written\\n")
    sys.stdout.flush()
    while not select.select([sys.stdin], [], [], 1.0)[0]:
        pass  # a signal right before the wait is seen after it

snapshot.VerifiedBackup.read = wait
sys.exit(main(["backup", sys.argv[1]]))
"""
Damage = Callable[[Path], object]


def altered(statement: str) -> Damage:
    """Return what alters a row of a file by SQL."""

    def work(path: Path) -> None:
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA foreign_keys = OFF")
            connection.execute(statement)
        connection.close()

    return work


def shortened(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-8192])


@pytest.mark.requirement("backup-one-moment")
def test_a_backup_holds_every_row_and_no_one_else_reads_it(empty_database_url: str, tmp_path: Path) -> None:
    made(empty_database_url)
    path = tmp_path / "db.backup"
    backup = backed_up(empty_database_url, path)
    assert (backup.status, backup.faults, backup.manifest.schema_revision) == (SchemaStatus.CURRENT, (), schema.HEAD)
    assert (path.stat().st_mode & 0o777, [each.name for each in tmp_path.glob(".*")]) == (0o600, [])
    held = contents(f"sqlite:///{path}")
    assert held.pop("vpsops_backup")
    assert held == contents(empty_database_url)
    assert backup.manifest.taken_at == NOW.timestamp()


@pytest.mark.requirement("backup-one-moment")
def test_what_is_stored_meanwhile_is_in_it_whole_or_not_at_all(empty_database_url: str, tmp_path: Path) -> None:
    """A transaction that is open waits for no backup, and is not in it."""
    made(empty_database_url)
    with connected(empty_database_url) as connection:
        connection.execute(sa.update(CHANGES).values(note="later"))
        backed_up(empty_database_url, tmp_path / "before.backup")
    backed_up(empty_database_url, tmp_path / "after.backup")
    notes = [contents(f"sqlite:///{tmp_path / name}.backup")["changes"][0]["note"] for name in ("before", "after")]
    assert notes[0] != notes[1] == "later"


@pytest.mark.requirement("backup-overwrites-nothing")
def test_a_file_that_is_there_stays_unless_it_is_to_be_replaced(empty_database_url: str, tmp_path: Path) -> None:
    made(empty_database_url)
    path = tmp_path / "db.backup"
    path.write_text("mine", "utf-8")
    with pytest.raises(BackupFileError, match="was not overwritten"):
        backed_up(empty_database_url, path)
    assert path.read_text("utf-8") == "mine"
    backed_up(empty_database_url, path, replace=True)
    assert VerifiedBackup.read(path).faults == ()


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
def test_the_database_is_not_overwritten_by_its_backup(tmp_path: Path, suffix: str) -> None:
    """Neither are the files that SQLite keeps beside it."""
    url = f"sqlite:///{tmp_path / 'vpsops.sqlite3'}"
    made(url)
    before = contents(url)
    with pytest.raises(BackupFileError, match="is the database itself"):
        backed_up(url, tmp_path / f"vpsops.sqlite3{suffix}", replace=True)
    assert contents(url) == before


@pytest.mark.parametrize("name", [".", "missing/db.backup", "device"])
def test_a_place_where_no_file_can_be_is_refused(tmp_path: Path, name: str) -> None:
    url = f"sqlite:///{tmp_path / 'vpsops.sqlite3'}"
    made(url)
    os.mkfifo(tmp_path / "device")
    with pytest.raises(BackupFileError):
        backed_up(url, tmp_path / name, replace=True)


def test_a_full_disk_leaves_nothing(empty_database_url: str, tmp_path: Path) -> None:
    """The file that was begun is removed, and the one to be replaced stays."""
    made(empty_database_url)
    path = tmp_path / "db.backup"
    path.write_text("old", "utf-8")
    with _files_of_at_most(65_536), pytest.raises(BackupFileError, match="cannot be written"):
        backed_up(empty_database_url, path, replace=True)
    assert (path.read_text("utf-8"), list(tmp_path.glob(".*"))) == ("old", [])


@contextmanager
def _files_of_at_most(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.slow
@pytest.mark.real_time
@pytest.mark.requirement("backup-whole-or-not-there")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_that_is_ended_leaves_no_half_file(tmp_path: Path, number: signal.Signals) -> None:
    """What SIGKILL leaves under another name is removed by the next backup to that place."""
    url, path = f"sqlite:///{tmp_path / 'vpsops.sqlite3'}", tmp_path / "db.backup"
    made(url)
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(path)],
        env={**os.environ, "VPSOPS_DATABASE_URL": url},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout
        assert process.stdout.readline() == "written\n"
        process.send_signal(number)
        assert process.wait(PATIENCE_SECONDS) != 0
    assert not path.exists()
    assert bool(list(tmp_path.glob(".db.backup*"))) is (number is signal.SIGKILL)
    backed_up(url, path)
    assert (path.exists(), list(tmp_path.glob(".db.backup*"))) == (True, [])


@pytest.mark.requirement("backup-is-verified")
@pytest.mark.parametrize(
    "damage",
    [
        altered("UPDATE changes SET note = note || '!'"),
        altered("UPDATE changes SET facts = NULL"),
        altered("DELETE FROM copies"),
        altered("DELETE FROM changes"),
        altered("DROP TABLE leases"),
        altered("CREATE TABLE more (id INTEGER)"),
        altered("UPDATE alembic_version SET version_num = '0014'"),
        altered("UPDATE vpsops_backup SET manifest = '{}'"),
        altered("UPDATE vpsops_backup SET manifest = replace(manifest, '\"format\":1', '\"format\":2')"),
        altered("DROP TABLE vpsops_backup"),
        shortened,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("no database", "utf-8"),
        lambda path: path.unlink(),
    ],
)
def test_a_file_that_is_not_as_it_was_written_is_no_backup(tmp_path: Path, damage: Damage) -> None:
    url, path = f"sqlite:///{tmp_path / 'vpsops.sqlite3'}", tmp_path / "db.backup"
    made(url)
    backed_up(url, path)
    damage(path)
    with pytest.raises(BackupFileError):
        VerifiedBackup.read(path)


@pytest.mark.requirement("backup-is-verified")
def test_a_trail_that_is_not_whole_is_said_to_be(empty_database_url: str, tmp_path: Path) -> None:
    """It is copied as it is: it may be the evidence."""
    made(empty_database_url)
    with connected(empty_database_url) as connection:
        connection.execute(sa.update(AUDIT).values(record="{}"))
    backup = backed_up(empty_database_url, tmp_path / "db.backup")
    assert backup.faults == ("record 1 was altered",)


def test_a_row_that_this_version_cannot_read_is_copied_to_the_letter(tmp_path: Path) -> None:
    url, path = f"sqlite:///{tmp_path / 'vpsops.sqlite3'}", tmp_path / "db.backup"
    made(url)
    with connected(url) as connection:
        connection.exec_driver_sql("UPDATE switches SET value = '{not json'")
    backed_up(url, path)
    with sqlite3.connect(path) as held:
        assert held.execute(f"SELECT value FROM {SWITCHES.name}").fetchall() == [("{not json",)]
    held.close()


def test_a_database_without_tables_or_of_a_newer_version_is_refused(empty_database_url: str, tmp_path: Path) -> None:
    path = tmp_path / "db.backup"
    if empty_database_url.startswith("sqlite"):
        with pytest.raises(NotReadyError, match="There is no database"):
            backed_up(empty_database_url, path)
    with connected(empty_database_url):
        pass
    with pytest.raises(ConfigurationError, match="nothing to back up"):
        backed_up(empty_database_url, path)
    made(empty_database_url)
    with connected(empty_database_url) as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(OutdatedError):
        backed_up(empty_database_url, path)
    assert not path.exists()


@pytest.mark.parametrize("revision", ["0001", "0008", "0014"])
def test_a_database_of_an_older_version_is_backed_up_as_it_is(
    empty_database_url: str, tmp_path: Path, revision: str
) -> None:
    """So that there is a backup before the first start of a new version, which migrates."""
    made(empty_database_url, revision)
    backup = backed_up(empty_database_url, tmp_path / "db.backup")
    assert (backup.status, backup.manifest.schema_revision) == (SchemaStatus.OLDER, revision)
    held = contents(f"sqlite:///{tmp_path / 'db.backup'}")
    assert held.pop("vpsops_backup")
    assert held == contents(empty_database_url)
