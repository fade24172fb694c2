"""The inbox: every delivery is stored once before it is acknowledged, and none is forgotten half done."""

from datetime import timedelta
from typing import Any

import anyio
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import StatementError

from tests.fakes.clock import START, FakeClock
from tests.harness.patience import PATIENCE_SECONDS
from vpsops.core.common.errors import StorageError
from vpsops.core.execution.retention import forget
from vpsops.core.messaging.inbox import Inbox, InboxDelivery
from vpsops.core.storage import Database, open_database
from vpsops.core.storage.tables import INBOX

BOUND = PATIENCE_SECONDS
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
        accepted.append(bool(await inbox.accept("env-1", "click", PAYLOAD)))

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
    assert await inbox.unfinished(older_than=5) == [
        InboxDelivery("env-1", "command", {**PAYLOAD, "name": "Åsa "}, START)  # without what no database takes
    ]
    clock.advance(5)
    later = START + timedelta(seconds=20)
    assert [(item.key, item.received_at) for item in await inbox.unfinished(older_than=5)] == [
        ("env-1", START),
        ("env-3", later),
    ]


async def test_a_finished_delivery_keeps_its_key_and_not_its_words(
    inbox: Inbox, database: Database, clock: FakeClock
) -> None:
    """The key guards against a redelivery for a week; people's texts are deleted at once."""
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


async def test_triples_that_come_within_one_transaction_are_each_accepted_once(
    inbox: Inbox, database: Database
) -> None:
    """Slack's three deliveries of many clicks, all at once: of each three exactly one is accepted as the first."""
    accepted: dict[str, list[bool]] = {}

    async def accept(key: str) -> None:
        accepted.setdefault(key, []).append(bool(await inbox.accept(key, "click", PAYLOAD)))

    with anyio.fail_after(BOUND):
        async with anyio.create_task_group() as group:
            for number in range(60):
                group.start_soon(accept, f"env-{number % 20}")
    assert {key: sorted(answers) for key, answers in accepted.items()} == {
        f"env-{number}": [False, False, True] for number in range(20)
    }
    assert (
        await database.read(lambda connection: connection.scalar(sa.select(sa.func.count()).select_from(INBOX))) == 20
    )


async def test_two_processes_accept_a_triple_once(database_url: str, clock: FakeClock) -> None:
    """Two processes on one database get the same deliveries at the same moment: one of all is the first."""
    accepted: list[tuple[str, bool]] = []

    async def accept(inbox: Inbox, key: str) -> None:
        accepted.append((key, bool(await inbox.accept(key, "click", PAYLOAD))))

    with anyio.fail_after(BOUND):
        async with open_database(database_url, clock) as database, open_database(database_url, clock) as other:
            inboxes = (Inbox(database, clock), Inbox(other, clock))
            async with anyio.create_task_group() as group:
                for number in range(90):
                    group.start_soon(accept, inboxes[number % 2], f"env-{number // 3}")
    firsts = [key for key, first in accepted if first]
    assert sorted(firsts) == sorted(f"env-{number}" for number in range(30))


async def test_a_row_that_cannot_be_written_fails_alone(inbox: Inbox) -> None:
    """A row that no database takes is reported to its caller; the rest of the same transaction is stored."""
    calls: dict[str, str] = {}

    async def accept(key: str, payload: dict[str, Any]) -> None:
        try:
            calls[key] = str(bool(await inbox.accept(key, "click", payload)))
        except (StatementError, TypeError):  # the drivers call it so
            calls[key] = "failed"

    with anyio.fail_after(BOUND):
        async with anyio.create_task_group() as group:
            for key, payload in (("env-1", {}), ("env-2", {"no": object()}), ("env-3", {})):
                group.start_soon(accept, key, payload)
    assert calls == {"env-1": "True", "env-2": "failed", "env-3": "True"}
    assert {item.key for item in await inbox.unfinished(older_than=0)} == {"env-1", "env-3"}


async def test_a_database_that_is_away_fails_every_caller(database_url: str, clock: FakeClock) -> None:
    """When nothing could be written no caller gets "stored" or "repeated"."""
    calls: list[str] = []

    async def accept(inbox: Inbox, number: int) -> None:
        try:
            calls.append(str(bool(await inbox.accept(f"env-{number}", "click", PAYLOAD))))
        except StorageError:
            calls.append("failed")

    async with open_database(database_url, clock) as database:
        await database.transact(lambda connection: connection.execute(sa.text("DROP TABLE inbox")))
        with anyio.fail_after(BOUND):
            async with anyio.create_task_group() as group:
                for number in range(5):
                    group.start_soon(accept, Inbox(database, clock), number % 2)
                shared = Inbox(database, clock)
                for number in range(5):
                    group.start_soon(accept, shared, number)
    assert calls == ["failed"] * 10


async def test_what_is_in_hand_stays_young(inbox: Inbox, clock: FakeClock) -> None:
    """A process keeps its own from being taken as abandoned, in their order; what no process keeps grows old."""
    for key in ("env-1", "env-2", "env-3"):
        await inbox.accept(key, "command", {})
        clock.advance(1)
    clock.advance(17)
    await inbox.keep(("env-3", "env-1"), 10)
    await inbox.keep((), 10)
    assert [item.key for item in await inbox.unfinished(older_than=15)] == ["env-2"]
    assert [item.key for item in await inbox.unfinished(older_than=0)] == ["env-2", "env-1", "env-3"]


async def test_what_is_acknowledged_next_survives_a_power_cut(inbox: Inbox, database: Database) -> None:
    """Its commit is flushed; losing the mark of a finished delivery is harmless, as repeating it has no effect."""
    if not database.sqlite:
        return
    flushed: list[int] = []
    engines = {id(pool): pool for pool in (database._pools.engines.durable, database._pools.engines.quick)}
    for pool in engines.values():
        sa.event.listen(
            pool, "commit", lambda connection: flushed.append(connection.exec_driver_sql("PRAGMA synchronous").scalar())
        )
    await inbox.accept("env-1", "click", PAYLOAD)
    await inbox.done("env-1")
    assert flushed == [2, 1]  # FULL, NORMAL
