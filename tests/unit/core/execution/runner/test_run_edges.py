"""A run's last instants: checks that no longer hold, and writes that had been sent or not."""

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import anyio
import pytest
import sqlalchemy as sa

from tests.fakes.clock import FakeClock
from tests.fakes.timing import QUICK
from tests.unit.core.harness import AGENT, ALICE, BOUND, Setup, Stage, said_yes, staged, until
from tests.unit.core.sample import change, put
from vpsops.core.audit import chain
from vpsops.core.authorization import hold_offs
from vpsops.core.authorization.attempts import SendCheck, attempted_since
from vpsops.core.authorization.authorization import UnauthorizedError
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import StaleChangeError
from vpsops.core.common.timings import DEFAULT_TIMING
from vpsops.core.execution.reconciler import Reconciler
from vpsops.core.execution.runner import Runner
from vpsops.core.execution.send_deadline import LateError, SendDeadline, WriteHook
from vpsops.core.limits.model import Limits
from vpsops.core.storage import Database, open_database
from vpsops.core.storage.leases import Process
from vpsops.core.storage.tables import AUDIT, CHANGES, PROCESSES
from vpsops.playground.wayscloud.serve import SimulatorHandle

NEW = {"hostname": "new.example.com", "plan": "vps-4gb-2cpu", "region": "oslo", "os_template": "ubuntu-24.04"}


@pytest.fixture
async def stage(database_url: str, provider: SimulatorHandle) -> AsyncIterator[Stage]:
    async with staged(database_url, provider) as made:
        yield made


def runner_of(stage: Stage) -> Runner:
    """Return the runner of a stage."""
    return stage.engine._runner


async def approved(stage: Stage, owner: str | None = None) -> Change:
    """Return an approved change that no run has begun, claimed by some process or by none."""
    held = await stage.ask("stop", server=stage.server("web.example.com").id)
    await stage.change(held.id, lambda connection, entry: said_yes(connection, entry, owner))
    return await stage.changes.get(held.id, scope=OPERATOR)


async def beats(database: Database, name: str, ago: float) -> None:
    """Let the last beat of some process be some seconds ago."""

    def work(connection: sa.Connection) -> None:
        connection.execute(PROCESSES.delete().where(PROCESSES.c.id == name))
        beat = database.tick(connection) - ago
        connection.execute(PROCESSES.insert().values(id=name, front="slack", started_at=0.0, beat=beat))

    await database.transact(work)


@pytest.mark.requirement("sent-once")
async def test_what_a_living_process_runs_is_not_claimed(stage: Stage) -> None:
    """Its owner beats: the change stays with it, and the provider is asked for nothing."""
    await beats(stage.database, "slack-2-there", 0.0)
    taken = await approved(stage, owner="slack-2-there")
    await runner_of(stage).run(taken.id)
    assert (await stage.changes.get(taken.id, scope=OPERATOR)).state is State.APPROVED
    assert stage.asked("stop") == 0


@pytest.mark.parametrize("owner", [None, "slack-2-gone"])
async def test_what_a_dead_process_or_nobody_runs_is_claimed(stage: Stage, owner: str | None) -> None:
    """A process's own interrupted run is claimed, too."""
    if owner is not None:
        await beats(stage.database, owner, 60.0)
    await stage.engine.start()
    left = await approved(stage, owner=owner)
    await runner_of(stage).run(left.id)
    assert (await stage.rest(left.id)).state is State.SUCCEEDED
    assert stage.effects("stop") == 1


async def test_what_this_process_left_broken_off_is_claimed_again(stage: Stage) -> None:
    """The process's own name on the row does not keep it from claiming the change."""
    await stage.engine.start()
    left = await approved(stage, owner=stage.process.id)
    await runner_of(stage).run(left.id)
    assert (await stage.rest(left.id)).state is State.SUCCEEDED


@pytest.mark.parametrize("limits", [Limits(protected=frozenset({"web*"})), Limits(max_servers=0)])
@pytest.mark.requirement("protected-servers")
async def test_a_server_protected_since_the_hold_is_not_changed(
    database_url: str, provider: SimulatorHandle, limits: Limits
) -> None:
    """The request came before the protection; the process that runs it knows of it, and sends nothing."""
    async with staged(database_url, provider, Setup(front="slack")) as asking:
        stop = await asking.ask("stop", server="web01")
        create = await asking.ask("create", ALICE, **NEW)
    async with staged(database_url, provider, Setup(limits=limits)) as running:
        await running.gate.confirm(stop.id, ALICE, stop.digest, scope=OPERATOR)
        await running.gate.confirm(create.id, ALICE, create.digest, scope=OPERATOR)
        ended = {item.operation: await running.rest(item.id) for item in (stop, create)}
    refused = "stop" if limits.protected else "create"
    assert ended[refused].state is State.SUPERSEDED
    assert ended[refused].note.startswith("Nothing was sent. The limit ")
    assert running.asked(refused) == 0
    assert running.effects("stop" if refused == "create" else "create") == 1


@pytest.mark.requirement("stale-is-superseded")
async def test_a_price_that_changed_since_the_hold_supersedes(
    stage: Stage, provider: SimulatorHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The approved price was lower: nothing is made, and the note has both prices."""
    held = await stage.ask("create", ALICE, **NEW)
    dialect = provider.simulator.dialect
    plans = {code: replace(plan, price=plan.price + 1) for code, plan in dialect.catalogue.plans.items()}
    monkeypatch.setattr(dialect, "catalogue", replace(dialect.catalogue, plans=plans))
    await stage.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
    ended = await stage.rest(held.id)
    assert (ended.state, stage.asked("create")) == (State.SUPERSEDED, 0)
    assert f"the price was {held.cost}, is " in ended.note


@pytest.mark.parametrize(("asked", "seconds"), [({}, 0.4), ({"retry_after": 0.1}, 0.1)])
async def test_a_429_holds_back_also_where_it_says_no_time(
    database_url: str,
    provider: SimulatorHandle,
    monkeypatch: pytest.MonkeyPatch,
    asked: dict[str, Any],
    seconds: float,
) -> None:
    """As long as the provider asks, else twenty gaps between writes; then it is sent, once."""
    hold_off, waits = hold_offs.hold_off, list[float]()

    def noted(connection: sa.Connection, noted_change: Change, now: float, wait: float) -> hold_offs.HoldOff:
        waits.append(wait)
        return hold_off(connection, noted_change, now, wait)

    monkeypatch.setattr("vpsops.core.execution.deferral.hold_off", noted)
    async with staged(database_url, provider, Setup(replace(QUICK, write_gap=0.02))) as stage:
        stage.fault("status", "stop", status=429, times=1, **asked)
        ended = await stage.done("stop", server=stage.server("web.example.com").id)
    assert (ended.state, stage.effects("stop"), waits) == (State.SUCCEEDED, 1, [seconds])


async def cancelled_while_sending(stage: Stage, change: Change) -> Change:
    """Run a change, stop its process while the provider has the write, and return what is stored."""
    stage.engine._runs.add(change.id)  # as the engine notes what it runs: its rounds leave it alone
    async with anyio.create_task_group() as group:
        group.start_soon(runner_of(stage).run, change.id)
        await until(lambda: stage.asked("stop") == 1)
        group.cancel_scope.cancel()
    return await stage.changes.get(change.id, scope=OPERATOR)


@pytest.mark.requirement("never-repeated")
async def test_what_is_told_to_stop_after_its_write_has_left_is_unclear(stage: Stage) -> None:
    """The provider has it: it is queried, and never approved again, which would send it twice."""
    await stage.process.beat()
    stage.fault("slow", "stop", seconds=1.0, after_effect=False)
    left = await cancelled_while_sending(stage, await approved(stage))
    assert left.state is State.UNKNOWN
    assert "stopped before an answer came" in left.note
    assert (await stage.events(left.id)).endswith("sending outcome_unknown")


async def test_what_is_told_to_stop_before_its_write_leaves_waits_for_the_next_process(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing left: it is approved again."""
    await stage.process.beat()
    change = await approved(stage)
    sending = anyio.Event()

    async def stuck(_api: object, _server: str, departure: WriteHook) -> None:
        await departure.connected()
        sending.set()
        await anyio.sleep_forever()

    monkeypatch.setattr("vpsops.core.wayscloud.client.Wayscloud.stop_server", stuck)
    stage.engine._runs.add(change.id)  # as the engine notes what it runs: its rounds leave it alone
    async with anyio.create_task_group() as group:
        group.start_soon(runner_of(stage).run, change.id)
        with anyio.fail_after(BOUND):
            await sending.wait()
        group.cancel_scope.cancel()
    again = await stage.changes.get(change.id, scope=OPERATOR)
    assert (again.state, stage.asked("stop")) == (State.APPROVED, 0)
    assert (await stage.events(change.id)).endswith("sending not_processed")
    assert "stopped before it was sent" in again.note


@dataclass
class Beating:
    """A process, and its database, as a fence sees them."""

    certain: bool = True
    in_place: bool = True
    last_beat: float = 0.0

    @property
    def database(self) -> "Beating":
        """Return itself: it has the fields that callers read."""
        return self


@pytest.mark.parametrize(
    ("process", "at", "passes"),
    [
        (Beating(), 2.0, True),
        (Beating(), 2.001, False),
        (Beating(certain=False), 1.0, False),
        (Beating(in_place=False), 1.0, False),
    ],
    ids=["at its last instant", "late", "not surely alive", "on a moved file"],
)
def test_a_fence_is_passed_in_time_by_a_process_that_surely_lives(process: Any, at: float, *, passes: bool) -> None:
    """A write that is held back was not sent, and one that passed was."""
    clock = FakeClock()
    clock.advance(at)
    sending = WriteHook(change(), _nothing, SendDeadline(process, clock, 2.0))
    if passes:
        sending.before_send()
    else:
        sending.left = True  # a redirect, answered
        with pytest.raises(LateError):
            sending.before_send()
    assert sending.left is passes


async def _nothing() -> tuple[Change, SendDeadline]:
    raise AssertionError


async def test_a_write_whose_intention_is_not_stored_does_not_leave() -> None:
    """The order is fixed: connected, stored, sent."""
    with pytest.raises(AssertionError):
        WriteHook(change(), _nothing).before_send()


async def test_an_approved_change_without_an_owner_is_run_while_another_process_lives(database_url: str) -> None:
    """Its approver's process died before claiming it: any keeper takes it up, though others beat."""
    clock, ran = FakeClock(), list[str]()
    async with open_database(database_url, clock) as database:
        process = Process(database, clock, "cli", id="cli-1-here")
        await process.beat()
        await beats(database, "slack-2-there", 0.0)
        current = change(state=State.APPROVED, sent_at=None)
        await database.transact(lambda connection: put(connection, current))
        clock.advance(2)
        await process.beat()
        await beats(database, "slack-2-there", 0.0)
        keeper = Reconciler(database, clock, process, DEFAULT_TIMING, ran.append, frozenset, lambda _: None)
        await keeper.round()
    assert ran == ["chg_1"]


async def paused_and_run(stage: Stage, change: Change, runner: Runner) -> Change:
    """Run an approved change, and return its stored state."""
    moved = CHANGES.update().where(CHANGES.c.id == change.id).values(state="approved")
    await stage.database.transact(lambda connection: connection.execute(moved))
    await runner.run(change.id)
    return await stage.changes.get(change.id, scope=OPERATOR)


async def test_a_change_of_an_agent_is_not_begun_while_agents_are_paused(stage: Stage) -> None:
    """Approved before the pause: cancelled, naming who paused agents, and the provider is not even queried."""
    held = await stage.ask("stop", AGENT, server="web01")
    await stage.gate.pause_agents(ALICE, paused=True, reason="drill", scope=OPERATOR)
    polls = stage.asked("get")
    ended = await paused_and_run(stage, held, runner_of(stage))
    assert (ended.state, stage.asked("get"), stage.asked("stop")) == (State.CANCELLED, polls, 0)
    assert "alice paused them" in ended.note


async def test_agents_paused_during_the_last_look_send_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The switch is read once more in the transaction that stores the intention."""
    held = await stage.ask("stop", AGENT, server="web01")
    check = Runner._check

    async def meanwhile(runner: Runner, change: Change) -> SendCheck | None:
        await stage.gate.pause_agents(ALICE, paused=True, scope=OPERATOR)
        return await check(runner, change)

    monkeypatch.setattr(Runner, "_check", meanwhile)
    ended = await paused_and_run(stage, held, runner_of(stage))
    assert (ended.state, stage.asked("stop")) == (State.CANCELLED, 0)


async def test_a_run_that_breaks_is_counted_and_ends_at_the_third(stage: Stage) -> None:
    """Each break is on record with its number and its error; the change is free for others until the last."""
    change = await approved(stage, owner=stage.process.id)
    states: list[str] = []
    for number in range(1, 5):
        with suppress(StaleChangeError):
            await runner_of(stage).claims.note_break(change.id, f"err_{number}")
        states.append((await stage.changes.get(change.id, scope=OPERATOR)).state.value)
    assert states == ["approved", "approved", "failed", "failed"]
    records = await stage.database.read(lambda connection: chain.read(connection, change_id=change.id))
    broken = [record.body for record in records if record.event == "run_broke"]
    assert [(item["attempt"], item["error"]) for item in broken] == [(1, "err_1"), (2, "err_2"), (3, "err_3")]
    assert "err_3" in (await stage.changes.get(change.id, scope=OPERATOR)).note


async def test_a_break_of_what_another_living_process_runs_is_not_counted(stage: Stage) -> None:
    """The process that took the run over counts its own failures."""
    await beats(stage.database, "slack-2-there", 0.0)
    change = await approved(stage, owner="slack-2-there")
    await runner_of(stage).claims.note_break(change.id, "err_1")
    assert "run_broke" not in await stage.events(change.id)


@pytest.mark.parametrize(
    ("events", "begun"),
    [
        ("requested confirmed", 0.0),
        ("requested confirmed sending", 3.0),
        ("requested confirmed sending held_back sending held_back", 3.0),
        ("requested confirmed sending not_processed sending", 3.0),
        ("requested confirmed sending run_broke sending held_back", 5.0),
    ],
)
async def test_attempts_are_counted_from_the_first_of_those_in_a_row(stage: Stage, events: str, begun: float) -> None:
    """They do not count from the request, which may have waited for people for an hour."""
    held = await stage.ask("stop", server="web01")

    def work(connection: sa.Connection) -> float:
        connection.execute(AUDIT.delete())
        for at, event in enumerate(events.split(), 1):
            chain.append(connection, float(at), event, held.id, {})
        return attempted_since(held, connection)

    assert await stage.database.transact(work) == begun


@pytest.mark.parametrize("more", [False, True])
async def test_a_change_of_too_many_records_has_no_first_attempt(stage: Stage, more: bool) -> None:
    """A part of its records proves nothing about the rest; a change has about ten."""
    held = await stage.ask("stop", server="web01")
    row = {"at": 3.0, "event": "held_back", "change_id": held.id, "record": "{}", "previous": "", "hash": ""}
    rows = [row | {"seq": seq} for seq in range(1, 1_001 + more)]

    def work(connection: sa.Connection) -> float:
        connection.execute(AUDIT.delete())
        connection.execute(AUDIT.insert(), rows)
        return attempted_since(held, connection)

    if not more:
        assert await stage.database.transact(work) == 3.0
        return
    with pytest.raises(UnauthorizedError, match="more than 1,000 records"):
        await stage.database.transact(work)


class Judge:
    """A continuity check that records which heads were judged, and which runs had begun by then."""

    def __init__(self, ran: list[str]) -> None:
        self.ran = ran
        self.judged: list[tuple[str, tuple[str, ...]]] = []
        self.mark = None

    def view(self, _connection: sa.Connection, _mark: object) -> str:
        return "seen"

    async def judge(self, view: str) -> None:
        self.judged.append((view, tuple(self.ran)))


async def test_a_round_judges_the_database_before_it_runs_anything(database_url: str) -> None:
    """A change approved in a database that went back is not run by that very round."""
    clock, ran = FakeClock(), list[str]()
    judge: Any = Judge(ran)
    async with open_database(database_url, clock) as database:
        process = Process(database, clock, "cli", id="cli-1-here")
        await process.beat()
        current = change(state=State.APPROVED, sent_at=None)
        await database.transact(lambda connection: put(connection, current))
        clock.advance(2)
        await process.beat()
        keeper = Reconciler(
            database, clock, process, DEFAULT_TIMING, ran.append, frozenset, lambda _: None, continuity=judge
        )
        await keeper.round()
    assert (ran, judge.judged) == (["chg_1"], [("seen", ())])
