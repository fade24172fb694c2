"""What each person set for themselves: defaults, one setting at a time, two at once, and what cannot be read."""

from collections.abc import AsyncIterator

import anyio
import pytest
import sqlalchemy as sa

from tests.harness.virtual_time import VirtualClock
from vpsops.core.messaging.preferences import Preferences, preferences_of, set_preferences
from vpsops.core.storage.database import Database, open_database
from vpsops.core.storage.tables import PREFERENCES

ANNA = ("T1", "UANNA")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url, VirtualClock()) as opened:
        yield opened


async def test_who_never_set_anything_has_the_defaults(database: Database) -> None:
    """Direct messages are on until a person turns them off, and reading stores nothing."""
    assert await preferences_of(database, *ANNA) == Preferences(dm_settled=True, dm_reminders=True)
    count = sa.select(sa.func.count()).select_from(PREFERENCES)
    assert await database.read(lambda connection: connection.execute(count).scalar_one()) == 0


async def test_one_setting_leaves_the_others_as_they_are(database: Database) -> None:
    """Settings are set one by one, and are a person's in one workspace."""
    await set_preferences(database, VirtualClock(), ANNA, dm_settled=False)
    await set_preferences(database, VirtualClock(), ANNA, dm_reminders=False)
    await set_preferences(database, VirtualClock(), ANNA, dm_settled=True)
    assert await preferences_of(database, *ANNA) == Preferences(dm_settled=True, dm_reminders=False)
    assert await preferences_of(database, "T2", "UANNA") == Preferences()


async def test_two_settings_set_at_once_both_hold(database: Database) -> None:
    """Two clicks in the same instant do not undo each other, the very first two included."""

    async def turn_off(name: str) -> None:
        await set_preferences(database, VirtualClock(), ANNA, **{name: False})

    async with anyio.create_task_group() as group:
        for name in ("dm_settled", "dm_reminders"):
            group.start_soon(turn_off, name)
    assert await preferences_of(database, *ANNA) == Preferences(dm_settled=False, dm_reminders=False)


async def test_what_cannot_be_read_counts_as_never_set(database: Database) -> None:
    """A value of another version or of the wrong kind does not suppress a person's messages."""
    odd = {"dm_settled": "no", "dm_reminders": False, "dm_of_a_later_version": True}
    row = sa.insert(PREFERENCES).values(team="T1", person="UANNA", value=odd, at=0.0)
    await database.transact(lambda connection: connection.execute(row))
    assert await preferences_of(database, *ANNA) == Preferences(dm_settled=True, dm_reminders=False)


async def test_a_setting_that_there_is_none_of_is_a_bug(database: Database) -> None:
    """A misspelled name is not stored."""
    with pytest.raises(TypeError):
        await set_preferences(database, VirtualClock(), ANNA, dm_everything=True)
