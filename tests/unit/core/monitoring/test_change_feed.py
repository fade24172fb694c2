"""Every stored change of any process is reported, in order, without gaps."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import anyio
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.fakes.clock import START
from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.virtual_time import VirtualClock
from tests.unit.core.sample import change, put
from vpsops.core.audit import chain
from vpsops.core.changes import repository
from vpsops.core.changes.model import State
from vpsops.core.common.errors import StorageError
from vpsops.core.monitoring import change_feed
from vpsops.core.monitoring.change_feed import ChangeEvent
from vpsops.core.operations.target import Target
from vpsops.core.storage import Database, open_database
from vpsops.core.storage.tables import AUDIT

CLOCK = VirtualClock()


@dataclass
class NewsListener:
    """A listener that records the news it gets."""

    heard: list[ChangeEvent] = field(default_factory=list)
    called: anyio.Event = field(default_factory=anyio.Event)

    def __call__(self, events: Sequence[ChangeEvent]) -> None:
        self.heard += events
        self.called.set()

    async def until(self, count: int) -> list[ChangeEvent]:
        with anyio.fail_after(PATIENCE_SECONDS):
            while len(self.heard) < count:
                await self.called.wait()
                self.called = anyio.Event()
        return self.heard


@asynccontextmanager
async def following(database: Database) -> AsyncIterator[NewsListener]:
    ear, ready = NewsListener(), anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(change_feed.follow, database, CLOCK, ear, ready)
        with anyio.fail_after(PATIENCE_SECONDS):
            await ready.wait()
        yield ear
        group.cancel_scope.cancel()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url, CLOCK) as opened:
        yield opened


async def test_another_processs_steps_are_heard(database: Database, database_url: str) -> None:
    """A change stored and moved by another process is reported with its server; only a sent write can alter that."""
    held = change(state=State.HELD)
    async with following(database) as ear, open_database(database_url, CLOCK) as other:
        await other.transact(lambda connection: put(connection, held))
        (event,) = await ear.until(1)
        assert (event.change, event.target, event.touched) == ("chg_1", held.target, False)
        await other.transact(lambda c: repository.step(c, held, State.APPROVED, START, event="confirmed"))
        approved = replace(held, state=State.APPROVED, version=2)
        await other.transact(lambda c: repository.step(c, approved, State.SENDING, START, event="sending"))
        event = (await ear.until(3))[-1]
    assert (event.change, event.touched) == ("chg_1", True)
    assert [item.seq for item in ear.heard] == [1, 2, 3]


async def test_what_was_before_is_not_news(database: Database) -> None:
    """Only what is stored after the start is reported."""
    await database.transact(lambda connection: put(connection, change(state=State.HELD)))
    async with following(database) as ear:
        await database.transact(lambda c: chain.append(c, 1.0, "refused", None, {}))
        assert [item.seq for item in await ear.until(1)] == [2]


async def test_a_made_server_and_a_drifted_one_are_named(database: Database) -> None:
    """A create is about the server it made; drift is about the server that drifted; a refusal about none."""
    made = change("create", State.WATCHING, result={"id": "s9"})
    drift = {"server": "s1", "hostname": "web01.example.com"}

    def work(connection: Connection) -> None:
        put(connection, made)
        chain.append(connection, 1.0, "drift", None, drift)
        chain.append(connection, 1.0, "refused", None, {})

    async with following(database) as ear:
        await database.transact(work)
        create, drifted, refused = await ear.until(3)
    assert create.target is not None
    assert create.target.id == "s9"
    assert (drifted.target, drifted.touched) == (Target("s1", "web01.example.com"), True)
    assert (refused.change, refused.target, refused.touched) == ("", None, False)


async def test_a_page_of_news_is_followed_by_the_next(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """More records than fit a page are all reported, in order."""
    monkeypatch.setattr(change_feed, "PAGE", 2)

    def work(connection: Connection) -> None:
        for _ in range(5):
            chain.append(connection, 1.0, "refused", None, {})

    async with following(database) as ear:
        await database.transact(work)
        assert [item.seq for item in await ear.until(5)] == [1, 2, 3, 4, 5]


def _run(connection: Connection, query: sa.Insert) -> None:
    connection.execute(query)


@pytest.mark.parametrize("trouble", [StorageError("away"), ValueError("a bug")])
async def test_trouble_ends_nothing(database: Database, monkeypatch: pytest.MonkeyPatch, trouble: Exception) -> None:
    """A database that is away, or a bug, delays the news and loses none."""
    monkeypatch.setattr(change_feed, "AWAY", 0.01)
    monkeypatch.setattr(change_feed, "BROKEN", 0.01)
    real, left = change_feed.after, [trouble, trouble]

    def after(connection: Connection, seq: int) -> list[ChangeEvent]:
        if left:
            raise left.pop()
        return real(connection, seq)

    async with following(database) as ear:
        monkeypatch.setattr(change_feed, "after", after)
        await database.transact(lambda c: chain.append(c, 1.0, "refused", None, {}))
        assert [item.seq for item in await ear.until(1)] == [1]
    assert not left


async def test_a_record_that_cannot_be_read_is_news_of_nothing(database: Database) -> None:
    """An altered record, or one about many servers, names none."""
    async with following(database) as ear:
        for text in ("{", "[]", '{"server": 5}', '{"servers": ["a", "b"]}'):
            values = {"at": 1.0, "event": "drift", "change_id": None, "record": text, "previous": "", "hash": ""}
            seq = len(ear.heard) + 1
            await database.transact(partial(_run, query=AUDIT.insert().values(seq=seq, **values)))
            await ear.until(seq)
    assert {(item.target, item.touched) for item in ear.heard} == {(None, True)}
