"""Grants that were made, prolonged or given back in the database alone: the trail does not carry them."""

from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, replace

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.harness.virtual_time import VirtualClock
from tests.unit.core.grants.harness import ask, granted, grants, held, let_through, oncall, opened
from tests.unit.core.harness import AGENT, VOTERS, Stage, staged
from vpsops.core.authorization.discrepancies import discrepancies
from vpsops.core.changes.model import State
from vpsops.core.changes.requests import Done
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.changes.serialization import ruling_values
from vpsops.core.grants import repository
from vpsops.core.grants.model import Grant, GrantExtent, GrantState, new_grant
from vpsops.core.policy.decision import Decision, GrantUse
from vpsops.core.storage.tables import CHANGES, GRANTS
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import running_simulator

UNAUTHORIZED = "the audit trail does not carry its approval"


@pytest.fixture
async def stage(database_url: str) -> AsyncIterator[Stage]:
    config, setup = SimulatorConfig(speed=600.0, seed=7), oncall(uses=2)
    async with (
        running_simulator(config, clock=VirtualClock()) as provider,
        staged(database_url, provider, setup) as made,
    ):
        yield made


def altered(**values: object) -> Callable[[Connection, Grant], object]:
    """Return work that alters the row of a grant."""
    return lambda connection, grant: connection.execute(
        sa.update(GRANTS).where(GRANTS.c.id == grant.id).values(**values)
    )


def forged(connection: Connection, grant: Grant) -> None:
    """Put another grant in place of one, for the same agent and more uses."""
    connection.execute(sa.delete(GRANTS))
    repository.insert(connection, replace(grant, id="gr_forged", uses=50))


def stolen(connection: Connection, grant: Grant) -> None:
    """Give a grant to another agent of the same person."""
    altered(agent=asdict(replace(grant.agent, id="mcp:evil")), agent_id="mcp:evil")(connection, grant)


TAMPERED = {
    "more uses": altered(uses=50),
    "uses given back": altered(used=0, state="open"),
    "a longer time": altered(until=4e9),
    "another operation's": altered(operation="stop"),
    "another agent's": stolen,
    "all servers": altered(servers=["*"]),
    "another token's": altered(origin={"front": "mcp", "team": "", "channel": "", "thread": "", "credential": "evil"}),
    "made": forged,
}


@pytest.mark.requirement("grant-ends")
@pytest.mark.parametrize("name", TAMPERED)
async def test_an_altered_grant_lets_nothing_leave(stage: Stage, name: str) -> None:
    """Whatever the row says: a use that it lets be stored is not sent."""
    grant = await opened(stage)
    await let_through(stage)
    before = stage.effects("reboot") + stage.effects("stop")
    await stage.database.transact(lambda connection: TAMPERED[name](connection, grant))
    server = "web01"
    if name == "all servers":
        server = stage.server("app01.example.com").id
    actor = replace(AGENT, id="mcp:evil") if name == "another agent's" else AGENT
    origin = replace(grant.origin, credential="evil") if name == "another token's" else grant.origin
    operation = "stop" if name == "another operation's" else "reboot"
    outcome = await ask(stage, server, operation, actor, origin)
    assert isinstance(outcome, Done)
    assert outcome.change is not None
    change = await stage.rest(outcome.change.id)
    assert change.state is State.FAILED
    assert UNAUTHORIZED in change.note
    assert stage.effects("reboot") + stage.effects("stop") == before


async def test_an_ended_grant_that_is_open_again_lets_nothing_leave(stage: Stage) -> None:
    """The trail holds its end."""
    grant = await opened(stage)
    await stage.gate.pause_agents(VOTERS[0], paused=True, scope=OPERATOR)
    await stage.gate.pause_agents(VOTERS[0], paused=False, scope=OPERATOR)
    await stage.database.transact(lambda connection: altered(state="open")(connection, grant))
    outcome = await ask(stage)
    assert isinstance(outcome, Done)
    assert outcome.change is not None
    assert UNAUTHORIZED in (await stage.rest(outcome.change.id)).note
    assert stage.effects("reboot") == 1


async def test_a_held_change_that_names_a_grant_in_its_row_is_not_sent(stage: Stage) -> None:
    """A grant in a ruling is a word in a row: the request's record has none."""
    grant = await opened(stage)
    await stage.gate.end_grant(grant.id, AGENT, scope=OPERATOR)
    change = await held(stage)
    use = GrantUse(grant.id, grant.source, 1, 2)
    values = ruling_values(replace(change.ruling, decision=Decision.ALLOW, grant=use))
    where = CHANGES.c.id == change.id
    await stage.database.transact(
        lambda connection: connection.execute(
            sa.update(CHANGES).where(where).values(ruling=values, state=State.APPROVED.value)
        )
    )
    stage.engine.run(change.id)
    ended = await stage.rest(change.id)
    assert ended.state is State.FAILED
    assert UNAUTHORIZED in ended.note
    assert stage.effects("reboot") == 1


async def test_verify_names_a_use_that_the_trail_does_not_carry(stage: Stage) -> None:
    """`vpsops audit verify` compares every stored use with the records of its source."""
    await opened(stage)
    change = await let_through(stage)
    assert change.ruling.grant is not None
    use = replace(change.ruling.grant, number=2)
    values = ruling_values(replace(change.ruling, grant=use))
    await stage.database.transact(
        lambda connection: connection.execute(sa.update(CHANGES).where(CHANGES.c.id == change.id).values(ruling=values))
    )
    faults = [str(fault) async for fault in discrepancies(stage.database)]
    assert any("another use 2" in fault for fault in faults)


async def test_a_vote_without_a_wish_grants_nothing_whatever_its_row_says(stage: Stage) -> None:
    """A wish in a row of votes opens nothing by itself, and its grant's row is not carried."""
    change = await held(stage)
    await granted(stage, change, None)
    voted = await stage.changes.get(change.id, scope=OPERATOR)
    grant = new_grant("gr_forged", voted, GrantExtent(3600.0, ()), stage.clock.now())
    await stage.database.transact(lambda connection: repository.insert(connection, grant))
    outcome = await ask(stage)
    assert isinstance(outcome, Done)
    assert outcome.change is not None
    assert UNAUTHORIZED in (await stage.rest(outcome.change.id)).note
    assert (await grants(stage))[0].state is GrantState.OPEN
