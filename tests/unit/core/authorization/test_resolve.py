"""Settling an unknown outcome: the asker's human and eligible approvers may; no other person may."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import sqlalchemy as sa

from tests.unit.core.break_glass.test_overrides import now_in_force, policy
from tests.unit.core.harness import AGENT, ALICE, VOTERS, Stage, stage_of, staged
from vpsops.core.audit import chain
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import NotAllowedError, StaleChangeError
from vpsops.core.identity.actors import Actor, ActorKind, Approvers
from vpsops.core.storage.tables import CHANGES
from vpsops.playground.wayscloud.serve import SimulatorHandle

BOB = Actor(ActorKind.PERSON, "U2", "bob", "U2")
STEWARDS = Approvers(channels=("C_OPS",))


@pytest.fixture
async def stage(database_url: str, provider: SimulatorHandle) -> AsyncIterator[Stage]:
    async with staged(database_url, provider) as made:
        yield made


async def unclear(stage: Stage, actor: Actor) -> Change:
    """A person's change with an unknown outcome."""
    held = await stage.ask("reboot", actor, server="web01")
    values = {"state": State.NEEDS_PERSON.value}
    query = sa.update(CHANGES).where(CHANGES.c.id == held.id).values(**values)
    await stage.change(held.id, lambda connection, _: connection.execute(query))
    return held


@pytest.mark.requirement("person-settles")
async def test_the_human_who_asked_settles_it(stage: Stage) -> None:
    """The asker settles it, in person or through an agent: the human is the account that the agent's address led to."""
    mine = await unclear(stage, replace(AGENT, human="alice@acme.example"))
    known = replace(ALICE, id="U0ALICE", human="U0ALICE", account="U0ALICE")
    settled = await stage.gate.resolve(mine.id, known, happened=False, evidence="the human who asked", scope=OPERATOR)
    assert (settled.state, settled.note) == (State.FAILED, "alice checked: it did not happen.")
    last = (await stage.database.read(chain.read))[-1]
    assert (last.event, last.body["evidence"], last.body["happened"]) == ("resolved", "the human who asked", False)


async def test_who_may_approve_settles_it_too(stage: Stage) -> None:
    """A member of the rule's group, as read at the click, may settle it; a person in no group may not."""
    change = await unclear(stage, AGENT)
    with pytest.raises(NotAllowedError, match="not among those"):
        await stage.gate.resolve(change.id, BOB, happened=True, scope=OPERATOR)
    assert (await stage.changes.get(change.id, scope=OPERATOR)).state is State.NEEDS_PERSON
    assert (await stage.gate.resolve(change.id, VOTERS[0], happened=True, scope=OPERATOR)).state is State.SUCCEEDED
    with pytest.raises(StaleChangeError):
        await stage.gate.resolve(change.id, VOTERS[0], happened=True, scope=OPERATOR)


@pytest.mark.requirement("person-settles")
async def test_the_policy_in_force_says_who_settles_it(stage: Stage) -> None:
    """Who was an approver when it was sent and is none now is refused, also by the lists; who is one now may."""
    change = await unclear(stage, AGENT)
    await now_in_force(stage, policy(approvers='approvers = { groups = ["S_NEW"] }'))
    with pytest.raises(NotAllowedError, match="not among those"):
        await stage.gate.resolve(change.id, VOTERS[0], happened=True, scope=OPERATOR)
    (listed,) = await stage.changes.for_settlement([await stage.changes.get(change.id, scope=OPERATOR)])
    assert listed.ruling.approvers.groups == ("S_NEW",)
    approver = replace(BOB, groups=("S_NEW",))
    assert (await stage.gate.resolve(change.id, approver, happened=True, scope=OPERATOR)).state is State.SUCCEEDED


async def test_a_change_without_approvers_is_settled_by_who_sees_approvals(stage: Stage) -> None:
    """Where the asker has left, a member of the approval channel frees the server; without such a channel no person."""
    change = await unclear(stage, ALICE)
    member = replace(BOB, groups=("C_OPS",))
    with pytest.raises(NotAllowedError):
        await stage.gate.resolve(change.id, member, happened=True, scope=OPERATOR)
    policy = replace(stage.policy, loaded_stewards=STEWARDS)
    guarded = stage_of(stage.provider, stage.process, replace(stage.backend, policy=policy)).gate
    with pytest.raises(NotAllowedError):
        await guarded.resolve(change.id, BOB, happened=True, scope=OPERATOR)
    assert (await guarded.resolve(change.id, member, happened=True, scope=OPERATOR)).state is State.SUCCEEDED


@pytest.mark.requirement("person-settles")
async def test_no_agent_settles_anything(stage: Stage) -> None:
    """No agent settles, not even its own human's change, whatever groups it claims."""
    change = await unclear(stage, AGENT)
    with pytest.raises(NotAllowedError, match="Only a person"):
        await stage.gate.resolve(change.id, replace(AGENT, groups=("S_OPS",)), happened=True, scope=OPERATOR)
