"""What a member of a plan costs the database does not depend on how many others the plan has."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.fakes.storage.statement_counts import counted_statements
from tests.fakes.timing import QUICK
from tests.unit.core.harness import Stage
from tests.unit.core.plans.plan_stage import Planner, Setup, staged
from vpsops.core.changes.model import State
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.limits.model import Limits
from vpsops.playground.wayscloud.serve import SimulatorHandle

FEW, MANY = 10, 25
MOST_GROWTH = 1.5
"""How often a poll comes by is not the same for each; a read of all members at each step is 1.8 here."""


@pytest.fixture
async def stage(database_url: str, provider: SimulatorHandle) -> AsyncIterator[Stage]:
    unpaced = replace(QUICK, write_gap=0.0, write_burst=MANY)  # a paced member is polled for longer
    async with staged(database_url, provider, Setup(unpaced, limits=Limits(max_many=MANY))) as opened:
        yield opened


async def cost_of_a_member(stage: Stage, prefix: str, count: int, at_once: int) -> tuple[float, float]:
    """Run a plan over so many servers; return the rows and the statements for each of its members."""
    planner = Planner(stage)
    planner.add_servers(count, prefix)
    plan = await planner.held(f"{prefix}*", at_once=at_once)
    with counted_statements() as counts:
        await stage.gate.confirm(plan.id, plan.actor, plan.digest, scope=OPERATOR)
        plan = await planner.end(plan.id)
    assert plan.state is State.SUCCEEDED, plan.note
    assert counts.rows, "nothing was counted"
    return counts.rows / count, len(counts.statements) / count


@pytest.mark.parametrize("at_once", [1, 5])
async def test_a_member_costs_the_same_in_a_large_plan(stage: Stage, at_once: int) -> None:
    """Neither rows nor statements for one member grow with the plan: running it is linear in its members."""
    few = await cost_of_a_member(stage, "few", FEW, at_once)
    many = await cost_of_a_member(stage, "many", MANY, at_once)
    assert many[0] <= MOST_GROWTH * few[0], (few, many)
    assert many[1] <= MOST_GROWTH * few[1], (few, many)
