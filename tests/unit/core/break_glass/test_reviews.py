"""The table of a review's states, and its reminders: at growing intervals, once each, until it is closed."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import anyio
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.unit.core.break_glass.test_overrides import ON_CALL, overridden, policy, reviewed
from tests.unit.core.harness import Setup, Stage, staged
from vpsops.core.break_glass import repository as reviews
from vpsops.core.break_glass.model import (
    REVIEW_STEPS,
    Review,
    ReviewState,
    check_review_step,
    next_reminder,
)
from vpsops.core.break_glass.reminders import ReviewReminders
from vpsops.core.changes.model import IllegalStepError
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.config.settings import Settings
from vpsops.core.diagnostics.reviews import check_reviews
from vpsops.core.server.metrics_snapshot import read_snapshot
from vpsops.core.storage import Database, open_database
from vpsops.core.storage.tables import REVIEWS
from vpsops.playground.wayscloud.serve import SimulatorHandle

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
REMINDER = "review_reminder"


@pytest.fixture
async def stage(database_url: str, provider: SimulatorHandle) -> AsyncIterator[Stage]:
    async with staged(database_url, provider, Setup(policy=policy())) as set_stage:
        yield set_stage


@pytest.mark.parametrize("before", list(ReviewState))
@pytest.mark.parametrize("after", list(ReviewState))
def test_an_open_review_closes_and_nothing_else_happens(before: ReviewState, after: ReviewState) -> None:
    if (before, after) == (ReviewState.OPEN, ReviewState.CLOSED):
        check_review_step(before, after)
        return
    with pytest.raises(IllegalStepError):
        check_review_step(before, after)


def test_the_table_has_every_state() -> None:
    assert set(REVIEW_STEPS) == set(ReviewState)


@pytest.mark.parametrize(
    ("reminders", "hours"), [(0, 1), (1, 2), (2, 4), (3, 8), (4, 16), (5, 24), (6, 24), (400, 24), (10**6, 24)]
)
def test_intervals_double_up_to_a_day(reminders: int, hours: int) -> None:
    assert next_reminder(NOW, reminders) == NOW + timedelta(hours=hours)


async def count(stage: Stage) -> int:
    return sum(notice["event"].startswith(REMINDER) for notice in await stage.notices())


async def make_due(database: Database, change_id: str, at: datetime) -> None:
    def work(connection: Connection) -> None:
        connection.execute(sa.update(REVIEWS).where(REVIEWS.c.change_id == change_id).values(remind_at=at.timestamp()))

    await database.transact(work)


async def review(database: Database, change_id: str) -> Review:
    stored = await database.read(lambda connection: reviews.load(connection, change_id))
    assert stored is not None
    return stored


@pytest.mark.requirement("override-reviewed")
async def test_reminders_come_until_it_is_closed(stage: Stage) -> None:
    """The first not before its time; none after the review is closed."""
    stage.server("web01")
    held = await stage.ask("reboot", server="web01")
    await overridden(stage, held)
    reminders = ReviewReminders(stage.database, stage.clock)
    opened = await review(stage.database, held.id)
    assert opened.remind_at == opened.opened_at + HOUR
    for number in range(1, 4):
        await make_due(stage.database, held.id, stage.clock.now())
        assert (await reminders.round(), await count(stage)) == (1, number)
        assert await reminders.round() == 0
        after = await review(stage.database, held.id)
        assert after.reminders == number
        assert after.remind_at is not None
        assert after.remind_at > stage.clock.now() + HOUR * 1.5
    await reviewed(stage, held)
    assert await reminders.round() == 0
    assert (await review(stage.database, held.id)).remind_at is None


async def test_a_reminder_that_another_process_took_is_not_sent_again(stage: Stage, database_url: str) -> None:
    """Two processes that read the same due review store one reminder, whichever commits first."""
    stage.server("web01")
    held = await stage.ask("reboot", server="web01")
    await overridden(stage, held)
    await make_due(stage.database, held.id, stage.clock.now())
    async with open_database(database_url, stage.clock) as other:
        here, there = (ReviewReminders(database, stage.clock) for database in (stage.database, other))
        stored = list[int]()

        async def remind(worker: ReviewReminders) -> None:
            stored.append(await worker.round())

        async with anyio.create_task_group() as group:
            for worker in (here, there, here, there):
                group.start_soon(remind, worker)
    assert (sum(stored), await count(stage)) == (1, 1)


async def test_doctor_and_metrics_count_open_reviews(stage: Stage) -> None:
    """Nothing is said without one."""
    assert list(await check_reviews(stage.database, Settings())) == []
    stage.server("web01")
    held = await stage.ask("reboot", server="web01")
    await overridden(stage, held)
    (finding,) = await check_reviews(stage.database, Settings())
    assert "not reviewed: 1" in finding.what
    snapshot = await stage.database.read(lambda connection: read_snapshot(connection, 0.0, 0.0))
    assert snapshot.reviews == 1
    await reviewed(stage, held)
    assert list(await check_reviews(stage.database, Settings())) == []


async def test_a_stale_reminder_is_refused(stage: Stage) -> None:
    """By the number of reminders that was read, not by a time that a clock may repeat."""
    stage.server("web01")
    held = await stage.ask("reboot", server="web01")
    await overridden(stage, held)
    read, now = await review(stage.database, held.id), stage.clock.now()
    assert await stage.database.transact(lambda connection: reviews.take_reminder(connection, read, now))
    assert not await stage.database.transact(lambda connection: reviews.take_reminder(connection, read, now))


async def test_reminders_survive_a_restart(database_url: str, provider: SimulatorHandle) -> None:
    """The next process reminds of a review that was opened before it started."""
    async with staged(database_url, provider, Setup(policy=policy())) as first:
        first.server("web01")
        held = await first.ask("reboot", server="web01")
        await overridden(first, held, ON_CALL)
        await first.rest(held.id)
        await make_due(first.database, held.id, first.clock.now())
    async with staged(database_url, provider, Setup(policy=policy())) as second:
        assert await ReviewReminders(second.database, second.clock).round() == 1
        closed = await reviewed(second, await second.changes.get(held.id, scope=OPERATOR))
        assert closed.override is not None
        assert closed.override.reviewed_at is not None
