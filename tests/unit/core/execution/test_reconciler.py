"""The reconciler's rounds: due work is done once, and interrupted work is resumed, whatever the date."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import anyio
import pytest
import sqlalchemy as sa

from tests.fakes.clock import START, FakeClock
from tests.harness.patience import LOOK_SECONDS
from tests.unit.core.harness import BOUND, VOTERS
from tests.unit.core.sample import change, put
from vpsops.core.changes import repository, serialization
from vpsops.core.changes.model import Change, State, Verdict, Vote
from vpsops.core.common.supervision import Supervisor
from vpsops.core.common.timings import DEFAULT_TIMING
from vpsops.core.execution.reconciler import Reconciler
from vpsops.core.policy.decision import Decision, Ruling
from vpsops.core.storage import Database, open_database
from vpsops.core.storage.leases import Process
from vpsops.core.storage.tables import CHANGES, OUTBOX, PROCESSES

APPROVE = Ruling(Decision.APPROVE, votes=2)
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Kept:
    """A keeper, what it asked for, and the table it keeps."""

    database: Database
    clock: FakeClock
    keeper: Reconciler
    ran: list[str] = field(default_factory=list)
    running: set[str] = field(default_factory=set)
    watched: list[float] = field(default_factory=list)

    async def has(self, current: Change, *, owner: str | None = None, remind_in: float | None = None) -> None:
        """Let the table hold a change."""
        remind = START + timedelta(seconds=remind_in) if remind_in is not None else None
        await self.database.transact(lambda connection: put(connection, current, owner=owner, remind_at=remind))

    async def beats(self, name: str, ago: float) -> None:
        """Let the last beat of another process be some seconds ago."""

        def work(connection: sa.Connection) -> None:
            beat = self.database.tick(connection) - ago
            connection.execute(PROCESSES.delete().where(PROCESSES.c.id == name))
            connection.execute(PROCESSES.insert().values(id=name, front="slack", started_at=0.0, beat=beat))

        await self.database.transact(work)

    async def now(self, change_id: str = "chg_1") -> Change:
        """Return a change as it is."""
        return await self.database.read(lambda connection: repository.load(connection, change_id))

    async def notices(self) -> list[str]:
        """Return the notices to people."""
        query = sa.select(OUTBOX.c.payload).where(OUTBOX.c.kind == "notice").order_by(OUTBOX.c.id)
        rows = await self.database.read(lambda connection: connection.scalars(query).all())
        return [row["event"] for row in rows]


@pytest.fixture
async def kept(database_url: str) -> AsyncIterator[Kept]:
    clock, ran, running, watched = FakeClock(), list[str](), set[str](), list[float]()
    async with open_database(database_url, clock) as database:
        process = Process(database, clock, "cli", id="cli-1-here")
        await process.beat()
        keeper = Reconciler(database, clock, process, DEFAULT_TIMING, ran.append, lambda: running, watched.append)
        yield Kept(database, clock, keeper, ran, running, watched)


def held(seconds: float = 900.0, **more: Any) -> Change:
    return change(state=State.HELD, sent_at=None, expires_at=START + timedelta(seconds=seconds), **more)


@pytest.mark.requirement("hold-expires")
async def test_a_hold_expires_when_its_time_is_over_and_not_before(kept: Kept) -> None:
    """Without an answer it ends, people are notified once, and the server is free for the next."""
    await kept.has(held(900))
    kept.clock.advance(899)
    await kept.keeper.round()
    assert (await kept.now()).state is State.HELD
    kept.clock.advance(1)
    await kept.keeper.round()
    await kept.keeper.round()
    assert (await kept.now()).state is State.EXPIRED
    assert await kept.notices() == ["expired"]
    await kept.has(replace(held(), id="chg_2"))


async def test_two_keepers_expire_a_hold_once(kept: Kept) -> None:
    """Every process keeps; the step is with the first of them."""
    await kept.has(held(0))
    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(kept.keeper.round)
    assert await kept.notices() == ["expired"]


async def test_voters_are_reminded_once(kept: Kept) -> None:
    """Half-way more people are asked, near the end those who may vote are reminded, and then it is left alone."""
    await kept.has(held(900, ruling=APPROVE), remind_in=450.0)
    seen = []
    for seconds in (449, 1, 269, 1, 100):
        kept.clock.advance(seconds)
        await kept.keeper.round()
        seen.append(await kept.notices())
    assert seen == [[], ["unanswered"], ["unanswered"], ["unanswered", "reminder"], ["unanswered", "reminder"]]
    assert (await kept.now()).state is State.HELD


async def test_a_hold_with_a_vote_asks_nobody_else(kept: Kept) -> None:
    """One of two has voted by half-way: only the reminder follows."""
    await kept.has(held(900, ruling=APPROVE), remind_in=450.0)
    vote = Vote(VOTERS[0], Verdict.APPROVE, "", "", START)
    await kept.database.transact(lambda connection: repository.add_vote(connection, "chg_1", vote))
    for seconds in (450, 270):
        kept.clock.advance(seconds)
        await kept.keeper.round()
    assert await kept.notices() == ["reminder"]


@pytest.mark.requirement("escalation")
async def test_what_was_missed_while_nobody_kept_is_made_up_for(kept: Kept) -> None:
    """Both times passed without a running process: both notices are sent at once, each once."""
    await kept.has(held(900, ruling=APPROVE), remind_in=450.0)
    kept.clock.advance(800)
    await kept.keeper.round()
    await kept.keeper.round()
    assert await kept.notices() == ["unanswered", "reminder"]


@pytest.mark.requirement("holds-cost-nothing")
async def test_a_thousand_holds_ask_for_nothing(kept: Kept) -> None:
    """Waiting for people starts no run and no watch."""
    holds = [held(id=f"chg_{number}") for number in range(1000)]
    rows = [{**serialization.change_values(hold), "key": None, "lock": None} for hold in holds]
    await kept.database.transact(lambda connection: connection.execute(CHANGES.insert(), rows))
    with anyio.fail_after(BOUND):
        await kept.keeper.round()
    assert (kept.ran, kept.watched) == ([], [])


async def test_what_was_just_approved_is_left_to_who_approved_it(kept: Kept) -> None:
    """Its own process starts the run at once; a keeper steps in a moment later, once that has not happened."""
    await kept.has(change(state=State.APPROVED, sent_at=None))
    await kept.keeper.round()
    assert kept.ran == []
    kept.clock.advance(2)
    await kept.keeper.round()
    assert kept.ran == ["chg_1"]


async def test_a_living_process_keeps_its_runs(kept: Kept) -> None:
    """Approved and sending changes are with their process until it is dead for five seconds."""
    await kept.has(change(state=State.APPROVED, sent_at=None), owner="slack-2-there")
    await kept.has(
        change(id="chg_2", state=State.SENDING, target=replace(held().target, id="s2")), owner="slack-2-there"
    )
    kept.clock.advance(4)
    await kept.beats("slack-2-there", 4.0)
    await kept.keeper.round()
    assert (kept.ran, (await kept.now("chg_2")).state) == ([], State.SENDING)
    await kept.beats("slack-2-there", 6.0)
    await kept.keeper.round()
    assert (kept.ran, (await kept.now("chg_2")).state) == (["chg_1"], State.UNKNOWN)
    assert kept.watched


async def test_ones_own_runs_are_taken_up_when_they_broke_off(kept: Kept) -> None:
    """A live run is left alone; one that stopped before its end is restarted, or queried."""
    await kept.has(change(state=State.APPROVED, sent_at=None), owner="cli-1-here")
    await kept.has(change(id="chg_2", state=State.SENDING, target=replace(held().target, id="s2")), owner="cli-1-here")
    kept.running.update({"chg_1", "chg_2"})
    kept.clock.advance(3)
    await kept.keeper.round()
    assert (kept.ran, (await kept.now("chg_2")).state) == ([], State.SENDING)
    kept.running.clear()
    await kept.keeper.round()
    assert (kept.ran, (await kept.now("chg_2")).state) == (["chg_1"], State.UNKNOWN)


async def test_a_date_set_back_keeps_nothing_waiting(kept: Kept) -> None:
    """A change approved an hour ahead of the present date runs at once; one that is being sent is queried."""
    await kept.has(change(state=State.APPROVED, sent_at=None, updated_at=START + HOUR))
    late = change(id="chg_2", state=State.SENDING, target=replace(held().target, id="s2"), updated_at=START + HOUR)
    await kept.has(late, owner="slack-2-gone")
    await kept.keeper.round()
    assert (kept.ran, (await kept.now("chg_2")).state) == (["chg_1"], State.UNKNOWN)


async def test_the_newest_of_those_to_watch_is_told(kept: Kept) -> None:
    """The watching process thereby learns what another one sent."""
    await kept.has(change(age=500.0))
    await kept.has(change(id="chg_2", state=State.UNKNOWN, age=3.0, target=replace(held().target, id="s2")))
    await kept.keeper.round()
    assert kept.watched == [(START - timedelta(seconds=3)).timestamp()]


async def test_a_round_that_breaks_ends_nobody(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it was: the supervisor logs it, and the keeper keeps on."""
    rounds: list[float] = []

    async def broken(_: Reconciler) -> None:
        rounds.append(kept.clock.monotonic())
        raise ValueError("'paused' is not a valid State")

    monkeypatch.setattr(Reconciler, "round", broken)
    with anyio.fail_after(BOUND):
        async with anyio.create_task_group() as group:
            Supervisor(kept.clock).start("reconciler", kept.keeper.keep, group=group)
            while len(rounds) < 3:
                kept.clock.advance(1)
                await anyio.sleep(LOOK_SECONDS)
            group.cancel_scope.cancel()


async def test_an_approval_is_not_reminded_of_when_it_is_decided(kept: Kept) -> None:
    """The reminder is of holds alone."""
    ruling = Ruling(Decision.APPROVE, votes=1)
    await kept.has(change(state=State.WATCHING, ruling=ruling), remind_in=-1.0)
    await kept.keeper.round()
    assert await kept.notices() == []


async def test_a_round_over_many_runs_reaches_them_all(kept: Kept) -> None:
    """More runs of one's own than one round takes do not hide another's orphans."""
    runs = [change(id=f"chg_{number}", state=State.APPROVED, sent_at=None) for number in range(150)]
    rows = [{**serialization.change_values(run), "key": None, "lock": None, "owner": "cli-1-here"} for run in runs]
    await kept.database.transact(lambda connection: connection.execute(CHANGES.insert(), rows))
    old = sa.update(CHANGES).where(CHANGES.c.id == "chg_149").values(owner="slack-2-gone", created_at=0.0)
    await kept.database.transact(lambda connection: connection.execute(old))
    kept.running.update(f"chg_{number}" for number in range(149))
    kept.clock.advance(3)
    await kept.keeper.round()
    assert kept.ran == ["chg_149"]
