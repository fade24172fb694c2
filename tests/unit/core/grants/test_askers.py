"""Who asks for grants: a person who is no approver ends what they asked for, and names servers as anywhere else."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.unit.core.grants.harness import oncall
from tests.unit.core.grants.test_requests import known, opened
from tests.unit.core.harness import AGENT, Stage, staged
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import NotAllowedError
from vpsops.core.grants.model import GrantState
from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.playground.wayscloud.serve import SimulatorHandle

EVE = Actor(ActorKind.PERSON, "U9", "eve", "U9", account="U9")
OTHER = Actor(ActorKind.PERSON, "U8", "mallory", "U8", account="U8")


@pytest.fixture
async def stage(database_url: str, provider: SimulatorHandle) -> AsyncIterator[Stage]:
    async with staged(database_url, provider, oncall()) as made:
        yield made


@pytest.mark.requirement("grant-requests")
async def test_who_asked_for_a_grant_may_end_it(stage: Stage) -> None:
    """A person who is no approver, as it only narrows what agents may do; none of their agents, and no one else."""
    await known(stage)
    grant = await opened(stage, actor=EVE)
    for actor in (replace(AGENT, human="slack:U9", account="U9"), OTHER):
        with pytest.raises(NotAllowedError, match="not among those who may end"):
            await stage.gate.end_grant(grant.id, actor, scope=OPERATOR)
    ended = await stage.gate.end_grant(grant.id, EVE, scope=OPERATOR)
    assert (ended.state, ended.note) == (GrantState.ENDED, "eve ended it.")


async def test_names_of_a_request_are_joined_by_commas_as_by_spaces(stage: Stage) -> None:
    stage.server("web02.example.com")
    await known(stage)
    grant = await opened(stage, "web01,web02")
    assert grant.servers_text == "web01.example.com, web02.example.com"
