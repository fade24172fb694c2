"""A person's own records: their changes and their acts, the last of them, however many others lie between."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from sqlalchemy.engine import Connection

from tests.harness.virtual_time import VirtualClock
from tests.unit.core.harness import AGENT
from tests.unit.core.sample import change, put
from vpsops.core.audit import chain, queries
from vpsops.core.audit.queries import newest_of
from vpsops.core.changes.audit_entries import person
from vpsops.core.changes.model import State
from vpsops.core.storage import Database, open_database

ME = frozenset({"u1"})
BOB = replace(AGENT, id="mcp:other", human="slack:U2")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url, VirtualClock()) as opened:
        yield opened


def fill(connection: Connection) -> None:
    """Store a change of mine, a vote of mine on another's, and records of others between and after them."""
    put(connection, change(state=State.HELD))
    put(connection, change(state=State.HELD, id="chg_2", actor=BOB, target=replace(change().target, id="s2")))
    chain.append(connection, 1.0, "voted", "chg_2", {"by": {"id": "U1", "name": "alice"}})
    for _ in range(20):
        chain.append(connection, 2.0, "refused", None, {"actor": {"id": "mcp:other", "human": "U2"}})
    chain.append(connection, 3.0, "failed", "chg_1", {"state": "failed"})


async def test_ones_own_records_are_found_among_many(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """What became of my change counts without naming me; records of others do not, across pages too."""
    monkeypatch.setattr(queries, "PAGE", 4)
    await database.transact(fill)
    records = await database.read(lambda connection: newest_of(connection, ME, 10))
    assert [(item.event, item.change_id) for item in records] == [
        ("requested", "chg_1"),
        ("voted", "chg_2"),
        ("failed", "chg_1"),
    ]


async def test_who_takes_ones_name_is_somebody_else(database: Database) -> None:
    """An agent may call itself by another's id; what it asks for is not in the other's trail."""
    liar = replace(BOB, name="U1")
    await database.transact(lambda connection: put(connection, change(state=State.HELD, actor=liar)))
    await database.transact(lambda connection: chain.append(connection, 1.0, "refused", None, {"actor": person(liar)}))
    assert await database.read(lambda connection: newest_of(connection, ME, 10)) == []


async def test_only_the_last_are_returned(database: Database) -> None:
    """At most the newest N are returned; an actor without records gets none."""
    await database.transact(fill)
    last = await database.read(lambda connection: newest_of(connection, ME, 2))
    assert [item.event for item in last] == ["voted", "failed"]
    assert await database.read(lambda connection: newest_of(connection, frozenset({"u9"}), 2)) == []


async def test_the_search_ends_somewhere(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Very old records of a person are not searched: the read stays bounded."""
    monkeypatch.setattr(queries, "PAGE", 4)
    monkeypatch.setattr(queries, "FURTHEST", 8)
    await database.transact(fill)
    records = await database.read(lambda connection: newest_of(connection, ME, 10))
    assert [item.event for item in records] == ["failed"]
