"""A plan with a time begins in it or not at all, and one in a window begins no member after that has closed."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.engine import Connection

from tests.fakes.timing import QUICK
from tests.unit.core.harness import ALICE, Setup
from tests.unit.core.plans.plan_stage import Planner, planned, staged
from tests.unit.core.scheduler.test_due_changes import DatedClock, ahead_by
from vpsops.core.changes import repository
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.requests import Held
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.timings import Timing
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
UNTIL_23 = parse_policy(RULES.replace("24:00", "23:00"), "vpsops.toml")


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


def five_minutes_before_23() -> DatedClock:
    """Return a clock on whose date the window of `UNTIL_23` closes soon."""
    clock = DatedClock()
    now = clock.now()
    clock.ahead = now.replace(hour=22, minute=58) - now
    return clock


@pytest.mark.parametrize(
    ("timing", "retry_after", "why"),
    [
        pytest.param(replace(QUICK, write_gap=150.0, write_burst=1), None, "23:00 UTC", id="the pace of writes"),
        pytest.param(QUICK, 150.0, "429", id="a 429"),
    ],
)
async def test_a_member_that_is_held_back_is_not_sent_after_the_window_has_closed(
    database_url: str, provider: SimulatorHandle, timing: Timing, retry_after: float | None, why: str
) -> None:
    """It began within the window, and is sent within it or not at all."""
    clock = five_minutes_before_23()
    async with staged(database_url, provider, Setup(policy=UNTIL_23, clock=clock, timing=timing)) as stage:
        planner = Planner(stage)
        planner.add_servers(2)
        if retry_after is not None:
            stage.fault("status", "reboot", "app002.example.com", status=429, times=1, retry_after=retry_after)
        plan = await scheduled(planner, "in window days")
        ended = await stage.changes.wait(plan.id, seconds=600, until=lambda now: now.state.final, scope=OPERATOR)
        last = (await planner.changes_of(plan.id))[-1]
        assert (stage.effects("reboot", "app002.example.com"), last.state) == (0, State.FAILED), last.note
        assert why in last.note
        assert (ended.state, await planner.states(plan.id)) == (State.FAILED, ["done", "failed"])


async def test_a_member_that_waits_for_the_provider_within_the_window_is_sent(
    database_url: str, provider: SimulatorHandle
) -> None:
    """The end of the window is no other limit on it."""
    clock = five_minutes_before_23()
    async with staged(database_url, provider, Setup(policy=UNTIL_23, clock=clock)) as stage:
        planner = Planner(stage)
        planner.add_servers(2)
        stage.fault("status", "reboot", "app002.example.com", status=429, times=1, retry_after=30.0)
        plan = await scheduled(planner, "in window days")
        ended = await stage.changes.wait(plan.id, seconds=180, until=lambda now: now.state.final, scope=OPERATOR)
        assert (ended.state, ended.note) == (State.SUCCEEDED, "2 of 2 done.")
        assert stage.effects("reboot", "app002.example.com") == 1
