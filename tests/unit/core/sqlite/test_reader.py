"""Reads of a SQLite file without SQLAlchemy: the same answers, the same refusals, one moment for each read."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.fakes.clock import FakeClock
from tests.fakes.storage.databases import migrated
from vpsops.core.common.errors import StorageError
from vpsops.core.sqlite.files import StoreMovedError
from vpsops.core.sqlite.reader import ConnectionView, DatabaseView
from vpsops.core.storage import Database, open_database
from vpsops.core.storage.pools import file_of, open_pools
from vpsops.core.storage.tables import PROCESSES

COUNT = "SELECT count(*) AS many FROM processes"
INSERT = "INSERT INTO processes (id, front, started_at, beat) VALUES (?, 'mcp', 1.0, 2.0)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database of this version."""
    migrated(tmp_path / "v.sqlite3")
    return tmp_path / "v.sqlite3"


@pytest.fixture
def other(path: Path) -> Iterator[sqlite3.Connection]:
    """Another process's connection."""
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as connection:
        yield connection


def count(view: DatabaseView) -> int:
    """Return how many processes there are."""
    return int(view.rows(COUNT)[0]["many"])


async def test_a_read_opens_no_engine_and_a_write_does(path: Path) -> None:
    async with open_database(f"sqlite:///{path}", FakeClock()) as database:
        assert await database.view(count) == 0
        assert database._pools._engines is None
        values = {"id": "one", "front": "mcp", "started_at": 1.0, "beat": 2.0}
        await database.transact(lambda connection: connection.execute(sa.insert(PROCESSES).values(**values)))
        assert database._pools._engines is not None
        assert await database.view(count) == 1


async def test_values_are_bound_and_columns_are_named(database: Database) -> None:
    """On both databases; a value is never a part of the statement."""
    values = {"id": "o'ne; --", "front": "mcp", "started_at": 1.5, "beat": 2.0}
    await database.transact(lambda connection: connection.execute(sa.insert(PROCESSES).values(**values)))
    query = "SELECT id, started_at FROM processes WHERE id = :id"
    assert await database.view(lambda view: view.rows(query, id="o'ne; --")) == [{"id": "o'ne; --", "started_at": 1.5}]
    assert await database.view(lambda view: view.rows(query, id="' OR 1=1 --")) == []
    assert await database.read(lambda it: ConnectionView(it).rows(query, id="o'ne; --")) == [
        {"id": "o'ne; --", "started_at": 1.5}
    ]


async def test_a_read_sees_one_moment(path: Path, other: sqlite3.Connection) -> None:
    """What another process commits in between shows in the next read."""

    def twice(view: DatabaseView) -> tuple[int, int]:
        before = count(view)
        other.execute(INSERT, ["late"])
        return before, count(view)

    async with open_database(f"sqlite:///{path}", FakeClock()) as database:
        assert await database.view(twice) == (0, 0)
        assert await database.view(count) == 1


async def test_a_read_writes_nothing(path: Path) -> None:
    async with open_database(f"sqlite:///{path}", FakeClock()) as database:
        with pytest.raises(StorageError, match="disk full or read-only"):
            await database.view(lambda view: view.rows("DELETE FROM processes RETURNING id"))


async def test_a_read_that_breaks_leaves_nothing_open(path: Path, other: sqlite3.Connection) -> None:
    """The next one begins its own transaction, and sees what was stored meanwhile."""

    def broken(view: DatabaseView) -> None:
        count(view)
        raise LookupError("broken")

    async with open_database(f"sqlite:///{path}", FakeClock()) as database:
        with pytest.raises(LookupError):
            await database.view(broken)
        other.execute(INSERT, ["late"])
        assert await database.view(count) == 1


async def test_a_table_that_is_gone_is_a_storage_error(path: Path, other: sqlite3.Connection) -> None:
    """The database answers; what it lacks is said, and what to do."""
    async with open_database(f"sqlite:///{path}", FakeClock()) as database:
        other.execute("DROP TABLE processes")
        with pytest.raises(StorageError, match="its schema is missing, older, or damaged") as caught:
            await database.view(count)
        assert "vpsops doctor" in caught.value.hint
        assert database.last_failure is not None


def _delete(path: Path) -> None:
    path.unlink()


def _replace(path: Path) -> None:
    shutil.copy(path, path.with_name("backup"))
    path.with_name("backup").rename(path)


@pytest.mark.parametrize("act", [_delete, _replace])
@pytest.mark.requirement("database-in-place")
async def test_nothing_is_read_of_a_file_that_others_do_not_find(path: Path, act: Callable[[Path], None]) -> None:
    async with open_database(f"sqlite:///{path}", FakeClock()) as database:
        assert await database.view(count) == 0
        act(path)
        for _ in range(2):
            with pytest.raises(StoreMovedError, match="moved, replaced or deleted"):
                await database.view(count)


async def test_a_file_that_is_no_database_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "v.sqlite3"
    path.write_bytes(b"no database at all, and longer than the header of one" * 100)
    with pytest.raises(StorageError, match="not a database"):
        async with open_database(f"sqlite:///{path}", FakeClock()):
            pass


async def test_a_lock_is_waited_for_and_then_told(path: Path) -> None:
    """In the write-ahead log readers wait for no writer; a file that another program locks whole is an error."""
    async with open_database(f"sqlite:///{path}", FakeClock(), busy=0.05) as database:
        with closing(sqlite3.connect(path, isolation_level=None)) as holder:
            holder.execute("PRAGMA locking_mode=EXCLUSIVE")
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                holder.execute("BEGIN EXCLUSIVE")  # our open connection keeps it out
        assert await database.view(count) == 0
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("PRAGMA locking_mode=EXCLUSIVE")
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StorageError, match="stayed locked"):
            async with open_database(f"sqlite:///{path}", FakeClock(), busy=0.05):
                pass


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("sqlite:///v.sqlite3", "v.sqlite3"),
        ("sqlite:////var/lib/v.sqlite3", "/var/lib/v.sqlite3"),
        ("sqlite:////a folder, #1/v+w", "/a folder, #1/v+w"),
        ("sqlite:///~/v", "~/v"),
        ("sqlite:////a@b:c/v", "/a@b:c/v"),
        ("sqlite:///", ""),
        ("sqlite:///:memory:", ":memory:"),
    ],
)
def test_a_path_is_the_one_that_sqlalchemy_reads(url: str, name: str) -> None:
    assert file_of(url) == name
    assert (sa.make_url(url).database or "") == name


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///v?mode=ro",
        "sqlite:////a%20b/v",
        "sqlite://host/v",
        "sqlite+pysqlite:///v",
        "SQLITE:///v",
        "sqlite://",
        "postgresql://a/b",
        "sqlite:///a\nb",
        "",
    ],
)
def test_any_other_url_is_left_to_sqlalchemy(url: str) -> None:
    assert file_of(url) is None


def test_ways_that_were_never_opened_are_closed_without_an_engine(path: Path) -> None:
    pools = open_pools(f"sqlite:///{path}")
    pools.close()
    assert pools._engines is None
