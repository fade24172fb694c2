"""Plans through the gate: one question, and each member a change of its own, in order, once."""

import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import structlog
from sqlalchemy.engine import Connection

from tests.fakes.timing import QUICK
from tests.unit.core.harness import AGENT, ALICE, VOTERS, Setup, Stage
from tests.unit.core.plans.plan_stage import Planner, staged
from vpsops.core.authorization.discrepancies import discrepancies
from vpsops.core.changes import repository
from vpsops.core.changes.model import Change, State, Verdict
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.changes.serialization import origin_values
from vpsops.core.common.errors import NotAllowedError, StorageError
from vpsops.core.execution.plans import worker
from vpsops.core.plans.model import MemberState, PlanMember
from vpsops.core.plans.repository import move_member
from vpsops.playground.wayscloud.hardware.model import ServerState
from vpsops.playground.wayscloud.serve import SimulatorHandle


@pytest.fixture
async def stage(database_url: str, provider: SimulatorHandle) -> AsyncIterator[Stage]:
    async with staged(database_url, provider) as opened:
        yield opened


@pytest.fixture
def planner(stage: Stage) -> Planner:
    return Planner(stage)


@pytest.mark.requirement("plan-once")
async def test_a_plan_runs_its_members_one_after_another(planner: Planner) -> None:
    """One confirmation, three changes in the order of the names, none before the one before it has ended."""
    names = planner.add_servers(3)
    plan = await planner.done("app*")
    assert (plan.state, plan.note) == (State.SUCCEEDED, "3 of 3 done.")
    changes = await planner.changes_of(plan.id)
    assert [change.target.hostname for change in changes] == names
    assert [change.state for change in changes] == [State.SUCCEEDED] * 3
    for earlier, later in itertools.pairwise(changes):
        assert earlier.settled_at is not None
        assert earlier.settled_at <= later.created_at
    assert planner.stage.effects("reboot") == 3
    assert [what async for what in discrepancies(planner.stage.database)] == []


async def test_nothing_is_done_before_the_question_is_answered(planner: Planner) -> None:
    """A held plan has no change of a member, and locks no server."""
    planner.add_servers(2)
    plan = await planner.held("app*")
    assert next(fact.line for fact in plan.facts) == "Servers: app001.example.com, app002.example.com"
    assert await planner.changes_of(plan.id) == []
    single = await planner.stage.done("reboot", server="app001")
    assert single.state is State.SUCCEEDED


async def test_votes_of_the_plan_count_for_each_member(planner: Planner) -> None:
    """An agent's plan needs its two votes once; the members are sent by them, and the trail carries each."""
    planner.add_servers(2)
    plan = await planner.held("app*", actor=AGENT)
    for voter in VOTERS[:2]:
        await planner.stage.gate.vote(plan.id, voter, Verdict.APPROVE, plan.digest, scope=OPERATOR)
    plan = await planner.end(plan.id)
    assert plan.state is State.SUCCEEDED, plan.note
    events = [await planner.stage.events(change.id) for change in await planner.changes_of(plan.id)]
    assert events == ["requested approved sending sent succeeded"] * 2
    assert [what async for what in discrepancies(planner.stage.database)] == []


@pytest.mark.requirement("plan-once")
async def test_the_first_failure_stops_the_rest(planner: Planner) -> None:
    """The provider refuses one member: those after it are not started, and the end says all of it."""
    planner.add_servers(4)
    planner.stage.fault("status", "reboot", "app002.example.com", status=409)
    plan = await planner.done("app*")
    assert plan.state is State.FAILED
    assert await planner.states(plan.id) == ["done", "failed", "not_run", "not_run"]
    assert plan.note.startswith("1 of 4 done; 1 failed (app002.example.com")
    assert "2 not started (app003.example.com, app004.example.com)" in plan.note
    assert planner.stage.effects("reboot") == 1


async def test_failures_up_to_stop_after_do_not_stop_it(planner: Planner) -> None:
    """With stop_after 2 one failure is passed, and the plan still ends as failed."""
    planner.add_servers(3)
    planner.stage.fault("status", "reboot", "app001.example.com", status=409)
    plan = await planner.done("app*", stop_after=2)
    assert plan.state is State.FAILED
    assert await planner.states(plan.id) == ["failed", "done", "done"]


async def test_a_member_that_left_or_moved_is_skipped(planner: Planner) -> None:
    """What is not as it was shown is not touched, and is no failure."""
    planner.add_servers(3)
    plan = await planner.held("app*")
    world = planner.stage.provider.simulator.world
    stopped = next(server for server in world.servers() if server.hostname == "app001.example.com")
    world.override(stopped, ServerState.STOPPED, None, None)
    await planner.stage.gate.confirm(plan.id, ALICE, plan.digest, scope=OPERATOR)
    plan = await planner.end(plan.id)
    assert plan.state is State.SUCCEEDED
    assert await planner.states(plan.id) == ["skipped", "done", "done"]
    assert "1 skipped (app001.example.com: app001.example.com is stopped.)" in plan.note
    assert planner.stage.effects("reboot") == 2


async def test_several_at_once_are_never_more(planner: Planner) -> None:
    """With at_once 2 two members run together, and a third begins when one of them has ended."""
    planner.add_servers(5)
    plan = await planner.done("app*", at_once=2)
    assert plan.state is State.SUCCEEDED
    changes = await planner.changes_of(plan.id)
    for change in changes:
        together = [
            other
            for other in changes
            if other.created_at <= change.created_at and other.settled_at and other.settled_at > change.created_at
        ]
        assert len(together) <= 2


async def test_a_pause_is_kept_between_members(planner: Planner) -> None:
    """The next member begins no sooner than the pause after the end of the one before."""
    planner.add_servers(2)
    plan = await planner.done("app*", pause=30)
    first, second = await planner.changes_of(plan.id)
    assert first.settled_at is not None
    assert (second.created_at - first.settled_at).total_seconds() >= 30
    assert plan.state is State.SUCCEEDED


async def test_a_running_plan_is_stopped_after_the_member_that_runs(planner: Planner) -> None:
    """Its asker stops it: what has begun goes on to its end, the rest is not started."""
    planner.add_servers(3)
    plan = await planner.confirmed("app*", pause=600)
    await planner.stage.changes.wait(
        plan.id, seconds=60, until=lambda change: change.note.startswith("1 of 3 done"), scope=OPERATOR
    )
    stopped = await planner.stage.gate.stop_plan(plan.id, ALICE, scope=OPERATOR)
    assert stopped.state is State.WATCHING
    plan = await planner.end(plan.id)
    assert plan.state is State.FAILED
    assert await planner.states(plan.id) == ["done", "not_run", "not_run"]
    assert plan.note.endswith("Stopped by alice.")
    assert planner.stage.effects("reboot") == 1


@pytest.mark.parametrize("waits_for", ["the pace of writes", "a 429"])
async def test_a_member_that_is_held_back_is_not_sent_once_its_plan_was_stopped(
    database_url: str, provider: SimulatorHandle, waits_for: str
) -> None:
    """It has begun, and nothing of it has left: who stops the plan finds its server as it was."""
    timing = replace(QUICK, write_gap=60.0, write_burst=1) if waits_for == "the pace of writes" else QUICK
    async with staged(database_url, provider, Setup(timing=timing)) as stage:
        planner = Planner(stage)
        planner.add_servers(2)
        if waits_for == "a 429":
            stage.fault("status", "reboot", "app002.example.com", status=429, times=1, retry_after=60.0)
        plan = await planner.confirmed("app*")
        await stage.changes.wait(
            plan.id, seconds=60, until=lambda now: now.note.startswith("1 of 2 done; app002"), scope=OPERATOR
        )
        await stage.clock.sleep(10)
        await stage.gate.stop_plan(plan.id, ALICE, scope=OPERATOR)
        await stage.changes.wait(plan.id, seconds=300, until=lambda now: now.state.final, scope=OPERATOR)
        assert await planner.states(plan.id) == ["done", "failed"]
        assert stage.effects("reboot", "app002.example.com") == 0
        assert "Its plan was stopped by alice." in (await planner.changes_of(plan.id))[-1].note


async def test_a_stranger_stops_no_plan(planner: Planner) -> None:
    """Who neither asked nor may approve is refused, on record; an approver may."""
    planner.add_servers(2)
    plan = await planner.held("app*", actor=AGENT, pause=600)
    for voter in VOTERS[:2]:
        await planner.stage.gate.vote(plan.id, voter, Verdict.APPROVE, plan.digest, scope=OPERATOR)
    await planner.stage.reach(plan.id, State.WATCHING)
    stranger = AGENT.__class__(ALICE.kind, "U9", "eve", "U9", account="U9")
    with pytest.raises(NotAllowedError, match="may stop this plan"):
        await planner.stage.gate.stop_plan(plan.id, stranger, scope=OPERATOR)
    await planner.stage.gate.stop_plan(plan.id, VOTERS[3], scope=OPERATOR)
    assert (await planner.end(plan.id)).state is State.FAILED


async def test_agents_that_are_paused_begin_no_other_member(planner: Planner) -> None:
    """The switch is read in the transaction that begins a member."""
    planner.add_servers(3)
    plan = await planner.held("app*", actor=AGENT, pause=60)
    for voter in VOTERS[:2]:
        await planner.stage.gate.vote(plan.id, voter, Verdict.APPROVE, plan.digest, scope=OPERATOR)
    await planner.stage.changes.wait(
        plan.id, seconds=60, until=lambda change: change.note.startswith("1 of 3 done"), scope=OPERATOR
    )
    await planner.stage.gate.pause_agents(ALICE, paused=True, scope=OPERATOR)
    plan = await planner.end(plan.id)
    assert plan.state is State.FAILED
    assert await planner.states(plan.id) == ["done", "failed", "not_run"]
    assert planner.stage.effects("reboot") == 1


async def test_a_server_that_another_change_holds_is_skipped(planner: Planner) -> None:
    """At the question such a server is left out; at its turn it is skipped, with the other change's id."""
    planner.add_servers(2)
    plan = await planner.held("app*")
    other = await planner.stage.ask("stop", server="app002")
    late = await planner.held("app*")
    assert f"Left out: app002.example.com: busy with {other.id}" in [fact.line for fact in late.facts]
    await planner.stage.gate.confirm(plan.id, ALICE, plan.digest, scope=OPERATOR)
    plan = await planner.end(plan.id)
    assert await planner.states(plan.id) == ["done", "skipped"]
    assert f"busy with {other.id}" in plan.note


async def test_a_database_that_is_away_when_members_end_breaks_no_plan(
    planner: Planner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What became of them is stored once the database answers, and the plan counts no break."""
    planner.add_servers(2)
    refused: list[int] = []

    def refuse_first(connection: Connection, plan_id: str, member: PlanMember, *rest: Any, **named: Any) -> None:
        if rest[0] is MemberState.DONE and member.ordinal not in refused:
            refused.append(member.ordinal)
            raise StorageError("The database did not answer.")
        move_member(connection, plan_id, member, *rest, **named)

    monkeypatch.setattr(worker, "move_member", refuse_first)
    with structlog.testing.capture_logs() as logged:
        plan = await planner.done("app*", at_once=2)
    assert (plan.state, plan.note, sorted(refused)) == (State.SUCCEEDED, "2 of 2 done.", [1, 2])
    assert "run_broke" not in await planner.stage.events(plan.id)
    assert "storage_failed" in [item["event"] for item in logged]


async def test_a_change_of_another_workspace_that_holds_a_server_is_not_named(planner: Planner) -> None:
    """Its id is that workspace's own: the plan says that another change has the server."""
    planner.add_servers(2)
    plan = await planner.held("app*")
    other = await planner.stage.ask("stop", server="app002")

    def move(connection: Connection, change: Change) -> None:
        origin = origin_values(replace(change.origin, team="T2"))
        repository.amend(connection, change, planner.stage.clock.now(), origin=origin)

    await planner.stage.change(other.id, move)
    await planner.stage.gate.confirm(plan.id, ALICE, plan.digest, scope=OPERATOR)
    plan = await planner.end(plan.id)
    assert await planner.states(plan.id) == ["done", "skipped"]
    assert "busy with another change" in plan.note
    assert other.id not in plan.note
