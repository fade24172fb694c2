"""Reads that ride along with a heartbeat: they cost no transaction, and break neither it nor each other."""

import anyio
import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.fakes.clock import FakeClock
from tests.fakes.storage.postgres import PostgresServer
from tests.fakes.storage.transactions import counted
from tests.harness.patience import PATIENCE_SECONDS
from vpsops.core.common.errors import StorageError
from vpsops.core.storage import Database, open_database
from vpsops.core.storage.leases import Process
from vpsops.core.storage.tables import CHANGES, PROCESSES

BOUND = PATIENCE_SECONDS


def processes(connection: Connection) -> list[str]:
    """Return who has beaten."""
    return list(connection.scalars(sa.select(PROCESSES.c.id)))


def broken(connection: Connection) -> None:
    """Read a table that does not exist."""
    connection.execute(sa.text("SELECT * FROM nowhere"))


def odd(_: Connection) -> None:
    """Break for a reason of its own."""
    raise ValueError("odd")


async def ride(database: Database, process: Process, *works: object) -> list[object]:
    """Let some reads wait for a heartbeat, and return what each came to."""
    answers: list[object] = [None] * len(works)
    database.heart_beats = True

    async def read(place: int) -> None:
        try:
            answers[place] = await database.read_along(works[place])  # type: ignore[arg-type]
        except (StorageError, ValueError) as error:
            answers[place] = error

    with anyio.fail_after(BOUND):
        async with anyio.create_task_group() as group:
            for place in range(len(works)):
                group.start_soon(read, place)
            await anyio.wait_all_tasks_blocked()
            await process.beat()
    return answers


async def test_without_a_heart_a_read_waits_for_nobody(database: Database) -> None:
    """A process that runs no changes reads at once."""
    assert await database.read_along(processes) == []


async def test_reads_go_along_with_a_heartbeat(database: Database) -> None:
    """Any number of them is one transaction, and they see what it stored."""
    process = Process(database, database.clock, "worker")
    with counted() as counts:
        assert await ride(database, process, processes, processes) == [[process.id]] * 2
    assert counts.total() == 1


async def test_what_breaks_is_told_to_whom_it_belongs(database: Database) -> None:
    """A read that fails fails alone: the heartbeat is stored, and the others have their answers."""
    process = Process(database, database.clock, "worker")
    answers = await ride(database, process, processes, broken, odd, processes)
    assert (answers[0], answers[3]) == ([process.id], [process.id])
    assert isinstance(answers[1], StorageError)
    assert isinstance(answers[2], ValueError)
    assert process.certain
    assert await database.read(processes) == [process.id]


async def test_a_table_that_is_locked_holds_up_no_heartbeat(postgres: PostgresServer, clock: FakeClock) -> None:
    """A read of the locked table fails soon, and the process stays alive."""
    url = postgres.database()
    async with open_database(url, clock, busy=BOUND) as database:
        process = Process(database, clock, "worker")
        with psycopg.connect(url) as other:
            other.execute("LOCK TABLE changes")
            answers = await ride(
                database, process, lambda connection: connection.execute(sa.select(CHANGES.c.id)).all(), processes
            )
            other.rollback()
    assert isinstance(answers[0], StorageError)
    assert answers[1] == [process.id]


async def test_a_heartbeat_that_is_not_stored_fails_its_riders(database: Database) -> None:
    """They get the reason, and read again when it is their time."""
    process = Process(database, database.clock, "worker")
    database.heart_beats = True
    await database.transact(PROCESSES.drop)
    failed: list[StorageError] = []

    async def read() -> None:
        try:
            await database.read_along(processes)
        except StorageError as error:
            failed.append(error)

    with anyio.fail_after(BOUND):
        async with anyio.create_task_group() as group:
            group.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(StorageError):
                await process.beat()
    assert len(failed) == 1
