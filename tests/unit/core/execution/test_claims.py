"""Claims are oldest first, shared between processes, and a backlog starves no change."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import anyio
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.fakes.clock import START, FakeClock
from tests.unit.core.sample import change
from vpsops.core.changes import serialization
from vpsops.core.changes.model import Change, State
from vpsops.core.common.timings import DEFAULT_TIMING
from vpsops.core.config.settings import Settings
from vpsops.core.console.checks import Level
from vpsops.core.diagnostics.database import check_queues
from vpsops.core.execution import claims
from vpsops.core.execution.card_refresh import mine_to_refresh
from vpsops.core.execution.poller import watched
from vpsops.core.execution.reconciler import BATCH, LEAST, Reconciler
from vpsops.core.operations.target import Target
from vpsops.core.storage import Database, open_database
from vpsops.core.storage.leases import Process
from vpsops.core.storage.tables import CHANGES

BACKLOG = 10_000
EVERYTHING = sa.true()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url, FakeClock()) as opened:
        yield opened


async def backlog(database: Database, state: State, count: int = BACKLOG, **more: Any) -> list[str]:
    """Store that many changes of one state, the oldest first, and return their ids in that order."""
    values = serialization.change_values(change(state=state, updated_at=START - timedelta(hours=1), **more))
    stamp = (START - timedelta(days=1)).timestamp()
    rows = [
        {**values, "id": f"chg_{number:05}", "created_at": stamp + number, "key": None, "lock": f"server:{number}"}
        for number in range(count)
    ]
    await database.transact(lambda connection: connection.execute(sa.insert(CHANGES), rows))
    return [row["id"] for row in rows]


def keeper_of(database: Database, ran: list[str], running: Sequence[str] = ()) -> Reconciler:
    process = Process(database, database.clock, "cli")
    held = frozenset(running)
    return Reconciler(database, database.clock, process, DEFAULT_TIMING, ran.append, lambda: held, lambda _: None)


@pytest.mark.requirement("claims-oldest-first")
async def test_the_oldest_of_a_backlog_are_run_first(database: Database) -> None:
    ids = await backlog(database, State.APPROVED, sent_at=None)
    ran: list[str] = []
    await keeper_of(database, ran).round()
    assert ran == ids[:BATCH]


async def test_a_process_with_its_hands_full_takes_few_more(database: Database) -> None:
    """The others take the rest."""
    ids = await backlog(database, State.APPROVED, 2 * BATCH, sent_at=None)
    ran: list[str] = []
    await keeper_of(database, ran, running=[f"chg_x{number}" for number in range(BATCH)]).round()
    assert ran == ids[:LEAST]


@pytest.mark.requirement("claims-oldest-first")
@pytest.mark.parametrize("state", [State.SENDING, State.HELD])
async def test_the_oldest_of_what_has_to_be_settled_come_first(database: Database, state: State) -> None:
    ids = await backlog(database, state, expires_at=START - timedelta(minutes=1))
    await keeper_of(database, []).round()
    query = sa.select(CHANGES.c.id).where(CHANGES.c.state != state.value).order_by(CHANGES.c.created_at)
    assert list(await database.read(lambda connection: connection.scalars(query).all())) == ids[:BATCH]


async def test_steps_that_break_do_not_stand_before_the_others_for_ever(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole batch of the oldest breaks: the next round takes the ones after them."""
    ids = await backlog(database, State.SENDING, BATCH + 1)
    keeper, sound = keeper_of(database, []), "chg_sound"

    def broken(_: Connection, current: Change, __: object) -> Change:
        nonlocal sound
        if current.id != ids[-1]:
            raise ZeroDivisionError
        sound = current.id
        return current

    monkeypatch.setattr("vpsops.core.execution.reconciler.orphan", broken)
    await keeper.round()
    await keeper.round()
    assert sound == ids[-1]


async def test_everything_that_was_sent_is_watched(database: Database) -> None:
    """More than ten thousand are watched, too."""
    ids = await backlog(database, State.WATCHING, BACKLOG + 5)
    assert [item.id for item in await database.read(watched)] == ids
    assert len(await mine_to_refresh(database, "me")) == BACKLOG + 5


async def test_what_cannot_be_read_is_passed_over_however_much_of_it_is_there(database: Database) -> None:
    ids = await backlog(database, State.APPROVED, BATCH + 1, sent_at=None)
    bad = sa.update(CHANGES).where(CHANGES.c.id != ids[-1]).values(target=[])
    await database.transact(lambda connection: connection.execute(bad))
    for _ in range(2):
        ran: list[str] = []
        await keeper_of(database, ran).round()
        assert ran == [ids[-1]]
        free = sa.update(CHANGES).values(owner=None, updated_at=0.0)
        await database.transact(lambda connection: connection.execute(free))  # noqa: B023 - run before it continues
    versions = sa.select(sa.func.max(CHANGES.c.version)).where(CHANGES.c.id != ids[-1])
    assert await database.read(lambda connection: connection.scalar(versions)) == 1


@pytest.mark.requirement("claims-oldest-first")
async def test_several_processes_share_a_backlog(database: Database) -> None:
    """No change is with two, and none of the oldest is left out."""
    ids = await backlog(database, State.APPROVED, 400, sent_at=None)
    taken: dict[str, list[str]] = {}

    async def take(owner: str) -> None:
        work = partial(claims.claim, where=CHANGES.c.owner.is_(None), owner=owner, now=0.0, limit=50)
        taken[owner] = await database.transact(work)

    async with anyio.create_task_group() as group:
        for number in range(4):
            group.start_soon(take, f"cli-{number}")
    results = [ident for some in taken.values() for ident in some]
    assert sorted(results) == ids[:200]
    assert all(some == sorted(some) for some in taken.values())


async def test_a_claim_says_whose_the_change_is(database: Database) -> None:
    (ident,) = await backlog(database, State.APPROVED, 1, sent_at=None, target=Target("s1", "web01"))
    await database.transact(lambda connection: claims.claim(connection, EVERYTHING, "me", 5.0, 9))
    row = sa.select(CHANGES.c.id, CHANGES.c.owner, CHANGES.c.version, CHANGES.c.updated_at)
    assert (await database.read(lambda connection: connection.execute(row).one())) == (ident, "me", 2, 5.0)


async def test_doctor_says_how_much_waits_and_for_how_long(database: Database) -> None:
    """Depth and age of each queue; approved changes that wait for over a minute are a warning."""
    (result,) = await check_queues(database, Settings())
    assert result.level is Level.OK
    assert result.what == "0 changes to run; 0 messages to people; 0 deliveries from Slack"
    await backlog(database, State.APPROVED, 3, sent_at=None)
    (result,) = await check_queues(database, Settings())
    assert (result.level, result.what.split(";")[0]) == (Level.WARN, "3 changes to run, the oldest for 3600 s")
