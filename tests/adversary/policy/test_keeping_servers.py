"""A server with an end is kept by who may: each rule that asks for an approval has to name them."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.harness.virtual_time import VirtualClock
from tests.unit.core.execution.ends.test_end_worker import end_of, keep, made
from tests.unit.core.harness import VOTERS, Setup, Stage, staged
from tests.unit.core.scheduler.test_due_changes import DatedClock
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import NotAllowedError
from vpsops.core.identity.actors import Origin
from vpsops.core.policy import parse_policy
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import running_simulator

POLICY = parse_policy(
    '[[rule]]\nid = "all"\ndecision = "confirm"\nrisk = ["change", "disruptive", "destructive"]\n'
    '[[rule]]\nid = "reads"\nrisk = "read"\ndecision = "allow"\n'
    + "".join(
        f'[[rule]]\nid = "{group.lower()[2:]}"\noperation = "create"\norigin = "cli"\ndecision = "approve"\n'
        f'approvers = {{ groups = ["{group}"] }}\n'
        for group in ("S_OPS", "S_DBA")
    ),
    "vpsops.toml",
)
STEWARDS = ("V0", "V1")


@pytest.fixture
async def stage(database_url: str) -> AsyncIterator[Stage]:
    async with (
        running_simulator(SimulatorConfig(speed=600.0, seed=7), clock=VirtualClock()) as provider,
        staged(database_url, provider, Setup(clock=DatedClock(), policy=POLICY)) as opened,
    ):
        policy = opened.backend.policy
        policy.loaded_stewards = replace(policy.loaded_stewards, people=STEWARDS)
        yield opened


async def test_one_of_two_rules_does_not_let_a_server_be_kept(stage: Stage) -> None:
    """Two rules ask for an approval of what is paid for longer: who is among the approvers of one keeps nothing."""
    change = await made(stage)
    before = await end_of(stage, change)
    asked = replace(keep("2h", VOTERS[0]), origin=Origin("cli"))
    with pytest.raises(NotAllowedError, match="asks for an approval"):
        await stage.gate.keep_server(asked, scope=OPERATOR)
    assert await end_of(stage, change) == before
    both = replace(VOTERS[1], groups=("S_OPS", "S_DBA"))
    kept = await stage.gate.keep_server(replace(asked, actor=both), scope=OPERATOR)
    assert kept.ends_at > before.ends_at
