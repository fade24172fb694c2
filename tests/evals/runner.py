"""Plays scenarios and grades what is left of them."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import anyio
import mcp.types as t

from tests.evals.environment import EvalEnvironment, world_of
from tests.evals.graders import Played
from tests.evals.scenario import Scenario
from tests.harness.internals import database_of
from tests.harness.virtual_time import VirtualClock
from vpsops.core.audit import chain
from vpsops.core.changes.scope import OPERATOR
from vpsops.playground.agents.model import (
    Model,
    ModelError,
    ModelToolCall,
    ModelTurn,
    Transcript,
    TurnLimitError,
    run_turns,
)
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import SimulatorHandle

CLOCK: Final = VirtualClock()
FLEET: Final = SimulatorConfig(fleet=30, seed=7, speed=600.0)
MOST_TURNS: Final = 15
MOST_TRAIL: Final = 1_000

ModelOf = Callable[[Scenario], AbstractAsyncContextManager[Model]]


@dataclass(frozen=True, slots=True)
class Report:
    """What came of one scenario."""

    scenario: Scenario
    complaints: tuple[str, ...]
    turns: int
    seconds: float
    final: str

    @property
    def has_passed(self) -> bool:
        """Say whether no grader complains."""
        return not self.complaints


async def play(scenario: Scenario, model: Model, provider: SimulatorHandle) -> Report:
    """Play one scenario in a world of its own."""
    began = CLOCK.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        async with world_of(scenario.setting, provider, Path(directory)) as world:
            async with anyio.create_task_group() as group:
                if scenario.setting.people is not None:
                    group.start_soon(scenario.setting.people, world)
                text, turns = await _converse(scenario, model, world)
                group.cancel_scope.cancel()
            played = await _left(world, text, turns)
    complaints = tuple(wrong for grader in scenario.graders if (wrong := grader(played)))
    return Report(scenario, complaints, len(turns), CLOCK.monotonic() - began, text)


async def _converse(scenario: Scenario, model: Model, world: EvalEnvironment) -> tuple[str, tuple[ModelTurn, ...]]:
    tools = [_shown(tool) for tool in (await world.client.list_tools()).tools]
    turns: list[ModelTurn] = []

    async def perform(call: ModelToolCall) -> ModelTurn:
        turns.append(await _called(world, call))
        return turns[-1]

    transcript = Transcript(world.client.instructions or "", scenario.request)
    try:
        text = await run_turns(model, tools, transcript, perform, MOST_TURNS)
    except TurnLimitError:
        text = "(it did not come to an end)"
    except ModelError as wrong:
        text = f"({wrong})"
    return text, tuple(turns)


async def _called(world: EvalEnvironment, call: ModelToolCall) -> ModelTurn:
    world.called.append(call.tool)
    try:
        result = await world.client.call_tool(call.tool, dict(call.arguments))
    except Exception as error:  # noqa: BLE001 - any error that a host would pass to its model
        return ModelTurn(call.tool, call.arguments, f"error: {error}", True, {})
    text = "\n".join(item.text for item in result.content if isinstance(item, t.TextContent))
    structured: Mapping[str, Any] = result.structured_content or {}
    return ModelTurn(call.tool, call.arguments, text, bool(result.is_error), structured)


def _shown(tool: t.Tool) -> dict[str, Any]:
    return {"name": tool.name, "description": tool.description, "input_schema": tool.input_schema}


async def _left(world: EvalEnvironment, text: str, turns: tuple[ModelTurn, ...]) -> Played:
    trail = await database_of(world.core).read(lambda connection: chain.read(connection, limit=MOST_TRAIL))
    simulator = world.provider.simulator
    return Played(
        final=text,
        turns=turns,
        effects=[(item.operation, item.hostname) for item in simulator.world.counted()],
        writes=sum(entry.method == "POST" for entry in simulator.journal.entries()),
        changes=sorted(await world.core.changes.list(limit=100, scope=OPERATOR), key=lambda entry: entry.created_at),
        trail=[(item.event, item.change_id or "") for item in trail],
        asked=tuple(world.asked),
    )


async def play_all(scenarios: Sequence[Scenario], model_of: ModelOf, provider: SimulatorHandle) -> list[Report]:
    """Play scenarios one after the other: they share a provider."""
    reports = []
    for scenario in scenarios:
        async with model_of(scenario) as model:
            reports.append(await play(scenario, model, provider))
    return reports
