"""Preferences and pauses that another version wrote, or that cannot be read."""

from typing import Any

import pytest
import sqlalchemy as sa

from tests.fakes.clock import START, FakeClock
from tests.unit.core.sample import damage
from vpsops.core.authorization import agent_pause
from vpsops.core.diagnostics.unreadable_rows import unreadable_rows
from vpsops.core.messaging import preferences
from vpsops.core.storage import Database, open_database
from vpsops.core.storage.tables import PREFERENCES, SWITCHES


@pytest.fixture
async def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def database(database_url: str, clock: FakeClock) -> Any:
    async with open_database(database_url, clock) as opened:
        yield opened


async def test_preferences_keep_what_a_newer_version_set(database: Database, clock: FakeClock) -> None:
    await preferences.set_preferences(database, clock, ("T1", "U1"), dm_settled=False)
    newer = {"dm_settled": False, "dm_reminders": True, "sounds": "loud"}
    await database.transact(lambda connection: connection.execute(sa.update(PREFERENCES).values(value=newer)))
    await preferences.set_preferences(database, clock, ("T1", "U1"), dm_reminders=False)
    value = await database.read(lambda connection: connection.scalar(sa.select(PREFERENCES.c.value)))
    assert value == {"dm_settled": False, "dm_reminders": False, "sounds": "loud"}


@pytest.mark.parametrize("value", ["[]", "{"])
async def test_preferences_that_cannot_be_read_are_the_defaults(
    database: Database, clock: FakeClock, value: str
) -> None:
    await preferences.set_preferences(database, clock, ("T1", "U1"), dm_settled=False)
    text = value if database.sqlite else "[]"
    await database.transact(lambda connection: damage(connection, "preferences", "person", "U1", "value", text))
    assert await preferences.preferences_of(database, "T1", "U1") == preferences.Preferences()
    assert [row.table for row in await database.read(unreadable_rows)] == ["preferences"]


async def test_a_pause_that_cannot_be_read_is_a_pause(database: Database) -> None:
    values = {"name": agent_pause.NAME, "value": {"paused": False}, "by": {}, "at": START.timestamp()}
    await database.transact(lambda connection: connection.execute(sa.insert(SWITCHES).values(**values)))
    assert not (await database.read(agent_pause.read)).paused
    text = "{" if database.sqlite else "[]"
    await database.transact(lambda connection: damage(connection, "switches", "name", agent_pause.NAME, "value", text))
    assert (await database.read(agent_pause.read)).paused
