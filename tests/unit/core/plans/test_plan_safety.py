"""What keeps a plan from running twice, without its yes, or longer than it may."""

import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.unit.core.harness import AGENT, ALICE, VOTERS, Setup, Stage
from tests.unit.core.plans.plan_stage import Planner, staged
from vpsops.core.authorization.authorization import UnauthorizedError, check_authorized
from vpsops.core.authorization.discrepancies import discrepancies
from vpsops.core.changes import repository
from vpsops.core.changes.model import IllegalStepError, State, Verdict, check_move
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.text import moment
from vpsops.core.execution.plans.member_start import NotInTurnError
from vpsops.core.execution.plans.worker import lease_of
from vpsops.core.limits.model import Limits
from vpsops.core.operations.target import Target
from vpsops.core.plans.model import MemberState
from vpsops.core.plans.repository import members_of, move_member
from vpsops.core.plans.requests import ProbeSpec
from vpsops.core.plans.running import member_wait
from vpsops.core.plans.seals import MemberSeals
from vpsops.core.policy import parse_policy
from vpsops.core.storage.tables import CHANGES, LEASES, OUTBOX, PLAN_MEMBERS
from vpsops.playground.wayscloud.hardware.model import ServerState
from vpsops.playground.wayscloud.serve import SimulatorHandle

FREE = '[[rule]]\nid = "all"\ndecision = "allow"\n'


@pytest.fixture
async def stage(database_url: str, provider: SimulatorHandle) -> AsyncIterator[Stage]:
    async with staged(database_url, provider) as opened:
        yield opened


@pytest.fixture
def planner(stage: Stage) -> Planner:
    planner = Planner(stage)
    planner.add_servers(3)
    return planner


async def approved(planner: Planner, **options: object) -> str:
    """Have an agent's plan approved by two people; return its id."""
    plan = await planner.held("app*", actor=AGENT, **options)
    for voter in VOTERS[:2]:
        await planner.stage.gate.vote(plan.id, voter, Verdict.APPROVE, plan.digest, scope=OPERATOR)
    return plan.id


async def paused_after_first(planner: Planner) -> str:
    """Return a plan that has done its first member and pauses before the second."""
    plan_id = await approved(planner, pause=600)
    await planner.stage.changes.wait(
        plan_id, seconds=60, until=lambda change: change.note.startswith("1 of 3 done"), scope=OPERATOR
    )
    return plan_id


@pytest.mark.requirement("plan-once")
async def test_another_process_goes_on_where_the_first_one_died(database_url: str, provider: SimulatorHandle) -> None:
    """Every member runs once, in the same order, whichever process begins it."""
    async with staged(database_url, provider, Setup(front="first")) as first:
        planner = Planner(first)
        planner.add_servers(3)
        plan_id = await paused_after_first(planner)
        lease = {"name": lease_of(plan_id), "owner": "dead", "until": 0.0}
    async with staged(database_url, provider, Setup(front="second")) as second:
        await second.database.transact(lambda connection: connection.execute(sa.insert(LEASES).values(**lease)))
        await second.gate.start_engine()
        plan = await second.changes.wait(plan_id, seconds=3000, until=lambda change: change.state.final, scope=OPERATOR)
        assert plan.state is State.SUCCEEDED, plan.note
        assert second.effects("reboot") == 3
        changes = await Planner(second).changes_of(plan_id)
        assert [change.target.hostname for change in changes] == sorted(c.target.hostname for c in changes)


async def test_two_processes_begin_a_member_once(database_url: str, provider: SimulatorHandle) -> None:
    """Both ask at the same moment: one transaction finds the other's member, and begins nothing."""
    async with staged(database_url, provider, Setup(front="first")) as first:
        planner = Planner(first)
        planner.add_servers(3)
        plan_id = await paused_after_first(planner)
        worker = first.engine._plan_worker
        plan = await first.changes.get(plan_id, scope=OPERATOR)
        member = (await planner.members(plan_id))[1]
        with pytest.raises(NotInTurnError):  # its pause is not over
            await worker.start.begin(plan, member, [])
        assert await planner.states(plan_id) == ["done", "waiting", "waiting"]


async def test_a_member_whose_row_was_altered_is_not_sent(planner: Planner) -> None:
    """Who writes to the database can put no other server into a plan that people agreed to."""
    plan_id = await paused_after_first(planner)

    def alter(connection: Connection) -> None:
        values = {"digest": "0" * 64}
        connection.execute(sa.update(PLAN_MEMBERS).where(PLAN_MEMBERS.c.ordinal == 3).values(**values))

    await planner.stage.database.transact(alter)
    await planner.stage.gate.stop_plan(plan_id, VOTERS[0], scope=OPERATOR)
    await planner.end(plan_id)

    def check(connection: Connection) -> None:
        first = repository.select(connection, CHANGES.c.plan == plan_id, limit=1)[0]
        check_authorized(connection, first, MemberSeals())

    with pytest.raises(UnauthorizedError):
        await planner.stage.database.transact(check)


@pytest.mark.requirement("plan-digest")
@pytest.mark.parametrize("what", ["digest", "plan", "ended"])
async def test_a_forged_member_is_refused_by_the_runner(planner: Planner, what: str) -> None:
    """A member counts only while its plan runs, has it, and was approved on record."""
    plan_id = await paused_after_first(planner)

    def forge(connection: Connection) -> None:
        plan = repository.load(connection, plan_id)
        member = members_of(connection, plan_id)[1]
        change = repository.select(connection, CHANGES.c.plan == plan_id, limit=1)[0]
        forged = replace(change, id="chg_forged", state=State.APPROVED, target=member.target, sends=0, sent_at=None)
        if what == "digest":
            connection.execute(sa.delete(PLAN_MEMBERS).where(PLAN_MEMBERS.c.ordinal == 3))
        if what == "plan":
            forged = replace(forged, plan="chg_none")
        if what == "ended":
            repository.step(connection, plan, State.FAILED, planner.stage.clock.now(), event="plan_ended")
        body = {"plan": forged.plan, "digest": forged.digest, "operation": "reboot", "decision": "approve"}
        repository.insert(connection, forged, key="", body=body)
        check_authorized(connection, forged, MemberSeals())

    with pytest.raises(UnauthorizedError):
        await planner.stage.database.transact(forge)


async def test_the_trail_agrees_with_plans_in_every_state(planner: Planner) -> None:
    """`vpsops audit verify` finds nothing to say about a held, a running, a stopped and a finished plan."""
    await planner.stage.done("reboot", server="app003")
    plan_id = await paused_after_first(planner)
    assert [what async for what in discrepancies(planner.stage.database)] == []
    await planner.stage.gate.cancel(plan_id, AGENT, scope=OPERATOR)
    await planner.end(plan_id)
    assert [what async for what in discrepancies(planner.stage.database)] == []


async def test_a_member_that_needs_a_person_stops_the_rest_and_has_a_card(planner: Planner) -> None:
    """An outcome that no read tells counts against the plan, and who settles the member finds a card of its own."""
    planner.stage.fault("slow", "reboot", "app001.example.com", seconds=600)
    plan_id = await approved(planner)
    await planner.stage.changes.wait(
        plan_id, seconds=60, until=lambda change: "is in progress" in change.note, scope=OPERATOR
    )
    member = (await planner.changes_of(plan_id))[0]

    def leave(connection: Connection) -> None:
        current, now = repository.load(connection, member.id, lock=True), planner.stage.clock.now()
        if current.state is State.SENDING:
            current = repository.step(connection, current, State.UNKNOWN, now, event="outcome_unknown")
        repository.step(connection, current, State.NEEDS_PERSON, now, event="needs_person")

    await planner.stage.reach(member.id, State.SENDING)
    await planner.stage.database.transact(leave)
    plan = await planner.end(plan_id)
    assert plan.state is State.FAILED
    assert await planner.states(plan_id) == ["unclear", "not_run", "not_run"]
    assert f"1 with an unknown outcome (app001.example.com: {member.id})" in plan.note

    def cards(connection: Connection) -> set[str]:
        return set(connection.scalars(sa.select(OUTBOX.c.topic).where(OUTBOX.c.kind == "card")))

    assert f"change:{member.id}" in await planner.stage.database.read(cards)


async def test_members_have_no_cards_of_their_own(planner: Planner) -> None:
    """All that people see of three members is the plan's one card."""
    plan = await planner.done("app*")

    def cards(connection: Connection) -> set[str]:
        return set(connection.scalars(sa.select(OUTBOX.c.topic).where(OUTBOX.c.kind == "card")))

    assert await planner.stage.database.read(cards) == {f"change:{plan.id}"}


async def test_a_probe_that_is_not_answered_fails_its_member(planner: Planner) -> None:
    """A server that the provider calls running and that does not answer stops the rest."""
    asked: list[str] = []

    async def silent(target: Target, spec: ProbeSpec) -> str:
        asked.append(f"{target.hostname} {target.address} {spec.kind}:{spec.port}")
        return "no answer on port 22"

    planner.stage.engine._plan_worker.probe = silent
    plan = await planner.done("app*", probe="tcp:22")
    assert plan.state is State.FAILED
    assert await planner.states(plan.id) == ["failed", "not_run", "not_run"]
    assert "it was done, and no answer on port 22" in plan.note
    assert len(set(asked)) == 1
    assert 20 <= len(asked) <= 31, "it is asked every two seconds for a minute"
    facts = {fact.label: fact.value for fact in plan.facts}
    assert facts["Health"] == "after each one tcp:22 has to answer within 1 min"


async def test_a_server_that_answers_late_is_waited_for(planner: Planner) -> None:
    """A probe is repeated until it is answered."""
    left = [3]

    async def late(_target: Target, _spec: ProbeSpec) -> str:
        left[0] -= 1
        return "port 22 is not open" if left[0] > 0 else ""

    planner.stage.engine._plan_worker.probe = late
    plan = await planner.done("app*", probe="tcp:22")
    assert plan.state is State.SUCCEEDED, plan.note


async def test_a_stricter_policy_begins_no_other_member(database_url: str, provider: SimulatorHandle) -> None:
    """Each member is decided again at its turn; what got stricter fails it with the rule's words."""
    async with staged(database_url, provider, Setup(policy=parse_policy(FREE, "vpsops.toml"))) as stage:
        planner = Planner(stage)
        planner.add_servers(3)
        outcome = await planner.submit("app*", pause=60)
        plan = outcome.change
        assert plan is not None
        await stage.changes.wait(
            plan.id, seconds=60, until=lambda change: change.note.startswith("1 of 3 done"), scope=OPERATOR
        )
        night = '[[rule]]\nid = "night"\nserver = ["app*"]\ndecision = "deny"\nreason = "Not at night."\n'
        stricter = parse_policy(FREE + night, "vpsops.toml")
        stage.policy.loaded = replace(stricter, version=stage.policy.loaded.version)
        plan = await planner.end(plan.id)
        assert await planner.states(plan.id) == ["done", "failed", "not_run"]
        assert "Not at night." in plan.note
        assert stage.effects("reboot") == 1


async def test_a_limit_that_protects_a_server_meanwhile_holds_for_its_member(
    database_url: str, provider: SimulatorHandle
) -> None:
    """A server that was protected after the question is not rebooted by the plan."""
    async with staged(database_url, provider) as stage:
        planner = Planner(stage)
        planner.add_servers(3)
        plan = await planner.held("app*")
        stage.policy.loaded_limits = Limits(protected=frozenset({"app002"}))
        await stage.gate.confirm(plan.id, ALICE, plan.digest, scope=OPERATOR)
        plan = await planner.end(plan.id)
        assert (await planner.states(plan.id))[1:] == ["failed", "not_run"]
        assert stage.effects("reboot") == 1


async def test_a_group_that_is_down_stops_the_plan_after_a_while(database_url: str, provider: SimulatorHandle) -> None:
    """With `max_unavailable` a member waits for others of its group, and fails where none of the plan can end that."""
    shares = Limits(max_unavailable=(("tier", 1),))
    async with staged(database_url, provider, Setup(limits=shares)) as stage:
        planner, world = Planner(stage), provider.simulator.world
        for name in planner.add_servers(3):
            made = next(server for server in world.servers() if server.hostname == name)
            world.override(made, None, None, None, labels={"tier": "web"})
        plan = await planner.done("app*", at_once=3)
        assert plan.state is State.SUCCEEDED, plan.note
        changes = await planner.changes_of(plan.id)
        for earlier, later in itertools.pairwise(changes):
            assert earlier.settled_at is not None
            assert later.created_at >= earlier.settled_at


async def test_a_member_that_waits_for_its_group_says_so_and_fails_at_its_end(
    database_url: str, provider: SimulatorHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it waits for, since when and until when are among the words that every surface shows of a plan."""
    shares, busy = Limits(max_unavailable=(("tier", 1),)), 60.0
    monkeypatch.setattr(member_wait, "PLAN_BUSY_SECONDS", busy)
    async with staged(database_url, provider, Setup(limits=shares)) as stage:
        planner, world = Planner(stage), provider.simulator.world
        planner.add_servers(2)
        stage.server("other.example.com", ServerState.STOPPED)
        for made in world.servers():
            world.override(made, None, None, None, labels={"tier": "web"})
        plan = await planner.confirmed("app*")
        waits = await stage.changes.wait(
            plan.id, seconds=60, until=lambda change: "waits since" in change.note, scope=OPERATOR
        )
        begun = waits.updated_at
        since, until = moment(begun), moment(begun + timedelta(seconds=busy))
        why = "1 of tier=web are down, and at most 1 may be"
        assert waits.note == (
            f"0 of 2 done. app001.example.com waits since {since}: {why}; it fails at {until} if that stays."
        )
        plan = await planner.end(plan.id)
        assert (await planner.states(plan.id)) == ["failed", "not_run"]
        assert why in plan.note
        assert "waits since" not in plan.note
        assert plan.settled_at is not None
        assert busy <= (plan.settled_at - begun).total_seconds() <= busy + 10


def test_nothing_but_a_plan_is_watched_unsent_and_no_plan_is_sent() -> None:
    """The table of changes has the step for plans alone."""
    from tests.unit.core.sample import change  # noqa: PLC0415 - beside what it is compared with

    check_move(change("plan_reboot", State.APPROVED), State.WATCHING)
    with pytest.raises(IllegalStepError):
        check_move(change("reboot", State.APPROVED), State.WATCHING)
    with pytest.raises(IllegalStepError):
        check_move(change("plan_reboot", State.APPROVED), State.SENDING)


async def test_a_member_moves_once(planner: Planner) -> None:
    """A second move from the same state is refused by the row, not by luck."""
    plan = await planner.held("app*")
    member = (await planner.members(plan.id))[0]
    now = planner.stage.clock.now()

    def move(connection: Connection) -> None:
        move_member(connection, plan.id, member, MemberState.SKIPPED, now)

    await planner.stage.database.transact(move)
    with pytest.raises(Exception, match="moved on"):
        await planner.stage.database.transact(move)
