"""A plan with a time begins in it or not at all, and one in a window begins no member after that has closed."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.engine import Connection

from tests.unit.core.harness import ALICE, Setup
from tests.unit.core.plans.plan_stage import Planner, planned, staged
from tests.unit.core.scheduler.test_due_changes import DatedClock, ahead_by
from vpsops.core.changes import repository
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.requests import Held
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.policy import parse_policy
from vpsops.core.schedule.model import LaterRequest
from vpsops.playground.wayscloud.serve import SimulatorHandle

RULES = """
[[window]]
name = "days"
hours = ["Mon-Sun 00:00-24:00"]
time_zone = "UTC"

[[rule]]
id = "reads"
risk = "read"
decision = "allow"

[[rule]]
id = "all"
decision = "confirm"
"""
POLICY = parse_policy(RULES, "vpsops.toml")


async def scheduled(planner: Planner, words: str, **options: Any) -> Change:
    """Ask for a plan at a time and confirm it."""
    asked = planned("app*", **options)
    asked = replace(asked, request=replace(asked.request, later=LaterRequest(words, "UTC")))
    outcome = await planner.stage.gate.submit_plan(asked, scope=OPERATOR)
    assert isinstance(outcome, Held), outcome
    return await planner.stage.gate.confirm(outcome.change.id, ALICE, outcome.change.digest, scope=OPERATOR)


@pytest.mark.requirement("scheduled-once")
async def test_a_plan_that_was_due_before_all_processes_stopped_has_missed_its_time(
    database_url: str, provider: SimulatorHandle
) -> None:
    """It was approved at its time, and the process died before it began: it expires as any change does."""
    async with staged(database_url, provider, Setup(policy=POLICY, clock=DatedClock())) as first:
        planner = Planner(first)
        planner.add_servers(2)
        plan = await scheduled(planner, "in 2h")
    async with staged(database_url, provider, Setup(policy=POLICY, clock=ahead_by(timedelta(hours=6)))) as second:

        def approve(connection: Connection, change: Change) -> None:
            repository.step(connection, change, State.APPROVED, second.clock.now(), event="due")

        await second.change(plan.id, approve)
        await second.gate.start_engine()
        ended = await Planner(second).end(plan.id)
        assert (ended.state, second.effects("reboot")) == (State.EXPIRED, 0), ended.note
        assert ended.missed
        assert "Its time ended" in ended.note or "its time ended" in ended.note


async def test_no_member_begins_after_the_window_has_closed(database_url: str, provider: SimulatorHandle) -> None:
    """What has begun goes on; the rest is left for another window."""
    clock = DatedClock()
    async with staged(database_url, provider, Setup(policy=POLICY, clock=clock)) as stage:
        planner = Planner(stage)
        planner.add_servers(3)
        plan = await scheduled(planner, "in window days", pause=600)
        await stage.changes.wait(
            plan.id, seconds=60, until=lambda change: change.note.startswith("1 of 3 done"), scope=OPERATOR
        )
        clock.ahead = timedelta(days=8)
        ended = await planner.end(plan.id)
        assert stage.effects("reboot") == 1
        assert (ended.state, await planner.states(plan.id)) == (State.FAILED, ["done", "not_run", "not_run"])
        assert "2 not started (app002.example.com, app003.example.com). The window days closed at" in ended.note
