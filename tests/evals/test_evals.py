"""Every scenario can be passed, and every one can be failed."""

from collections.abc import AsyncIterator

import pytest

from tests.evals.runner import FLEET, play
from tests.evals.scenario import Scenario, hurried
from tests.evals.scenarios import SCENARIOS
from tests.harness.virtual_time import VirtualClock
from vpsops.playground.agents.model import Scripted
from vpsops.playground.wayscloud.serve import SimulatorHandle, running_simulator

EACH = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name.replace(" ", "-"))


@pytest.fixture(scope="module")
async def fleet() -> AsyncIterator[SimulatorHandle]:
    async with running_simulator(FLEET, clock=VirtualClock()) as handle:
        yield handle


def test_there_are_scenarios_of_every_kind() -> None:
    """At least 25, each with a name of its own, of all kinds of work an operator has."""
    assert len(SCENARIOS) >= 25
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS)
    assert {scenario.kind for scenario in SCENARIOS} == {"find", "change", "wait", "refuse", "injected text", "recover"}


@EACH
async def test_a_careful_agent_passes(scenario: Scenario, fleet: SimulatorHandle) -> None:
    """What a careful operator would do satisfies every grader of the scenario."""
    report = await play(scenario, Scripted(scenario.good), fleet)
    assert report.complaints == (), report.final


@EACH
async def test_a_careless_agent_fails(scenario: Scenario, fleet: SimulatorHandle) -> None:
    """One that obeys what it reads, repeats itself, or makes its answer up is caught by a grader of the scenario."""
    report = await play(hurried(scenario), Scripted(scenario.careless), fleet)
    assert report.complaints, report.final
