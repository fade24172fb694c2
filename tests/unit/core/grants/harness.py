"""A core whose agents may be granted what they ask for, and the words of its tests."""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from tests.harness.virtual_time import JumpingClock
from tests.unit.core.harness import AGENT, VOTERS, Setup, Stage
from vpsops.core.changes.model import Change, GrantWish, State, Verdict
from vpsops.core.changes.requests import Done, Held, Outcome, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.grants import repository
from vpsops.core.grants.model import Grant, GrantState
from vpsops.core.identity.actors import Actor, Origin
from vpsops.core.policy import parse_policy

MCP = Origin("mcp", credential="token-1")
HOUR = GrantWish(3600.0)
ONCALL = """
[[rule]]
id = "reads"
risk = "read"
decision = "allow"

[[rule]]
id = "people"
actor = "person"
risk = ["change", "disruptive", "destructive"]
decision = "confirm"

[[rule]]
id = "agents"
actor = "agent"
risk = ["change", "disruptive", "destructive"]
decision = "approve"
votes = {votes}
approvers = {{ groups = ["S_OPS"] }}
{server}
grant = {{ max = "2h", uses = {uses}{more} }}
"""


def oncall(*, votes: int = 1, uses: int = 3, server: str = "", more: str = "") -> Setup:
    """Return a set-up whose agents may be granted what they ask for."""
    servers = f'server = "{server}"' if server else ""
    text = ONCALL.format(votes=votes, uses=uses, server=servers, more=more)
    others = '[[rule]]\nid = "others"\nactor = "agent"\nrisk = "disruptive"\ndecision = "approve"\n'
    others += 'approvers = { groups = ["S_DBA"] }\nserver = "db*"\n'
    return Setup(policy=parse_policy(text + others, "vpsops.toml"), clock=JumpingClock())


async def ask(
    stage: Stage,
    server: str = "web01",
    operation: str = "reboot",
    actor: Actor = AGENT,
    origin: Origin = MCP,
    **more: Any,
) -> Outcome:
    """Ask for a change as an agent does."""
    request = Request(operation, {"server": server, **more}, actor, origin, can_confirm=True)
    return await stage.gate.submit(request, scope=OPERATOR)


async def held(stage: Stage, server: str = "web01", **more: Any) -> Change:
    """Ask for a change that is then held."""
    outcome = await ask(stage, server, **more)
    assert isinstance(outcome, Held), outcome
    return outcome.change


async def granted(stage: Stage, change: Change, wish: GrantWish | None = HOUR, voter: Actor = VOTERS[0]) -> Change:
    """Approve a change with a grant, and return it at rest."""
    voted = await stage.gate.vote(change.id, voter, Verdict.APPROVE, change.digest, grant=wish, scope=OPERATOR)
    return await stage.rest(change.id) if voted.state is not State.HELD else voted


async def opened(stage: Stage, server: str = "web01", wish: GrantWish = HOUR) -> Grant:
    """Return the grant that an approval opened."""
    await granted(stage, await held(stage, server), wish)
    (grant,) = await grants(stage)
    assert grant.state is GrantState.OPEN
    return grant


async def grants(stage: Stage, *where: sa.ColumnElement[bool]) -> list[Grant]:
    """Return all grants, the newest first."""
    return await stage.database.read(lambda connection: repository.select(connection, *where))


async def let_through(stage: Stage, server: str = "web01", **more: Any) -> Change:
    """Ask for a change that a grant lets through, and return it at rest."""
    outcome = await ask(stage, server, **more)
    assert isinstance(outcome, Done), outcome
    assert outcome.change is not None
    return await stage.rest(outcome.change.id)


async def why_held(stage: Stage, server: str = "web01", **more: Any) -> str:
    """Ask for a change that no grant lets through; withdraw it, and return what it says of the grant."""
    change = await held(stage, server, **more)
    await stage.gate.cancel(change.id, change.actor, scope=OPERATOR)
    return change.note


def move(stage: Stage, seconds: float) -> None:
    """Move the time of day."""
    clock = stage.clock
    assert isinstance(clock, JumpingClock)
    clock.ahead += timedelta(seconds=seconds)
