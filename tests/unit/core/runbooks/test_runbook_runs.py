"""Runbooks through the gate: one question, its steps in order, and compensations where a step fails."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any, Final

import pytest
from sqlalchemy.engine import Connection

from tests.unit.core.harness import ALICE, SLACK, Setup, Stage
from tests.unit.core.plans.plan_stage import Planner, staged
from vpsops.core.authorization.discrepancies import discrepancies
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.requests import Held, Outcome, Refused, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.limits.loader import parse_limits
from vpsops.core.operations.traits import RUNBOOK
from vpsops.core.plans.model import MemberState
from vpsops.core.plans.repository import move_member
from vpsops.core.policy.loader import parse_policy
from vpsops.core.runbooks import register
from vpsops.core.runbooks.loader import load_runbook
from vpsops.core.runbooks.register import RunbookApplication, RunbookText
from vpsops.core.runbooks.requests import RunbookRequest, request_arguments
from vpsops.playground.wayscloud.hardware.model import ServerState, SimulatedServer
from vpsops.playground.wayscloud.serve import SimulatorHandle

GROW: Final = """
name = "grow"
description = "Snapshot servers, then move them to a larger plan."
ORDER
[arguments.servers]
kind = "servers"
[arguments.plan]
kind = "plan"
default = "vps-8gb-4cpu"
[[step]]
operation = "snapshot"
servers = "{servers}"
arguments = { snapshot = "before-grow" }
[[step]]
operation = "stop"
servers = "{servers}"
on_failure = "compensate"
[[step.compensation]]
operation = "start"
[[step]]
operation = "resize"
servers = "{servers}"
arguments = { plan = "{plan}" }
on_failure = "compensate"
[[step.compensation]]
operation = "start"
[[step]]
operation = "start"
servers = "{servers}"
"""
STEP_OF_ANOTHER: Final = '[[step]]\noperation = "reboot"\nservers = "app001"\n'
SERVERS: Final = 'order = "servers"'


@pytest.fixture
async def stage(database_url: str, provider: SimulatorHandle) -> AsyncIterator[Stage]:
    async with staged(database_url, provider) as opened:
        yield opened


@pytest.fixture
def planner(stage: Stage) -> Planner:
    return Planner(stage)


def asked(*, text: str = GROW, order: str = "", reason: str = "", **given: str) -> RunbookRequest:
    """Return a request for a runbook."""
    runbook = load_runbook(text.replace("ORDER", order), "grow.toml")
    request = Request(RUNBOOK.name, request_arguments(runbook, given), ALICE, SLACK, reason=reason, can_confirm=True)
    return RunbookRequest(request, runbook)


async def submit(stage: Stage, **more: Any) -> Outcome:
    """Ask for a runbook."""
    return await stage.gate.submit_plan(asked(**more), scope=OPERATOR)


async def confirmed(stage: Stage, **more: Any) -> Change:
    """Ask for a runbook and confirm it."""
    outcome = await submit(stage, **more)
    assert isinstance(outcome, Held), outcome
    change = outcome.change
    return await stage.gate.confirm(change.id, ALICE, change.digest, scope=OPERATOR)


async def run(planner: Planner, **more: Any) -> Change:
    """Ask for a runbook, confirm it, and return it at its end."""
    return await planner.end((await confirmed(planner.stage, **more)).id)


def server_named(planner: Planner, hostname: str) -> SimulatedServer:
    """Return a server as the provider has it."""
    world = planner.stage.provider.simulator.world
    return next(server for server in world.servers() if server.hostname == hostname)


async def done(planner: Planner, plan: Change) -> list[str]:
    """Return what was done, in its order."""
    return [f"{change.operation} {change.target.hostname[:6]}" for change in await planner.changes_of(plan.id)]


@pytest.mark.requirement("runbook-order")
async def test_the_steps_are_done_in_their_order(planner: Planner) -> None:
    """One confirmation, four changes, each compared with its server as the steps before it leave it."""
    planner.add_servers(1)
    plan = await run(planner, servers="app001")
    assert (plan.state, plan.note) == (State.SUCCEEDED, "4 of 4 done.")
    assert await done(planner, plan) == ["snapshot_create app001", "stop app001", "resize app001", "start app001"]
    assert server_named(planner, "app001.example.com").plan == "vps-8gb-4cpu"
    assert [what async for what in discrepancies(planner.stage.database)] == []


async def test_the_question_has_every_step_and_its_compensation(planner: Planner) -> None:
    """What is agreed to is read before: steps, servers, prices, and what is done where a step fails."""
    planner.add_servers(2)
    outcome = await submit(planner.stage, servers="app*")
    assert isinstance(outcome, Held)
    facts = {fact.label: fact.value for fact in outcome.change.facts}
    assert facts["Step 2"].startswith("Stop: each of the 2 servers")
    assert "Plan: vps-4gb-2cpu → vps-8gb-4cpu" in facts["Step 3"]
    assert facts["Step 3"].endswith("If it fails: start app001.example.com, app002.example.com.")
    assert facts["Step 4"].endswith("If it fails: nothing more is done.")
    assert facts["Arguments"] == "servers=app*, plan=vps-8gb-4cpu"
    assert await planner.changes_of(outcome.change.id) == []


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("", ["stop app001", "stop app002", "resize app001", "resize app002", "start app001", "start app002"]),
        (SERVERS, ["stop app001", "resize app001", "start app001", "stop app002", "resize app002", "start app002"]),
    ],
    ids=["steps", "servers"],
)
async def test_the_order_is_that_of_the_file(planner: Planner, order: str, expected: list[str]) -> None:
    """Step by step over all servers, or server by server."""
    planner.add_servers(2)
    plan = await run(planner, servers="app*", order=order)
    assert plan.state is State.SUCCEEDED, plan.note
    assert [what for what in await done(planner, plan) if not what.startswith("snapshot")] == expected


@pytest.mark.requirement("runbook-compensation")
async def test_a_failed_step_runs_its_compensations_once(planner: Planner) -> None:
    """The provider refuses to resize: both servers are started again, the rest does not begin, the end says it."""
    planner.add_servers(2)
    planner.stage.fault("status", "upgrade", "app002.example.com", status=409)
    plan = await run(planner, servers="app*")
    assert plan.state is State.FAILED
    assert "1 failed (resize app002.example.com" in plan.note
    assert plan.note.endswith("Compensation: 2 of 2 done.")
    assert (await done(planner, plan))[-2:] == ["start app001", "start app002"]
    assert planner.stage.effects("start") == 2
    assert [what async for what in discrepancies(planner.stage.database)] == []


async def test_a_compensation_is_about_the_server_that_failed_where_servers_come_one_by_one(planner: Planner) -> None:
    """In the order of servers the first is done, and the third was never touched."""
    planner.add_servers(3)
    planner.stage.fault("status", "upgrade", "app002.example.com", status=409)
    plan = await run(planner, servers="app*", order=SERVERS)
    assert plan.state is State.FAILED
    assert [what for what in await done(planner, plan) if what.startswith("start")] == ["start app001", "start app002"]
    assert planner.stage.effects("stop", "app003.example.com") == 0


async def test_what_a_compensation_finds_done_is_skipped(planner: Planner) -> None:
    """The stop of the second server is refused: the first is started, the second runs still."""
    planner.add_servers(2)
    planner.stage.fault("status", "stop", "app002.example.com", status=409)
    plan = await run(planner, servers="app*")
    assert plan.note.endswith(
        "Compensation: 1 of 2 done; 1 skipped (start app002.example.com: app002.example.com is running already.)."
    )


@pytest.mark.requirement("runbook-compensation")
async def test_a_compensation_that_fails_stops(planner: Planner) -> None:
    """It is reported, and the compensations after it do not begin."""
    planner.add_servers(2)
    planner.stage.fault("status", "upgrade", "app002.example.com", status=409)
    planner.stage.fault("status", "start", "app001.example.com", status=409)
    plan = await run(planner, servers="app*")
    assert "Compensation: 0 of 2 done; 1 failed (start app001.example.com" in plan.note
    assert plan.note.endswith("1 not started (start app002.example.com).")


@pytest.mark.requirement("runbook-unknown")
async def test_an_unknown_outcome_starts_no_compensation(planner: Planner) -> None:
    """It may have happened: a person looks, and nothing begins by itself."""
    planner.add_servers(1)
    plan = await confirmed(planner.stage, servers="app001")
    members = await planner.members(plan.id)

    def unclear(connection: Connection) -> None:
        for member in members[:3]:
            running = move_member(connection, plan.id, member, MemberState.RUNNING, plan.created_at)
            after = MemberState.UNCLEAR if member.ordinal == 3 else MemberState.DONE
            move_member(connection, plan.id, running, after, plan.created_at)

    await planner.stage.database.transact(unclear)
    plan = await planner.end(plan.id)
    assert plan.state is State.FAILED
    assert plan.note.endswith("No compensation begins before it is clear what happened.")
    assert await done(planner, plan) == []


async def test_a_server_that_another_hand_changed_fails_its_step(planner: Planner) -> None:
    """A step counts on those before it: where its server is otherwise, it does not begin, and the runbook stops."""
    planner.add_servers(1)
    world = planner.stage.provider.simulator.world
    outcome = await submit(planner.stage, servers="app001")
    assert isinstance(outcome, Held)
    world.override(server_named(planner, "app001.example.com"), ServerState.STOPPED, None, None)
    await planner.stage.gate.confirm(outcome.change.id, ALICE, outcome.change.digest, scope=OPERATOR)
    plan = await planner.end(outcome.change.id)
    assert plan.state is State.FAILED
    assert "it changed: state was running, is stopped" in plan.note
    assert await done(planner, plan) == []


async def test_stop_after_this_one_runs_no_compensation(planner: Planner) -> None:
    """A person asked for an end, so nothing more begins."""
    planner.add_servers(1)
    plan = await confirmed(planner.stage, servers="app001")
    await planner.stage.reach(plan.id, State.WATCHING)
    await planner.stage.gate.stop_plan(plan.id, ALICE, scope=OPERATOR)
    plan = await planner.end(plan.id)
    assert plan.state is State.FAILED
    assert "Compensation" not in plan.note
    assert planner.stage.effects("start") == 0


async def test_a_named_server_that_a_step_cannot_be_done_to_refuses_all(planner: Planner) -> None:
    """All steps or none: the others are not begun either."""
    planner.add_servers(1)
    planner.stage.server("app002.example.com", ServerState.STOPPED)
    with pytest.raises(InvalidInputError, match=r"step 2 \(stop\): app002.example.com is stopped already"):
        await submit(planner.stage, servers="app001 app002")


async def test_a_server_of_a_pattern_is_left_out_of_all_steps(planner: Planner) -> None:
    """The card says which, and why."""
    planner.add_servers(1)
    planner.stage.server("app002.example.com", ServerState.STOPPED)
    plan = await run(planner, servers="app*")
    assert plan.note == "4 of 4 done."
    assert any("app002.example.com: step 2 (stop)" in fact.line for fact in plan.facts if fact.label == "Left out")


async def test_the_strictest_rule_over_all_steps_decides(database_url: str, provider: SimulatorHandle) -> None:
    """A rule that denies the start, which is a compensation as well, refuses all of it."""
    rules = (
        '[[rule]]\nid = "all"\nrisk = ["read", "change", "disruptive"]\ndecision = "allow"\n'
        '[[rule]]\nid = "no"\noperation = "resize"\ndecision = "deny"\nreason = "Ask ops."\n'
    )
    async with staged(database_url, provider, Setup(policy=parse_policy(rules, "vpsops.toml"))) as stage:
        stage.server("app001.example.com")
        outcome = await submit(stage, servers="app001")
        assert isinstance(outcome, Refused)
        assert "Ask ops." in outcome.reason
        assert "app001.example.com" in outcome.reason


@pytest.mark.requirement("runbook-spend")
async def test_the_prices_of_all_steps_are_added_up(database_url: str, provider: SimulatorHandle) -> None:
    """One resize alone would keep within the limit, two do not."""
    world = provider.simulator.world
    prices = {code: plan.price for code, plan in world.catalogue.plans.items()}
    there = sum(prices[server.plan] for server in world.servers())
    most = there + prices["vps-4gb-2cpu"] + prices["vps-8gb-4cpu"]
    limits = parse_limits(f"[limits]\nmax_monthly_spend = {most}\n", "vpsops.toml")
    async with staged(database_url, provider, Setup(limits=limits)) as stage:
        for name in ("app001.example.com", "app002.example.com"):
            stage.server(name)
        held = await submit(stage, servers="app001")
        assert isinstance(held, Held)
        price = f"{prices['vps-8gb-4cpu']:g} NOK a month for 1 server in total, afterwards"
        assert {fact.label: fact.value for fact in held.change.facts}["Price"] == price
        refused = await submit(stage, servers="app*")
        assert isinstance(refused, Refused)
        assert "max_monthly_spend" in refused.reason


@pytest.mark.requirement("runbook-register")
async def test_what_was_asked_for_stays_what_was_shown(planner: Planner) -> None:
    """Another runbook of the name is applied before the confirmation: the steps that were agreed to are done."""
    planner.add_servers(1)
    text = GROW.replace("ORDER", "")
    other = f'name = "grow"\ndescription = "Other."\n{STEP_OF_ANOTHER}'
    database = planner.stage.database
    over: dict[str, str] = {}
    for each in (text, other):
        applied = RunbookApplication([RunbookText(load_runbook(each, "grow.toml"), "x")], over, {}, 1.0)
        (stored,) = await database.transact(partial(register.apply, asked=applied))
        if each == text:
            outcome = await submit(planner.stage, text=stored.text, servers="app001")
        over = {"grow": stored.version}
    assert isinstance(outcome, Held)
    await planner.stage.gate.confirm(outcome.change.id, ALICE, outcome.change.digest, scope=OPERATOR)
    plan = await planner.end(outcome.change.id)
    assert plan.note == "4 of 4 done."
    assert await done(planner, plan) == ["snapshot_create app001", "stop app001", "resize app001", "start app001"]
