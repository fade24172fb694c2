"""A process that ends in the middle of a runbook: the next one continues where it was, nothing twice, nothing lost."""

from collections.abc import Callable, Sequence
from typing import Final

import pytest

from tests.harness.virtual_time import VirtualClock
from tests.unit.core.harness import Setup, staged
from tests.unit.core.plans.plan_stage import Planner
from tests.unit.core.runbooks.test_runbook_runs import GROW, confirmed
from vpsops.core.authorization.discrepancies import discrepancies
from vpsops.core.changes.model import State
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.plans.model import MemberState, PlanMember
from vpsops.playground.wayscloud.serve import SimulatorHandle

SLOWLY: Final = GROW.replace("ORDER", 'pause = "10s"')
"""With ten seconds between two changes, in which the process ends."""
DONE, RUNNING, WAITING, FAILED = MemberState.DONE, MemberState.RUNNING, MemberState.WAITING, MemberState.FAILED


def states(members: Sequence[PlanMember]) -> list[MemberState]:
    """Return the states of the steps, then those of the compensations."""
    return [member.state for member in members]


async def reach(planner: Planner, plan_id: str, holds: Callable[[list[MemberState]], bool]) -> list[MemberState]:
    """Wait until the members are in the states that are looked for, and return those."""
    current: list[MemberState] = []
    while not (current and all(state.is_final for state in current)):
        current = states(await planner.members(plan_id))
        if holds(current):
            return current
        await planner.stage.clock.sleep(0.1)
    raise AssertionError(f"the runbook ended meanwhile: {current}")


@pytest.mark.requirement("runbook-restarts")
@pytest.mark.parametrize(
    ("refused", "point"),
    [
        (False, [DONE, DONE, WAITING, WAITING, WAITING, WAITING]),
        (True, [DONE, DONE, FAILED, WAITING, WAITING, WAITING]),
        (True, [DONE, DONE, FAILED, WAITING, WAITING, RUNNING]),
    ],
    ids=["between two steps", "between a failed step and its compensation", "within the compensation"],
)
async def test_the_next_process_goes_on(
    database_url: str, provider: SimulatorHandle, refused: bool, point: list[MemberState]
) -> None:
    """Each step and each compensation is sent once, by whichever process, and the trail has all of it."""
    clock = VirtualClock()
    async with staged(database_url, provider, Setup(clock=clock)) as stage:
        planner = Planner(stage)
        planner.add_servers(1)
        stage.fault("slow", "get", seconds=1)  # each change is under way for longer than two looks at it are apart
        if refused:
            stage.fault("status", "upgrade", "app001.example.com", status=409)
        plan = await confirmed(stage, text=SLOWLY, servers="app001")
        await reach(planner, plan.id, lambda current: current == point)
    async with staged(database_url, provider, Setup(clock=clock)) as stage:
        planner = Planner(stage)
        assert states(await planner.members(plan.id)) == point
        await stage.gate.start_engine()
        ended = await stage.changes.wait(
            plan.id, seconds=100_000, until=lambda current: current.state.final, scope=OPERATOR
        )
        done = [change.operation for change in await planner.changes_of(plan.id)]
        assert done == ["snapshot_create", "stop", "resize", "start"]
        assert (stage.effects("stop"), stage.effects("start")) == (1, 1)
        if refused:
            assert ended.state is State.FAILED
            assert ended.note.endswith("Compensation: 1 of 1 done.")
        else:
            assert (ended.state, ended.note) == (State.SUCCEEDED, "4 of 4 done.")
        assert [what async for what in discrepancies(stage.database)] == []
