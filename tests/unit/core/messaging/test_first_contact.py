"""The first start of a bot is stored: only that one deletes what was stored before it."""

from datetime import timedelta

from sqlalchemy.engine import Connection

from tests.fakes.clock import FakeClock
from vpsops.core.messaging import outbox
from vpsops.core.messaging.first_contact import delete_history, is_recorded
from vpsops.core.storage import Database


async def store(database: Database, clock: FakeClock, topic: str) -> None:
    """Store a message that waits."""

    def work(connection: Connection) -> None:
        outbox.put(connection, topic, "event", {"text": topic}, clock.now())

    await database.transact(work)


async def start(database: Database, clock: FakeClock, late: float = 1.0) -> int:
    """Start a bot some seconds from now; return how many messages it deletes as history."""
    at = clock.now() + timedelta(seconds=late)
    return await database.transact(lambda connection: delete_history(connection, at))


async def test_the_first_start_deletes_and_is_stored(database: Database, clock: FakeClock) -> None:
    assert not await database.read(is_recorded)
    await store(database, clock, "old")
    assert await start(database, clock) == 1
    assert await database.read(is_recorded)


async def test_a_bot_that_was_killed_before_it_posted_anything_loses_nothing(
    database: Database, clock: FakeClock
) -> None:
    """What was stored between its first start and its second is news, not history."""
    assert await start(database, clock) == 0
    await store(database, clock, "between")
    assert await start(database, clock) == 0
