"""Retention: delivered or abandoned rows are deleted in time; changes, votes and the trail stay for ever."""

import itertools

import anyio
import pytest
import sqlalchemy as sa
from pydantic import ValidationError

from tests.fakes.clock import FakeClock
from tests.fakes.timing import QUICK
from tests.harness.patience import PATIENCE_SECONDS
from tests.unit.core.storage import samples
from vpsops.core.app.process_parts import open_parts
from vpsops.core.app.services import engine_parts_of
from vpsops.core.common.errors import StorageError
from vpsops.core.common.redaction import Redactor
from vpsops.core.config.settings import Settings
from vpsops.core.execution import retention
from vpsops.core.execution.engine import Engine
from vpsops.core.execution.retention import Retention, RetentionDays, forget
from vpsops.core.storage import Database, open_database
from vpsops.core.storage.tables import AUDIT, COPIES, INBOX, OUTBOX

BOUND = PATIENCE_SECONDS
DAY = 86400.0
NOW = 1000 * DAY


def message(number: int, state: str, days: float) -> dict[str, object]:
    """Return a message of so many days ago."""
    return {**samples.ROWS["outbox"], "id": number, "state": state, "created_at": NOW - days * DAY}


def delivery(key: str, days: float, *, done: bool) -> dict[str, object]:
    """Return a delivery of so many days ago."""
    at = NOW - days * DAY
    return {"key": key, "kind": "click", "payload": {}, "received_at": at, "done_at": at if done else None}


def fill(connection: sa.Connection) -> None:
    """Store old and young of everything."""
    messages = [
        message(11, "waiting", 6.9),
        message(12, "waiting", 7.1),
        message(13, "dead", 29.9),
        message(14, "dead", 30.1),
    ]
    deliveries = [
        delivery("young", 6.9, done=True),
        delivery("old", 7.1, done=True),
        delivery("unfinished", 100, done=False),
    ]
    copies = [{**samples.ROWS["copies"], "ts": str(days), "at": NOW - days * DAY} for days in (89, 91)]
    for table, rows in ((OUTBOX, messages), (INBOX, deliveries), (COPIES, copies)):
        connection.execute(sa.insert(table), rows)


async def test_only_what_is_of_no_use_is_forgotten(database: Database) -> None:
    """Each kind has its time; unfinished rows stay until they are finished."""
    await database.transact(fill)
    assert await database.transact(lambda connection: forget(connection, NOW)) == 4
    assert await database.transact(lambda connection: forget(connection, NOW)) == 0

    def left(connection: sa.Connection) -> list[list[object]]:
        return [sorted(connection.scalars(sa.select(item))) for item in (OUTBOX.c.id, INBOX.c.key, COPIES.c.ts)]

    assert await database.read(left) == [[11, 13], ["unfinished", "young"], ["89"]]


async def test_an_operator_decides_for_how_long_some_of_it_is_kept(database: Database) -> None:
    """By the settings, whose bounds keep a message given up no longer than its card is known."""
    await database.transact(fill)
    days = RetentionDays(dead=31, copies=92)
    assert await database.transact(lambda connection: forget(connection, NOW, days)) == 2
    assert await database.transact(lambda connection: forget(connection, NOW)) == 2
    for name, low, high in (("VPSOPS_KEEP_GIVEN_UP_DAYS", 7, 90), ("VPSOPS_KEEP_CARDS_DAYS", 90, 3650)):
        for fitting in (low, high):
            Settings.model_validate({name: fitting})
        for other in (low - 1, high + 1):
            with pytest.raises(ValidationError):
                Settings.model_validate({name: other})


async def test_the_settings_reach_the_task(database_url: str) -> None:
    """A process deletes by what it was started with."""
    settings = Settings.model_validate({"VPSOPS_DATABASE_URL": database_url, "VPSOPS_KEEP_CARDS_DAYS": 91})
    async with open_database(database_url, FakeClock()) as database:
        await database.transact(fill)
    async with open_parts(settings, "cli", FakeClock(), QUICK, Redactor()) as parts:
        assert Engine(engine_parts_of(parts, settings))._retention.days == RetentionDays(30, 91)
        parts.group.cancel_scope.cancel()


@pytest.mark.requirement("storage-keeps")
async def test_changes_and_the_trail_are_never_forgotten(database: Database) -> None:
    """However old they are, nothing takes them away."""
    await database.transact(samples.fill)
    before = await database.read(samples.contents)
    await database.transact(lambda connection: forget(connection, 1e12))
    after = await database.read(samples.contents)
    assert [name for name in before if after[name] != before[name]] == ["accounts", "copies", "outbox"]
    assert after[AUDIT.name] == before[AUDIT.name] != []


async def test_it_is_done_every_hour_and_outlives_a_fault(
    database: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that is away once is tidied the next time."""
    calls: list[float] = []

    def faulty(_: sa.Connection, now: float, days: RetentionDays) -> int:
        assert days == RetentionDays()
        calls.append(now)
        if len(calls) == 1:
            raise StorageError("away")
        return 0

    monkeypatch.setattr(retention, "forget", faulty)
    with anyio.fail_after(BOUND):
        async with anyio.create_task_group() as group:
            group.start_soon(Retention(database, clock).keep)
            while len(calls) < 3:
                clock.advance(1800)
                await database.read(lambda _: None)
            group.cancel_scope.cancel()
    assert all(later - sooner >= 3600 for sooner, later in itertools.pairwise(calls))
