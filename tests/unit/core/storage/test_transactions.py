"""Transactions: all or nothing, whatever becomes of the database meanwhile."""

import threading
from collections.abc import Callable
from pathlib import Path

import anyio
import psycopg
import pytest
import sqlalchemy as sa
from anyio import to_thread
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from tests.fakes.clock import FakeClock
from tests.fakes.storage.postgres import PostgresServer
from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.virtual_time import VirtualClock
from tests.unit.core.conftest import BUSY
from vpsops.core.audit import chain, records
from vpsops.core.common.errors import StorageError
from vpsops.core.storage import Database, open_database
from vpsops.core.storage.tables import AUDIT, LEASES

BOUND = PATIENCE_SECONDS
NAMES = sa.select(LEASES.c.name).order_by(LEASES.c.name)


def put(name: str) -> Callable[[Connection], None]:
    """Return work that stores a row."""

    def work(connection: Connection) -> None:
        connection.execute(sa.insert(LEASES).values(name=name, owner="", until=0.0))

    return work


async def names(database: Database) -> list[str]:
    """Return the stored names."""
    return list(await database.read(lambda connection: connection.scalars(NAMES).all()))


@pytest.fixture
def server_url(postgres: PostgresServer) -> str:
    return postgres.database()


def end_sessions(url: str) -> None:
    """Let the server hang up on every other session of this database, as an administrator can."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


async def test_an_exception_leaves_nothing(database: Database) -> None:
    """What a transaction did before it failed is gone, its audit record too, and the next one works."""

    def work(connection: Connection) -> None:
        put("half")(connection)
        chain.append(connection, 1.0, "half", None, {})
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await database.transact(work)
    assert await names(database) == []
    assert await database.read(chain.head) == (0, records.GENESIS)
    await database.transact(put("whole"))
    assert await names(database) == ["whole"]


async def test_a_taken_key_is_the_callers_business(database: Database) -> None:
    """A duplicate raises IntegrityError, by which the caller recognises a repetition, and leaves nothing."""
    await database.transact(put("one"))

    def work(connection: Connection) -> None:
        put("two")(connection)
        put("one")(connection)

    with pytest.raises(IntegrityError):
        await database.transact(work)
    assert await names(database) == ["one"]


async def test_an_error_of_the_block_stays_itself(database_url: str, clock: FakeClock) -> None:
    """An error raised while a database is open is propagated as it is, not in a group."""
    with pytest.raises(ZeroDivisionError):
        async with open_database(database_url, clock):
            raise ZeroDivisionError


@pytest.mark.parametrize("missing", ["SELECT 1 FROM not_there", "SELECT not_there FROM leases"])
async def test_a_schema_that_lacks_something_is_named(database: Database, missing: str) -> None:
    """The database did answer; a table or column of this version is not in it."""
    with pytest.raises(StorageError, match="its schema is missing, older, or damaged"):
        await database.transact(lambda connection: connection.execute(sa.text(missing)))
    with pytest.raises(StorageError, match="its schema is missing, older, or damaged"):
        await database.read(lambda connection: connection.execute(sa.text(missing)))


async def test_a_read_sees_one_moment(database: Database) -> None:
    """Two queries of one read agree, even when something is committed between them."""
    between, go_on = threading.Event(), threading.Event()

    def twice(connection: Connection) -> tuple[int, int]:
        first = len(connection.execute(NAMES).all())
        between.set()
        assert go_on.wait(BOUND)
        return first, len(connection.execute(NAMES).all())

    async def write() -> None:
        await to_thread.run_sync(between.wait, BOUND)
        await database.transact(put("new"))
        go_on.set()

    with anyio.fail_after(BOUND):
        async with anyio.create_task_group() as group:
            group.start_soon(write)
            assert await database.read(twice) == (0, 0)
    assert await names(database) == ["new"]


async def test_a_read_cannot_write(database: Database) -> None:
    """A read is held to its name by the database itself."""
    with pytest.raises(StorageError):
        await database.read(put("sly"))
    assert await names(database) == []


async def test_many_transactions_at_once_all_count(database: Database) -> None:
    """Fifty writers and as many readers in the same instant: none fails, none is lost."""

    async def write(number: int) -> None:
        await database.transact(put(f"{number:03}"))

    async def read() -> None:
        await names(database)

    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as group:
            for number in range(50):
                group.start_soon(write, number)
                group.start_soon(read)
    assert len(await names(database)) == 50


async def test_a_locked_database_is_told_within_the_busy_time(database_url: str) -> None:
    """A lock that another process keeps ends in a plain error, in time, with nothing stored."""
    clock = VirtualClock()
    locked, free = threading.Event(), threading.Event()

    def keep(connection: Connection) -> None:
        chain.append(connection, 1.0, "kept", None, {})
        locked.set()
        assert free.wait(BOUND)

    async with (
        open_database(database_url, clock, busy=BOUND) as first,
        open_database(database_url, clock, busy=BUSY) as second,
        anyio.create_task_group() as group,
    ):
        group.start_soon(first.transact, keep)
        await to_thread.run_sync(locked.wait, BOUND)
        with pytest.raises(StorageError, match="locked by another process"):
            await second.transact(lambda connection: chain.append(connection, 1.0, "late", None, {}))
        free.set()
    async with open_database(database_url, clock) as again:
        assert await again.read(lambda connection: connection.scalars(sa.select(AUDIT.c.event)).all()) == ["kept"]


async def test_reading_goes_on_while_somebody_writes(database_url: str, clock: FakeClock) -> None:
    """A long write of another process delays no reader."""
    locked, free = threading.Event(), threading.Event()

    def keep(connection: Connection) -> None:
        put("slow")(connection)
        locked.set()
        assert free.wait(BOUND)

    async with (
        open_database(database_url, clock) as first,
        open_database(database_url, clock, busy=BUSY, make=False) as second,
        anyio.create_task_group() as group,
    ):
        group.start_soon(first.transact, keep)
        await to_thread.run_sync(locked.wait, BOUND)
        assert await names(second) == []
        free.set()


async def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, clock: FakeClock) -> None:
    """Where no page can be added, the transaction fails with a clear error, and the file stays whole."""
    async with open_database(f"sqlite:///{tmp_path / 'v.sqlite3'}", clock) as database:

        def fill(connection: Connection) -> None:
            connection.exec_driver_sql("PRAGMA max_page_count = 1")  # no less than what is there
            for number in range(200):
                put(f"{number:038}")(connection)

        with pytest.raises(StorageError, match="disk full"):
            await database.transact(fill)
        assert await names(database) == []


async def test_a_frozen_process_does_not_hold_the_others(server_url: str) -> None:
    """PostgreSQL ends a transaction that its process left open, so that a paused one blocks no other for long."""
    locked, thawed = threading.Event(), threading.Event()
    attempts: list[int] = []

    def freeze(connection: Connection) -> None:
        attempts.append(1)
        chain.append(connection, 1.0, "frozen", None, {})
        if len(attempts) == 1:
            locked.set()
            assert thawed.wait(BOUND)
        connection.execute(NAMES)

    async with (
        open_database(server_url, VirtualClock(), busy=BUSY) as frozen,
        open_database(server_url, VirtualClock(), busy=BOUND) as other,
        anyio.create_task_group() as group,
    ):
        group.start_soon(frozen.transact, freeze)
        await to_thread.run_sync(locked.wait, BOUND)
        with anyio.fail_after(BOUND):
            await other.transact(lambda connection: chain.append(connection, 1.0, "others go on", None, {}))
        thawed.set()
    async with open_database(server_url, VirtualClock()) as database:
        records = await database.read(chain.read)
        assert list(chain.verify(records, await database.read(chain.head))) == []
    assert [record.event for record in records] == ["others go on", "frozen"]


async def test_a_server_restarted_between_transactions_is_no_matter(postgres: PostgresServer) -> None:
    """The next transaction and the next read work, on new connections, without intervention."""
    async with open_database(postgres.database(), VirtualClock()) as database:
        await database.transact(put("before"))
        await to_thread.run_sync(postgres.stop)
        await to_thread.run_sync(postgres.start)
        await database.transact(put("after"))
        assert await names(database) == ["after", "before"]


async def test_a_transaction_waits_for_a_server_that_comes_back(postgres: PostgresServer) -> None:
    """One that begins while the server is away for a moment is carried out when it is back."""
    async with open_database(postgres.database(), VirtualClock()) as database:
        await to_thread.run_sync(postgres.stop)
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(database.transact, put("patient"))
                await anyio.lowlevel.checkpoint()
                await to_thread.run_sync(postgres.start)
        except BaseException:
            postgres.start()
            raise
        assert await names(database) == ["patient"]


async def test_a_connection_lost_in_a_transaction_is_tried_again(server_url: str) -> None:
    """Nothing was committed, so the work runs once more from its beginning and counts once."""
    attempts: list[int] = []

    def work(connection: Connection) -> None:
        attempts.append(1)
        put("once")(connection)
        if len(attempts) == 1:
            end_sessions(server_url)
        connection.execute(NAMES)

    async with open_database(server_url, VirtualClock()) as database:
        await database.transact(work)
        assert (len(attempts), await names(database)) == (2, ["once"])


async def test_a_server_that_stays_away_is_a_storage_error(server_url: str, clock: FakeClock) -> None:
    """A connection that is lost again and again ends in an error, with nothing half applied."""
    attempts: list[int] = []

    def work(connection: Connection) -> None:
        attempts.append(1)
        put("never")(connection)
        clock.advance(3)
        end_sessions(server_url)
        connection.execute(NAMES)

    async with open_database(server_url, clock) as database:
        with pytest.raises(StorageError, match="did not answer"):
            await database.transact(work)
        assert len(attempts) > 1
        assert await names(database) == []


async def test_a_connection_lost_in_the_commit_is_told_as_unknown(server_url: str) -> None:
    """It is unknown whether it was stored, so it is not tried again and the message states so."""
    attempts: list[int] = []

    def work(connection: Connection) -> None:
        attempts.append(1)
        put("perhaps")(connection)
        connection.execute(sa.text("SELECT pg_notify('vpsops', '')"))
        sa.event.listen(connection, "commit", lambda _: end_sessions(server_url))

    async with open_database(server_url, VirtualClock()) as database:
        with pytest.raises(StorageError, match="not known whether it was stored"):
            await database.transact(work)
        assert (len(attempts), await names(database)) == (1, [])


async def test_deadlocked_writers_both_get_through(server_url: str) -> None:
    """Two transactions that take two rows in opposite order: PostgreSQL ends one, and it is run again."""
    both = threading.Barrier(2)

    def work(first: str, second: str) -> Callable[[Connection], None]:
        tries: list[int] = []

        def run(connection: Connection) -> None:
            tries.append(1)
            connection.execute(sa.text("SET LOCAL deadlock_timeout = '50ms'"))
            _touch(connection, first)
            if len(tries) == 1:
                both.wait(BOUND)
            _touch(connection, second)

        return run

    async with open_database(server_url, VirtualClock()) as database:
        await database.transact(put("a"))
        await database.transact(put("b"))
        async with anyio.create_task_group() as group:
            group.start_soon(database.transact, work("a", "b"))
            group.start_soon(database.transact, work("b", "a"))
        touched = await database.read(lambda connection: connection.scalars(sa.select(LEASES.c.until)).all())
    assert list(touched) == [2.0, 2.0]


def _touch(connection: Connection, name: str) -> None:
    connection.execute(sa.update(LEASES).where(LEASES.c.name == name).values(until=LEASES.c.until + 1))


async def test_the_lease_clock_is_the_machines_own_on_sqlite(tmp_path: Path, clock: FakeClock) -> None:
    """One machine's processes share the clock since boot, which no change of the date moves."""
    async with open_database(f"sqlite:///{tmp_path / 'v.sqlite3'}", clock) as database:
        before = await database.read(database.tick)
        clock.advance(90)
        assert await database.read(database.tick) - before == 90
