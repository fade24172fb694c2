"""A database of each kind, opened with a clock that the test moves."""

from collections.abc import AsyncIterator

import pytest

from tests.fakes.clock import FakeClock
from vpsops.core.storage import Database, open_database

BUSY = 0.4


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def database(database_url: str, clock: FakeClock) -> AsyncIterator[Database]:
    async with open_database(database_url, clock, busy=BUSY) as opened:
        yield opened
