"""A database that this user may only read: an auditor's copy, and a place where a user meant to run vpsops."""

import errno
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.fakes.audit_trail import RECORDS, Cli
from tests.harness.virtual_time import VirtualClock
from vpsops.core.common.errors import StorageError
from vpsops.core.config.settings import Settings
from vpsops.core.console.checks import Level
from vpsops.core.diagnostics.database import check_storage
from vpsops.core.sqlite.location import NotWritableError
from vpsops.core.storage import open_database


@pytest.fixture
def empty_database_url(tmp_path: Path) -> str:
    """A file: only SQLite has copies that may not be written."""
    return f"sqlite:///{tmp_path / 'vpsops.sqlite3'}"


@pytest.fixture
def copy(stored: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> Path:
    """A copy of the stored trail, alone in a folder, that this user may not write to (root may write everything)."""
    _ = cli  # which is to be called on the copy
    folder = tmp_path / "copy"
    folder.mkdir()
    path = folder / "v.sqlite3"
    with (
        closing(sqlite3.connect(stored.removeprefix("sqlite:///"))) as source,
        closing(sqlite3.connect(path)) as target,
    ):
        source.backup(target)
        target.execute("PRAGMA journal_mode=WAL").fetchall()
    path.chmod(0o400)
    folder.chmod(0o500)
    opened = os.open

    def refused(name: Any, flags: int, *more: Any, **others: Any) -> int:
        if Path(name) == path and flags & os.O_RDWR:
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(name, flags, *more, **others)

    monkeypatch.setattr(os, "open", refused)
    monkeypatch.setenv("VPSOPS_DATABASE_URL", f"sqlite:///{path}")
    return path


@pytest.mark.requirement("audit-read-only-copy")
def test_a_read_only_copy_is_verified_and_left_as_it_is(copy: Path, cli: Cli) -> None:
    """Nothing is made beside it, and nothing of it changes."""
    before = copy.read_bytes()
    output = cli("audit", "verify")
    assert (output.code, output.err) == (0, "")
    assert f"whole up to record {RECORDS}" in output.out
    for words in (("audit", "tail"), ("audit", "export"), ("changes",)):
        assert cli(*words).code == 0
    assert copy.read_bytes() == before
    assert [path.name for path in copy.parent.iterdir()] == ["v.sqlite3"]


def test_what_was_not_yet_in_the_file_is_read_too(copy: Path, cli: Cli) -> None:
    """A copy with the files beside it holds more than the file alone."""
    copy.parent.chmod(0o700)
    work = copy.parent / "work.sqlite3"
    shutil.copyfile(copy, work)
    with closing(sqlite3.connect(work, isolation_level=None)) as writer:
        writer.execute("PRAGMA wal_autocheckpoint=0").fetchall()
        writer.execute(f"DELETE FROM audit WHERE seq = {RECORDS}")
        for suffix in ("-wal", "-shm"):
            shutil.copyfile(f"{work}{suffix}", f"{copy}{suffix}")
    output = cli("audit", "verify")
    assert output.code == 1
    assert f"record {RECORDS} is missing at the end" in output.out


async def test_a_start_needs_to_write(copy: Path) -> None:
    """Read access is enough only for reads."""
    with pytest.raises(NotWritableError, match="Permission denied"):
        async with open_database(f"sqlite:///{copy}", VirtualClock()):
            pass
    async with open_database(f"sqlite:///{copy}", VirtualClock(), make=False) as database:
        assert database.read_only
        with pytest.raises(StorageError, match="cannot be written"):
            await database.transact(lambda connection: connection.exec_driver_sql("DELETE FROM audit"))


async def test_doctor_fails_where_nothing_can_be_stored(copy: Path) -> None:
    """The user who runs doctor is the one who will run it."""
    findings = await check_storage(
        Settings.model_validate({"VPSOPS_DATABASE_URL": f"sqlite:///{copy}"}), VirtualClock()
    )
    failures = [(item.area, item.code, "may not write" in item.what) for item in findings if item.level is Level.FAIL]
    assert failures == [("database", 1, True)]


@pytest.mark.parametrize("place", ["/proc/nope/v.sqlite3", "/sys/nope/deeper/v.sqlite3"])
async def test_doctor_fails_where_no_database_can_be_made(place: str) -> None:
    """A missing database is fine only where a start can create it."""
    settings = Settings.model_validate({"VPSOPS_DATABASE_URL": f"sqlite:///{place}"})
    (finding,) = await check_storage(settings, VirtualClock())
    assert (finding.level, finding.code) == (Level.FAIL, 1)
    assert "cannot be written" in finding.what


async def test_doctor_only_warns_where_one_can_be_made(tmp_path: Path) -> None:
    """In a folder that is not there yet, too."""
    settings = Settings.model_validate({"VPSOPS_DATABASE_URL": f"sqlite:///{tmp_path / 'new' / 'v.sqlite3'}"})
    (finding,) = await check_storage(settings, VirtualClock())
    assert finding.level is Level.WARN
    assert not await anyio.Path(tmp_path / "new").exists()
