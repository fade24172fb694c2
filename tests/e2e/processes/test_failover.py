"""Databases that are moved or go back under real processes: one effect, a finding, and a change for a person."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.scenarios import ON_POSTGRES, ON_SQLITE, wrong
from tests.fakes.storage.postgres import PostgresServer, running_postgres

pytestmark = [pytest.mark.slow, pytest.mark.real_time]


@pytest.fixture
def own_postgres(postgres: PostgresServer) -> Iterator[PostgresServer]:
    """A server that the test may stop: the others' keeps running."""
    del postgres
    with running_postgres() as server:
        yield server


@pytest.mark.requirement("store-went-back")
@pytest.mark.parametrize("name", ON_SQLITE)
async def test_nothing_is_sent_twice_from_another_file(name: str, tmp_path: Path) -> None:
    """The process that has the moved file open, and the one that finds another at the path."""
    outcome = await ON_SQLITE[name](tmp_path)
    assert wrong(outcome) == [], outcome.log[-3000:]
    assert ("database_file_moved" in outcome.log) is (name == "a moved file")


@pytest.mark.requirement("store-went-back")
@pytest.mark.parametrize("name", ON_POSTGRES)
async def test_nothing_is_sent_twice_after_a_failover(name: str, own_postgres: PostgresServer, tmp_path: Path) -> None:
    """A standby that lagged takes over: with and without a process that has seen what it lacks."""
    outcome = await ON_POSTGRES[name](own_postgres, tmp_path)
    assert wrong(outcome) == [], outcome.log[-3000:]
