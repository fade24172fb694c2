"""Extensions of ends: decided by the price of the plan that a server has, and bounded from its beginning."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.core.execution.ends.test_end_worker import HOUR, end_of, keep, made
from tests.unit.core.harness import Setup, Stage, staged
from tests.unit.core.scheduler.test_due_changes import DatedClock
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import NotAllowedError
from vpsops.core.limits.model import Limits
from vpsops.core.policy import parse_policy
from vpsops.playground.wayscloud.serve import SimulatorHandle

PRICED = """
[[rule]]
id = "reads"
risk = "read"
decision = "allow"
[[rule]]
id = "all"
actor = "person"
risk = ["change", "disruptive"]
decision = "confirm"
[[rule]]
id = "dear"
operation = "create"
cost_above = 300
decision = "deny"
reason = "Too dear."
"""


@pytest.fixture
async def stage(database_url: str, provider: SimulatorHandle) -> AsyncIterator[Stage]:
    policy = parse_policy(PRICED, "vpsops.toml")
    async with staged(database_url, provider, Setup(clock=DatedClock(), policy=policy)) as opened:
        yield opened


def alter(stage: Stage, **values: Any) -> None:
    """Give the server another plan or name, as a person at the provider does."""
    world = stage.provider.simulator.world
    server = next(each for each in world.servers() if each.hostname == "load01.example.com")
    world._keep(replace(server, **values))


async def test_a_server_of_a_dearer_plan_is_decided_by_that_price(stage: Stage) -> None:
    """Making the small one was agreed to; keeping the large one is another price."""
    await made(stage)
    await stage.gate.keep_server(keep("1h"), scope=OPERATOR)
    alter(stage, plan="vps-8gb-4cpu")
    with pytest.raises(NotAllowedError, match="Too dear"):
        await stage.gate.keep_server(keep("1h"), scope=OPERATOR)
    alter(stage, plan="vps-4gb-2cpu")
    await stage.gate.keep_server(keep("1h"), scope=OPERATOR)


async def test_a_plan_without_a_price_is_not_taken_for_a_cheap_plan(stage: Stage) -> None:
    """Not known is not little."""
    await made(stage)
    alter(stage, plan="vps-unlisted")
    with pytest.raises(NotAllowedError):
        await stage.gate.keep_server(keep("1h"), scope=OPERATOR)


@pytest.mark.requirement("max-life")
@pytest.mark.parametrize("steps", [("1h", "1h"), ("2h",), ("30m", "30m", "30m", "30m")])
async def test_max_life_counts_from_the_beginning_over_all_extensions(stage: Stage, steps: tuple[str, ...]) -> None:
    """However the time is taken, its last minute is the same; and no minute comes after it."""
    change = await made(stage, "1h")
    stage.backend.policy.loaded_limits = Limits(max_life=(("load*", 3 * 3600),))
    for step in steps:
        end = await stage.gate.keep_server(keep(step), scope=OPERATOR)
    assert end.ends_at == end.made_at + 3 * HOUR
    with pytest.raises(NotAllowedError, match="max_life") as caught:
        await stage.gate.keep_server(keep("15m"), scope=OPERATOR)
    assert "It may be kept until" in caught.value.hint
    assert (await end_of(stage, change)).ends_at == end.ends_at


@pytest.mark.requirement("max-life")
async def test_a_later_name_does_not_lead_past_max_life(stage: Stage) -> None:
    """A server that is called otherwise now is bounded by the name that it was made with as well."""
    await made(stage, "1h")
    stage.backend.policy.loaded_limits = Limits(max_life=(("load*", 2 * 3600),))
    alter(stage, hostname="app01.example.com")
    with pytest.raises(NotAllowedError, match="max_life"):
        await stage.gate.keep_server(keep("2h", server="app01.example.com"), scope=OPERATOR)
