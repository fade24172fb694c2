"""The database locked, full, or restarted during a run: nothing more is sent, and nothing is lost."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from functools import partial
from pathlib import Path

import anyio
import psycopg
import pytest
from anyio import to_thread
from sqlalchemy.engine import Connection

from tests.fakes.clock import START
from tests.fakes.storage.postgres import PostgresServer
from tests.harness.patience import PATIENCE_SECONDS
from tests.unit.core.harness import ALICE, Setup, Stage, staged, until
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import StorageError
from vpsops.core.messaging import outbox
from vpsops.playground.wayscloud.serve import SimulatorHandle

IMPATIENT = Setup(busy=0.3)
SLOW = {"seconds": 0.4, "times": 1}


@contextmanager
def locked(database_url: str) -> Iterator[None]:
    """Let another program hold the database's lock."""
    if database_url.startswith("sqlite"):
        with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")
    else:
        with psycopg.connect(database_url) as other:
            other.execute("LOCK TABLE audit_head IN ACCESS EXCLUSIVE MODE")
            yield
            other.rollback()


def bound(connection: Connection) -> None:
    """Let this connection's file grow no more."""
    connection.exec_driver_sql("PRAGMA max_page_count = 1")  # no less than what is there


async def fill(stage: Stage) -> None:
    """Use up what room there is, one message at a time."""
    while True:
        await stage.database.transact(lambda connection: outbox.put_card(connection, "chg_filler", START))


@asynccontextmanager
async def full(stage: Stage) -> AsyncIterator[None]:
    """Let the disk have no room for another step."""
    for durable in (True, False):
        await stage.database.transact(bound, durable=durable)
    with pytest.raises(StorageError, match="disk full"):
        await fill(stage)
    yield
    stage.database._pools.close()  # the next connections have no bound


async def two_on_their_way(stage: Stage) -> tuple[Change, Change]:
    """Bring one change to just before its sending and another to just before its answer."""
    before, after = stage.server("before.example.com"), stage.server("after.example.com")
    first, second = await stage.ask("stop", server=before.id), await stage.ask("stop", server=after.id)
    stage.fault("slow", "get", before.hostname, **SLOW)
    stage.fault("slow", "stop", after.hostname, **SLOW, after_effect=True)
    polls = stage.asked("get")
    for change in (first, second):
        await stage.gate.confirm(change.id, ALICE, change.digest, scope=OPERATOR)
    await until(lambda: stage.effects("stop") == 1 and stage.asked("get") == polls + 2)
    return first, second


async def nothing_more_is_sent(stage: Stage, held: Change, words: str) -> None:
    """Hold that a click is refused in words, and that both runs end with nothing more sent."""
    with pytest.raises(StorageError, match=words):
        await stage.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
    await until(lambda: not stage.engine._runs)
    assert stage.effects("stop") == 1


async def all_goes_on(stage: Stage, held: Change, before: Change, after: Change) -> None:
    """Hold that each change reaches its end, with one effect."""
    assert (await stage.changes.get(held.id, scope=OPERATOR)).state is State.HELD
    await stage.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
    for change in (held, before, after):
        ended = await stage.rest(change.id)
        assert ended.state is State.SUCCEEDED, (ended.state, ended.note)
        assert stage.effects("stop", change.target.hostname) == 1


async def test_a_locked_database_sends_nothing_and_loses_nothing(provider: SimulatorHandle, database_url: str) -> None:
    """The clicker is notified; the approved change runs once the lock is released; an unstored answer is queried."""
    async with staged(database_url, provider, IMPATIENT) as stage:
        held = await stage.ask("stop", server=stage.server("third.example.com").id)
        before, after = await two_on_their_way(stage)
        with locked(database_url):
            await nothing_more_is_sent(stage, held, "locked by another process")
        await all_goes_on(stage, held, before, after)
        assert "sending outcome_unknown" in await stage.events(after.id)


@pytest.mark.requirement("storage-full")
async def test_a_full_disk_sends_nothing_and_loses_nothing(provider: SimulatorHandle, tmp_path: Path) -> None:
    """Without room for the intention nothing is sent; with room again everything resumes by itself."""
    async with staged(f"sqlite:///{tmp_path / 'v.sqlite3'}", provider, IMPATIENT) as stage:
        held = await stage.ask("stop", server=stage.server("third.example.com").id)
        before, after = await two_on_their_way(stage)
        async with full(stage):
            await nothing_more_is_sent(stage, held, "disk full")
        await all_goes_on(stage, held, before, after)
        assert "sending outcome_unknown" in await stage.events(after.id)


async def test_a_restart_of_postgresql_is_gone_through(provider: SimulatorHandle, postgres: PostgresServer) -> None:
    """A crash of the server in the middle of runs, a click during it: all end as if nothing had been."""
    async with staged(postgres.database(), provider) as stage, anyio.create_task_group() as group:
        held = await stage.ask("stop", server=stage.server("third.example.com").id)
        before, after = await two_on_their_way(stage)
        with anyio.fail_after(PATIENCE_SECONDS):
            await to_thread.run_sync(postgres.stop, "immediate")
            group.start_soon(partial(stage.gate.confirm, scope=OPERATOR), held.id, ALICE, held.digest)
            await to_thread.run_sync(postgres.start)
        for change in (held, before, after):
            assert (await stage.rest(change.id)).state is State.SUCCEEDED
            assert stage.effects("stop", change.target.hostname) == 1
