"""What Slack calls its user groups: stored by a bot, read by who has no access to Slack, and words alone."""

from collections.abc import AsyncIterator

import anyio
import pytest
import sqlalchemy as sa

from tests.harness.virtual_time import VirtualClock
from vpsops.core.common.redaction import MASK, Redactor
from vpsops.core.identity import group_names
from vpsops.core.identity.group_names import LONGEST, MOST, NAME, GroupNames
from vpsops.core.storage.database import Database, open_database
from vpsops.core.storage.tables import SWITCHES

SECRET = "wayscloud_vps_0123456789abcdefghijklmnopqrstuvwxyz"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url, VirtualClock()) as opened:
        yield opened


def names_on(database: Database) -> GroupNames:
    return GroupNames(database, VirtualClock(), Redactor((SECRET,)))


async def read(database: Database, *groups: str) -> dict[str, str]:
    return dict(await database.read(lambda connection: group_names.read(connection, groups)))


async def test_a_handle_is_read_by_another_process(database: Database) -> None:
    """Only of the groups that are asked for; one that is not known is left out."""
    assert await read(database, "S0OPS") == {}
    await names_on(database).learn({"S0OPS": "ops", "S0DEV": "dev", "S0NONE": ""})
    assert await read(database, "S0OPS", "S0NONE", "S0FAR") == {"S0OPS": "ops"}


async def test_a_new_handle_takes_the_place_of_the_old_one(database: Database) -> None:
    """The others stay, also those that another bot learned meanwhile."""
    names = names_on(database)
    await names.learn({"S0OPS": "ops"})
    await names_on(database).learn({"S0DEV": "dev"})
    await names.learn({"S0OPS": "on-call"})
    assert await read(database, "S0OPS", "S0DEV") == {"S0OPS": "on-call", "S0DEV": "dev"}


async def test_what_is_stored_is_not_written_again(database: Database) -> None:
    """Each drawing of a card learns; the database is written once."""
    names = names_on(database)
    await names.learn({"S0OPS": "ops"})
    await database.transact(lambda connection: connection.execute(sa.delete(SWITCHES)))
    await names.learn({"S0OPS": "ops"})
    assert await read(database, "S0OPS") == {}


async def test_two_bots_at_once_lose_nothing(database: Database) -> None:
    """The row is locked while it is read and written."""
    async with anyio.create_task_group() as group:
        for number in range(8):
            group.start_soon(names_on(database).learn, {f"S0{number}": f"group-{number}"})
    assert len(await read(database, *(f"S0{number}" for number in range(8)))) == 8


async def test_handles_are_words_from_outside(database: Database) -> None:
    """Without secrets, on one line, bounded; of too many the oldest go."""
    await names_on(database).learn({"S0KEY": SECRET, "S0TWO": "a\nb\u202e", "S0LONG": "x" * 500})
    known = await read(database, "S0KEY", "S0TWO", "S0LONG")
    assert (MASK in known["S0KEY"], known["S0TWO"], len(known["S0LONG"])) == (True, "a b", LONGEST)
    await names_on(database).learn({f"S{number}": "group" for number in range(MOST)})
    assert await read(database, "S0KEY", "S0") == {"S0": "group"}


@pytest.mark.parametrize("stored", [[], "ops", {"S0OPS": 1}, {"S0OPS": None}, {"S0OPS": ""}])
async def test_a_row_that_cannot_be_read_has_no_names(database: Database, stored: object) -> None:
    """And the next handle is stored all the same."""
    row = sa.insert(SWITCHES).values(name=NAME, value=stored, by={}, at=0.0)
    await database.transact(lambda connection: connection.execute(row))
    assert await read(database, "S0OPS") == {}
    await names_on(database).learn({"S0OPS": "ops"})
    assert await read(database, "S0OPS") == {"S0OPS": "ops"}
