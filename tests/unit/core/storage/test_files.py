"""A SQLite database that is moved, replaced or deleted while open: noticed at once, reported once, and for good."""

import shutil
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import anyio
import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from tests.fakes.clock import FakeClock
from tests.fakes.storage.databases import migrated
from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.virtual_time import VirtualClock
from vpsops.core.common.errors import StorageError
from vpsops.core.execution.send_deadline import LateError, SendDeadline
from vpsops.core.sqlite.files import StoreMovedError
from vpsops.core.storage import Database, open_database
from vpsops.core.storage.leases import Process
from vpsops.core.storage.tables import PROCESSES


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "a folder, 100% #1"
    folder.mkdir()
    migrated(folder / "v.sqlite3")
    return folder / "v.sqlite3"


def _delete(path: Path) -> None:
    for file in path.parent.glob("v.sqlite3*"):
        file.unlink()


def _move(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))


def _replace(path: Path) -> None:
    shutil.copy(path, path.with_name("backup"))
    path.with_name("backup").rename(path)


def _delete_log(path: Path) -> None:
    path.with_name("v.sqlite3-wal").unlink()


def _replace_index(path: Path) -> None:
    shutil.copy(path.with_name("v.sqlite3-shm"), path.with_name("copy"))
    path.with_name("copy").rename(path.with_name("v.sqlite3-shm"))


AWAY = (_delete, _move, _replace)
BESIDE = (_delete_log, _replace_index)


@pytest.mark.parametrize("act", [*AWAY, *BESIDE])
@pytest.mark.requirement("database-in-place")
async def test_nothing_is_read_or_stored_in_a_file_that_others_do_not_find(
    path: Path, act: Callable[[Path], None]
) -> None:
    """Writes to it would be lost at the next start, and no other process would see them."""
    async with _opened(path) as database:
        await database.transact(_insert)
        act(path)
        with pytest.raises(StoreMovedError, match="moved, replaced or deleted"):
            await database.transact(_insert)
        with pytest.raises(StoreMovedError, match="moved, replaced or deleted") as caught:
            await database.read(_count)
        assert "restart this process" in str(caught.value)


@pytest.mark.requirement("database-in-place")
async def test_a_write_does_not_leave_once_the_file_was_moved(path: Path) -> None:
    """The fence checks itself: the last heartbeat may be a moment younger than the move."""
    clock = FakeClock()
    async with open_database(f"sqlite:///{path}", clock) as database:
        process = Process(database, clock, "cli")
        await process.beat()
        assert process.certain
        _move(path)
        assert not process.certain
        with pytest.raises(LateError, match="file of this process was moved"):
            SendDeadline(process, clock, clock.monotonic() + 2.0).check()
        with pytest.raises(StorageError):
            await process.beat()


async def test_a_file_that_is_put_back_is_not_trusted_again(path: Path) -> None:
    """Another process may have made a file at the path meanwhile, and acted by it: only a restart reopens it."""
    async with _opened(path) as database:
        await database.transact(_insert)
        _move(path)
        assert not database.in_place
        path.with_name("elsewhere").rename(path)
        with pytest.raises(StoreMovedError):
            await database.read(_count)
    async with _opened(path) as database:
        assert await database.read(_count) == 1


async def test_it_is_logged_once_with_what_to_do(path: Path) -> None:
    """However many transactions are refused for it."""
    async with _opened(path) as database:
        await database.transact(_insert)
        with capture_logs() as logs:
            _delete(path)
            for _ in range(3):
                with pytest.raises(StoreMovedError):
                    await database.transact(_insert)
    (line,) = [entry for entry in logs if entry["event"] == "database_file_moved"]
    assert line["log_level"] == "error"
    assert f"{path} is gone" in line["error"]
    assert "restart" in line["hint"]


async def test_a_deleted_file_is_not_made_anew_by_the_process_that_lost_it(path: Path) -> None:
    """To the next start an empty file at the path would be a first one; the wake's own connection counts too."""
    async with _opened(path) as database:
        await database.transact(_insert)
        _delete(path)
        database._pools.close()  # every connection would be reopened
        with pytest.raises(StoreMovedError):
            await database.transact(_insert)
        await database.signals.wait(0.6)
    assert sorted(path.parent.iterdir()) == []


async def test_connections_that_come_and_go_are_no_move(path: Path) -> None:
    """SQLite removes its files beside with the last connection, and makes new ones with the next."""
    async with _opened(path) as database:
        for _ in range(3):
            await database.transact(_insert)
            await database.read(_count)
            database._pools.close()
        assert await database.read(_count) == 3
        assert database.in_place


async def test_two_processes_on_one_file_disturb_each_other_not(path: Path) -> None:
    """Opening, checkpointing and closing by another is ordinary life."""
    async with _opened(path) as database:
        for _ in range(3):
            async with _opened(path) as other:
                await other.transact(_insert)
                await other.read(lambda connection: connection.exec_driver_sql("PRAGMA wal_checkpoint").all())
            await database.transact(_insert)
            with anyio.fail_after(PATIENCE_SECONDS):
                assert await database.read(_count) >= 2


def _opened(path: Path) -> AbstractAsyncContextManager[Database]:
    return open_database(f"sqlite:///{path}", VirtualClock())


def _insert(connection: sa.Connection) -> None:
    number = connection.scalar(sa.select(sa.func.count()).select_from(PROCESSES)) or 0
    connection.execute(sa.insert(PROCESSES).values(id=f"p{number}", front="cli", started_at=0.0, beat=0.0))


def _count(connection: sa.Connection) -> int:
    return connection.scalar(sa.select(sa.func.count()).select_from(PROCESSES)) or 0
