"""The inbox: every delivery is stored once before it is acknowledged, and none is forgotten half done."""

from datetime import timedelta

import anyio
import pytest
import sqlalchemy as sa

from core.inbox import Delivery, Inbox
from core.retention import forget
from core.storage import Database
from core.storage.tables import INBOX
from tests.fakes.clock import START, FakeClock

BOUND = 5.0
PAYLOAD = {"text": "reboot web01", "nested": {"list": [1, "two", None]}, "name": "Åsa \u0000"}


@pytest.fixture
def inbox(database: Database, clock: FakeClock) -> Inbox:
    return Inbox(database, clock)


async def test_a_redelivery_is_known(inbox: Inbox) -> None:
    """The same key is accepted once, whatever comes with it the second time."""
    assert await inbox.accept("env-1", "command", PAYLOAD)
    assert not await inbox.accept("env-1", "command", {"other": True})
    assert await inbox.accept("env-2", "command", PAYLOAD)


async def test_of_many_same_deliveries_at_once_one_is_accepted(inbox: Inbox) -> None:
    """Slack may deliver a click to several connections in the same instant."""
    accepted: list[bool] = []

    async def accept() -> None:
        accepted.append(await inbox.accept("env-1", "click", PAYLOAD))

    with anyio.fail_after(BOUND):
        async with anyio.create_task_group() as group:
            for _ in range(12):
                group.start_soon(accept)
    assert sorted(accepted) == [False] * 11 + [True]


async def test_what_was_not_finished_is_found_again(inbox: Inbox, clock: FakeClock) -> None:
    """After a crash the unfinished come back as they were, oldest first; the young are left to who has them."""
    await inbox.accept("env-1", "command", PAYLOAD)
    clock.advance(10)
    await inbox.accept("env-2", "click", {})
    clock.advance(10)
    await inbox.accept("env-3", "click", {})
    await inbox.done("env-2")
    assert await inbox.unfinished(older_than=5) == [Delivery("env-1", "command", PAYLOAD, START)]
    clock.advance(5)
    later = START + timedelta(seconds=20)
    assert [(one.key, one.received_at) for one in await inbox.unfinished(older_than=5)] == [
        ("env-1", START),
        ("env-3", later),
    ]


async def test_a_finished_delivery_keeps_its_key_and_not_its_words(
    inbox: Inbox, database: Database, clock: FakeClock
) -> None:
    """The key guards against a redelivery for a week; what people wrote is gone at once."""
    await inbox.accept("env-1", "command", PAYLOAD)
    await inbox.done("env-1")
    payloads = await database.read(lambda connection: list(connection.scalars(sa.select(INBOX.c.payload))))
    assert payloads == [{}]
    clock.advance(6.9 * 86400)
    await database.transact(lambda connection: forget(connection, clock.now().timestamp()))
    assert not await inbox.accept("env-1", "command", PAYLOAD)


async def test_finishing_what_was_never_here_is_nothing(inbox: Inbox) -> None:
    """A key that is not known is not an error."""
    await inbox.done("unknown")
    assert await inbox.unfinished(older_than=0) == []
