"""A plan that a person settles, as after a restore, says what of it was done and what never began."""

from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.unit.core.harness import VOTERS, Stage
from tests.unit.core.plans.plan_stage import Planner, staged
from tests.unit.core.plans.test_plan_safety import paused_after_first
from vpsops.core.authorization.discrepancies import discrepancies
from vpsops.core.changes import repository
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.plans.model import MemberState
from vpsops.core.storage.tables import PLAN_MEMBERS
from vpsops.playground.wayscloud.serve import SimulatorHandle


@pytest.fixture
async def stage(database_url: str, provider: SimulatorHandle) -> AsyncIterator[Stage]:
    async with staged(database_url, provider) as opened:
        yield opened


@pytest.mark.parametrize("happened", [True, False])
async def test_what_never_began_is_not_left_waiting(stage: Stage, *, happened: bool) -> None:
    planner = Planner(stage)
    planner.add_servers(3)
    plan_id = await paused_after_first(planner)

    def hold_back(connection: Connection, change: Change) -> None:
        repository.step(connection, change, State.NEEDS_PERSON, stage.clock.now(), event="needs_person")

    await stage.change(plan_id, hold_back)
    plan = await stage.gate.resolve(plan_id, VOTERS[0], happened=happened, scope=OPERATOR)
    assert plan.state is (State.SUCCEEDED if happened else State.FAILED)
    assert await planner.states(plan_id) == ["done", "not_run", "not_run"]
    assert "1 of 3 done; 2 not started" in plan.note
    assert stage.effects("reboot") == 1
    assert [str(each) async for each in discrepancies(stage.database)] == []


async def test_a_member_that_nobody_follows_any_more_does_not_run_for_ever(stage: Stage) -> None:
    """A database that went back leaves its plan to a person, and no process stores what became of its member."""
    planner = Planner(stage)
    planner.add_servers(3)
    plan_id = await paused_after_first(planner)

    def forget(connection: Connection, change: Change) -> None:
        running = sa.update(PLAN_MEMBERS).where(PLAN_MEMBERS.c.plan_id == plan_id, PLAN_MEMBERS.c.ordinal == 1)
        connection.execute(running.values(state=MemberState.RUNNING.value))
        repository.step(connection, change, State.NEEDS_PERSON, stage.clock.now(), event="needs_person")

    await stage.change(plan_id, forget)
    plan = await stage.gate.resolve(plan_id, VOTERS[0], happened=True, scope=OPERATOR)
    assert await planner.states(plan_id) == ["done", "not_run", "not_run"]
    assert "in progress" not in plan.note
