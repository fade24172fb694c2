"""What doctor, the scheduled list and the metrics say of servers' ends."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from tests.browser.surfaces.samples import SERVER_END
from tests.harness.virtual_time import VirtualClock
from vpsops.cli.ends.command import list_ends
from vpsops.cli.schedule.command import list_scheduled
from vpsops.core.config.settings import Settings
from vpsops.core.diagnostics.ends import check_ends
from vpsops.core.ends import repository
from vpsops.core.ends.model import EndState, ServerEnd
from vpsops.core.server.metrics_snapshot import read_snapshot
from vpsops.core.storage import Database, open_database
from vpsops.core.storage.leases import Process

HOUR = timedelta(hours=1)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url, VirtualClock()) as opened:
        yield opened


def coming(database: Database, **values: object) -> ServerEnd:
    """Return an end in an hour, with other values where a test names them."""
    now = database.clock.now()
    end = replace(SERVER_END, made_at=now - HOUR, since=now - HOUR, ends_at=now + HOUR, next_at=now + HOUR)
    return replace(end, **values)  # type: ignore[arg-type] # its own fields


async def put(database: Database, *ends: ServerEnd) -> None:
    for end in ends:
        await database.transact(partial(repository.insert, end=end))


async def found(database: Database) -> list[str]:
    return [finding.what for finding in await check_ends(database, Settings())]


async def test_without_ends_there_is_nothing_to_say(database: Database) -> None:
    assert await found(database) == []


async def test_an_end_that_no_process_watches_is_warned_of(database: Database) -> None:
    await put(database, coming(database))
    (warning,) = await found(database)
    assert "no process watches" in warning
    await Process(database, VirtualClock(), "worker").beat()
    assert await found(database) == []


async def test_overdue_ends_and_questions_are_warned_of(database: Database) -> None:
    await Process(database, VirtualClock(), "worker").beat()
    past = database.clock.now() - HOUR
    late = coming(database, ends_at=past, next_at=past)
    asked = coming(database, server_id="srv-8", change_id="chg_8", state=EndState.ASKED, ends_at=past)
    await put(database, late, asked, coming(database, server_id="srv-7", change_id="chg_7", state=EndState.GONE))
    overdue, questions = await found(database)
    assert "past the end and still not stopped" in overdue
    assert "people were asked" in questions


async def test_the_terminal_lists_ends_and_their_stops(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    """`vpsops ends` has all that are not gone, `vpsops scheduled` the stops that are to come."""
    await list_ends(database)
    await list_scheduled(database, UTC)
    assert capsys.readouterr().out == "No server ends by itself.\nNothing is scheduled.\n"
    at = datetime(2036, 1, 2, 3, 4, tzinfo=UTC)
    stopped = coming(database, server_id="srv-8", change_id="chg_8", state=EndState.STOPPED, hostname="old01")
    await put(database, coming(database, ends_at=at), stopped)
    await list_ends(database)
    listed = capsys.readouterr().out
    assert "old01" in listed
    assert "load01.example.com" in listed
    await list_scheduled(database, UTC)
    scheduled = capsys.readouterr().out
    assert "old01" not in scheduled
    assert "2036-01-02 03:04 UTC" in scheduled
    assert "its end" in scheduled


async def test_metrics_count_ends_by_state(database: Database) -> None:
    other = coming(database, server_id="srv-8", change_id="chg_8", state=EndState.ASKED)
    gone = coming(database, server_id="srv-7", change_id="chg_7", state=EndState.GONE)
    await put(database, coming(database), other, gone)
    snapshot = await database.read(lambda connection: read_snapshot(connection, 0.0, 0.0))
    assert snapshot.ends == {"open": 1, "asked": 1}
