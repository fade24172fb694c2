"""Numbers of an export: what counts as one, to the edge."""

from typing import Any

import pytest
from sqlalchemy.engine import Connection

from tests.fakes.clock import FakeClock
from vpsops.core.audit import chain
from vpsops.core.audit.export import _count
from vpsops.core.storage import open_database

LARGEST = 4_611_686_018_427_387_903


@pytest.mark.parametrize(
    ("value", "counts"),
    [
        (0, True),
        (1, True),
        (LARGEST, True),
        (LARGEST + 1, False),
        (-1, False),
        (True, False),
        (1.0, False),
        ("1", False),
    ],
)
def test_a_number_of_a_record_is_a_whole_one_that_a_database_holds(value: Any, *, counts: bool) -> None:
    """Nothing negative, nothing beyond, and no word for one."""
    assert _count(value) is counts


@pytest.mark.parametrize(("filters", "counts"), [({}, [1000, 1000]), ({"limit": 2}, [2, 2])])
async def test_a_look_at_the_trail_is_of_a_thousand_records(
    empty_database_url: str, filters: dict[str, Any], counts: list[int]
) -> None:
    """Unless fewer are wanted; of one change as of all."""
    async with open_database(empty_database_url, FakeClock()) as database:

        def append(connection: Connection) -> None:
            for number in range(1002):
                chain.append(connection, float(number), "x", "chg_1", {})

        await database.transact(append)
        every = await database.read(lambda connection: chain.read(connection, **filters))
        entry = await database.read(lambda connection: chain.read(connection, change_id="chg_1", **filters))
    assert [len(every), len(entry)] == counts
    assert every[0].seq == entry[0].seq == 1
