"""Plans in lists of changes: once, with their members where one server is asked about."""

from collections.abc import AsyncIterator

import pytest

from tests.unit.core.harness import ALICE
from tests.unit.core.plans.plan_stage import Planner, staged
from vpsops.core.changes.model import State
from vpsops.core.changes.scope import OPERATOR, ChangeQuery
from vpsops.playground.wayscloud.serve import SimulatorHandle


@pytest.fixture
async def planner(database_url: str, provider: SimulatorHandle) -> AsyncIterator[Planner]:
    async with staged(database_url, provider) as stage:
        planner = Planner(stage)
        planner.add_servers(3)
        yield planner


async def test_a_list_shows_a_plan_once(planner: Planner) -> None:
    """Of four changes the list has the plan, and counts it as one change."""
    plan = await planner.done("app*")
    changes = planner.stage.changes
    assert [change.id for change in await changes.list(scope=OPERATOR)] == [plan.id]
    assert await changes.count_by_state(ChangeQuery(), scope=OPERATOR) == {State.SUCCEEDED: 1}
    mine = await changes.page(ChangeQuery(person=ALICE.id), scope=OPERATOR)
    assert [change.id for change in mine.changes] == [plan.id]


async def test_the_list_of_a_server_has_its_member(planner: Planner) -> None:
    """What was done to one server is found by its name, with the plan that it belongs to."""
    plan = await planner.done("app*")
    page = await planner.stage.changes.page(ChangeQuery(server="app002"), scope=OPERATOR)
    assert [(change.target.hostname, change.plan) for change in page.changes] == [("app002.example.com", plan.id)]
