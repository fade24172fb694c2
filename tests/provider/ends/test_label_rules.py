"""Labels as facts of a decision, on the simulated provider: read for it, and read again before the send."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from tests.fakes.timing import QUICK
from tests.harness.virtual_time import VirtualClock
from tests.unit.core.harness import ALICE, SLACK, Setup, Stage, staged
from vpsops.core.changes.model import State
from vpsops.core.changes.requests import Done, Held, Refused, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import VpsopsError
from vpsops.core.limits.loader import parse_limits
from vpsops.core.limits.model import UNLIMITED, Limits
from vpsops.core.policy import parse_policy
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import running_simulator

WEB = "web01.example.com"
RULES = parse_policy(
    '[[rule]]\nid = "dev"\nlabel = "env=dev"\ndecision = "allow"\nrisk = "read"\n'
    '[[rule]]\nid = "changes"\nrisk = ["change", "disruptive"]\ndecision = "confirm"\n'
    '[[rule]]\nid = "prod"\nlabel = "env=prod"\nrisk = "disruptive"\ndecision = "deny"\n'
    'reason = "Not in production."\n',
    "vpsops.toml",
)
PROTECTED = parse_limits('[limits]\nprotected_labels = ["env=prod"]\n', "vpsops.toml")
CONFIRM = parse_policy('[[rule]]\nid = "all"\ndecision = "confirm"\n', "vpsops.toml")


@asynccontextmanager
async def provided(database_url: str, dialect: str = "live", *, limits: Limits = UNLIMITED) -> AsyncIterator[Stage]:
    """Wire a core whose policy, or whose limits, are about labels."""
    clock = VirtualClock()
    setup = Setup(timing=QUICK, limits=limits, clock=clock, policy=RULES if limits is UNLIMITED else CONFIRM)
    async with (
        running_simulator(SimulatorConfig(speed=600.0, seed=7, dialect=dialect), clock=clock) as behind,
        staged(database_url, behind, setup) as stage,
    ):
        yield stage


def label(stage: Stage, **labels: str) -> None:
    """Label the server behind everyone's back."""
    world = stage.provider.simulator.world
    server = world.find(WEB)
    assert server is not None
    world.override(server, None, None, None, labels=labels)


async def outcome(stage: Stage, operation: str) -> object:
    """Return what becomes of a request."""
    return await stage.gate.submit(Request(operation, {"server": WEB}, ALICE, SLACK, can_confirm=True), scope=OPERATOR)


@pytest.mark.parametrize("limits", [UNLIMITED, PROTECTED], ids=["policy", "limits"])
@pytest.mark.requirement("labels-rechecked")
async def test_a_label_that_came_since_supersedes(database_url: str, limits: Limits) -> None:
    """What a rule or a limit says of the labels at the sending counts."""
    async with provided(database_url, limits=limits) as stage:
        label(stage, env="dev")
        held = await stage.ask("stop", server=WEB)
        label(stage, env="prod")
        with suppress(VpsopsError):
            await stage.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
        done = await stage.rest(held.id)
        assert (done.state, stage.asked("stop")) == (State.SUPERSEDED, 0), done.note
        assert ("Not in production" in done.note) is (limits is UNLIMITED), done.note


async def test_a_label_that_decides_nothing_may_change(database_url: str) -> None:
    """The digest is of what was shown; other labels alter no decision."""
    async with provided(database_url) as stage:
        label(stage, env="dev")
        held = await stage.ask("stop", server=WEB)
        label(stage, env="dev", team="shop")
        await stage.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
        assert (await stage.rest(held.id)).state is State.SUCCEEDED


@pytest.mark.requirement("labels-unknown-strict")
async def test_where_the_api_shows_no_labels_the_stricter_rule_counts(database_url: str) -> None:
    """The documented API has none: a denial by label is one, and a permission by label is none."""
    async with provided(database_url, "seed") as stage:
        refused = await outcome(stage, "stop")
        assert isinstance(refused, Refused)
        assert "the server's labels" in refused.reason
    async with provided(database_url, "seed", limits=PROTECTED) as stage:
        assert isinstance(await outcome(stage, "stop"), Refused)


async def test_labels_that_the_list_lacks_are_read_for_the_decision(database_url: str) -> None:
    """No list of this API carries labels; the server's own answer does, for changes and for reads."""
    async with provided(database_url) as stage:
        label(stage, env="dev")
        assert isinstance(await outcome(stage, "stop"), Held)
        assert isinstance(
            await stage.servers.read(Request("get", {"server": "web01"}, ALICE, SLACK), scope=OPERATOR), Done
        )
        label(stage, env="test")
        assert isinstance(
            await stage.servers.read(Request("get", {"server": "web01"}, ALICE, SLACK), scope=OPERATOR), Refused
        )
