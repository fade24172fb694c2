"""Dates that are set back or forward while a plan pauses: it continues after its pause, and no sooner."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.harness.virtual_time import JumpingClock, VirtualClock
from tests.unit.core.harness import Setup, Stage
from tests.unit.core.plans.plan_stage import Planner, staged
from vpsops.core.changes.model import State
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import running_simulator

PAUSE = 120


@pytest.fixture
async def stage(database_url: str) -> AsyncIterator[Stage]:
    async with (
        running_simulator(SimulatorConfig(speed=600.0, seed=7), clock=VirtualClock()) as provider,
        staged(database_url, provider, Setup(clock=JumpingClock())) as opened,
    ):
        yield opened


@pytest.mark.parametrize("jump", [timedelta(days=-1), timedelta(minutes=-10), timedelta(days=1)], ids=str)
async def test_a_date_that_is_set_keeps_no_plan(stage: Stage, jump: timedelta) -> None:
    """Its second server begins once the pause is over by the steady seconds of the process that runs it."""
    planner = Planner(stage)
    planner.add_servers(2)
    plan = await planner.confirmed("app*", pause=PAUSE)
    begun = stage.clock.monotonic()
    while await planner.states(plan.id) != ["done", "waiting"]:
        await stage.clock.sleep(1.0)
        assert stage.clock.monotonic() - begun < 600, await planner.states(plan.id)
    ended, clock = stage.clock.monotonic(), stage.clock
    assert isinstance(clock, JumpingClock)
    clock.ahead += jump
    while (await planner.states(plan.id))[1] == "waiting":
        await clock.sleep(1.0)
        assert clock.monotonic() - ended < 10 * PAUSE, "the plan waits for the date to come back"
    assert clock.monotonic() - ended > PAUSE / 2
    assert (await planner.end(plan.id)).state is State.SUCCEEDED
