"""The wake: a waiter gets every commit, of this process or another, and misses none."""

import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import psycopg
import pytest
from anyio import to_thread
from sqlalchemy.engine import Connection

from tests.fakes.clock import FakeClock
from tests.fakes.storage.postgres import PostgresServer
from tests.harness.patience import PATIENCE_SECONDS, eventually
from tests.harness.virtual_time import VirtualClock
from tests.unit.core.storage.test_transactions import names, put
from vpsops.core.storage import Database, commit_notifier, open_database

BOUND = PATIENCE_SECONDS
LONG = 600.0
COMMIT = """
import sys
import anyio
from vpsops.core.common.clock import SystemClock
from vpsops.core.storage import open_database
from tests.unit.core.storage.test_transactions import put

async def main():
    async with open_database(sys.argv[1], SystemClock()) as database:
        await database.transact(put("elsewhere"))

anyio.run(main)
"""


async def until(database: Database, count: int) -> None:
    """Wait for the wake as often as needed until that many rows are stored."""
    while True:
        mark = database.signals.mark()
        if len(await names(database)) >= count:
            return
        await database.signals.wait(LONG, since=mark)


async def test_a_commit_wakes_the_waiters_of_its_process(database: Database) -> None:
    """All waiters are woken at once, without the clock moving."""
    with anyio.fail_after(BOUND):
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(until, database, 1)
            await anyio.lowlevel.checkpoint()
            await database.transact(put("here"))


@pytest.mark.real_time
async def test_a_commit_of_another_process_wakes(database_url: str) -> None:
    """A front end that shares the database is woken within a moment."""
    async with open_database(database_url, VirtualClock()) as database:
        with anyio.fail_after(PATIENCE_SECONDS):
            async with anyio.create_task_group() as group:
                group.start_soon(until, database, 1)
                await anyio.run_process([sys.executable, "-c", COMMIT, database_url])
                group.cancel_scope.deadline = anyio.current_time() + BOUND
        assert await names(database) == ["elsewhere"]


async def test_a_commit_between_a_look_and_the_wait_wakes(database_url: str) -> None:
    """A commit between a read and the following wait is news, wherever it was made."""
    clock = VirtualClock()
    async with open_database(database_url, clock) as database, open_database(database_url, clock) as other:
        for number, committer in enumerate((other, database, other)):
            mark = database.signals.mark()
            assert len(await names(database)) == number
            await committer.transact(put(str(number)))
            with anyio.fail_after(BOUND):
                await database.signals.wait(LONG, since=mark)


async def test_no_commit_is_missed_between_two_waits(database_url: str) -> None:
    """However fast commits follow each other, a loop of read and wait sees the last commit."""
    clock = VirtualClock()
    async with open_database(database_url, clock) as database, open_database(database_url, clock) as other:
        with anyio.fail_after(PATIENCE_SECONDS):
            async with anyio.create_task_group() as group:
                group.start_soon(until, database, 60)
                for number in range(60):
                    await other.transact(put(f"{number:02}"))


async def test_a_wait_ends_by_itself(database: Database) -> None:
    """Without a commit a wait returns after its time, at once where none is left."""
    with anyio.fail_after(BOUND):
        await database.signals.wait(0.01)
        await database.signals.wait(0)
        await database.signals.wait(-1)


async def test_nobody_waiting_costs_no_connection(postgres: PostgresServer, clock: FakeClock) -> None:
    """A process that only reads holds no listening session at the server."""
    url = postgres.database()
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
    async with open_database(url, clock) as database:
        await names(database)
        with psycopg.connect(url) as connection:
            assert connection.execute(query).fetchone() == (0,)


@pytest.mark.real_time  # the server is another process
async def test_the_wake_survives_a_restarted_server(postgres: PostgresServer) -> None:
    """After the server was away, waiters are woken by commits again."""
    url, clock = postgres.database(), VirtualClock()
    async with open_database(url, clock) as database, open_database(url, clock) as other:
        with anyio.fail_after(PATIENCE_SECONDS):
            async with anyio.create_task_group() as group:
                group.start_soon(until, database, 2)
                await other.transact(put("before"))
                await to_thread.run_sync(postgres.stop)
                await to_thread.run_sync(postgres.start)
                await other.transact(put("after"))


async def test_a_file_that_cannot_be_looked_at_ends_nothing(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the disk fails, waiters fall back on their own time limits, and the process lives on."""
    reads: list[object] = []

    def broken(connection: object) -> int:
        reads.append(connection)
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(commit_notifier, "_data_version", broken)
    async with open_database(f"sqlite:///{tmp_path / 'v.sqlite3'}", clock) as database:
        with anyio.fail_after(BOUND):
            await database.signals.wait(0.01)
            while len(reads) < 3:
                clock.advance(1)
                await anyio.sleep(0.01)


def about(*topics: str) -> Callable[[Connection], None]:
    """Return work that touches these."""

    def work(connection: Connection) -> None:
        for topic in topics:
            commit_notifier.touch(connection, topic)

    return work


async def test_a_commit_wakes_only_who_waits_for_what_it_touched(database: Database) -> None:
    """A waiter for a change, the outbox or the trail is woken by its commits alone; a waiter for anything, by all."""
    named = ("change:chg_1", commit_notifier.OUTBOX, commit_notifier.AUDIT, commit_notifier.ANY)

    async def woken(*topics: str) -> set[str]:
        marks = {name: database.signals.mark(name) for name in named}
        await database.transact(about(*topics))
        return {name for name, mark in marks.items() if mark.is_set()}

    assert await woken("change:chg_1") == {"change:chg_1", commit_notifier.ANY}
    assert await woken("change:chg_2", commit_notifier.OUTBOX) == {commit_notifier.OUTBOX, commit_notifier.ANY}
    assert await woken() == set(named)
    mark = database.signals.mark()
    await database.transact(about("change:chg_1"), wake=False)
    assert not mark.is_set()


@pytest.mark.real_time  # the server is another process
async def test_other_processes_hear_what_a_commit_touched(postgres: PostgresServer) -> None:
    """On PostgreSQL the wake names it, so that a commit about one change costs the other processes no read."""
    url, clock = postgres.database(), VirtualClock()
    async with open_database(url, clock) as database, open_database(url, clock) as other:
        async with anyio.create_task_group() as group:
            group.start_soon(database.signals.wait, LONG)
            group.start_soon(until, database, 1)
            await other.transact(put("both listen"))
            group.cancel_scope.cancel()
        before = database.signals.mark("change:before")  # wakes come in order: none of earlier commits is left
        await other.transact(about("change:before"))
        with anyio.fail_after(PATIENCE_SECONDS):
            await database.signals.wait(LONG, since=before)
        elsewhere, mine = database.signals.mark("change:chg_2"), database.signals.mark("change:chg_1")
        await other.transact(about("change:chg_1"))
        with anyio.fail_after(PATIENCE_SECONDS):
            await database.signals.wait(LONG, since=mine)
        assert not elsewhere.is_set()
        long = [f"change:chg_{number:0200}" for number in range(50)]
        await other.transact(about(*long))
        with anyio.fail_after(PATIENCE_SECONDS):  # more than a wake can name is about everything
            await database.signals.wait(LONG, since=elsewhere)


async def let_file_be_checked(clock: FakeClock) -> None:
    """Let the check of the file, which is all that sleeps here, be made once more."""
    with anyio.fail_after(BOUND):
        for seconds in (commit_notifier.LOOK_SECONDS, 0):
            await eventually(lambda: bool(clock._sleepers))
            clock.advance(seconds)


async def test_ones_own_commits_and_heartbeats_wake_once(tmp_path: Path) -> None:
    """On SQLite the check of the file does not take this process's own writes, or a heartbeat, for news."""
    url, clock = f"sqlite:///{tmp_path / 'v.sqlite3'}", FakeClock()
    async with (
        open_database(url, clock) as database,
        open_database(url, clock) as other,
        anyio.create_task_group() as group,
    ):
        group.start_soon(until, database, 99)
        await let_file_be_checked(clock)
        await database.transact(put("here"))
        await other.transact(put("a heartbeat"), wake=False)
        mark = database.signals.mark()
        await let_file_be_checked(clock)
        assert not mark.is_set()
        await other.transact(put("there"))
        await let_file_be_checked(clock)
        assert mark.is_set()
        group.cancel_scope.cancel()
