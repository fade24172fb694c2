"""A person's dashboard: holds first to expire first, their own and their agents' changes, their trail."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.harness.virtual_time import VirtualClock
from tests.unit.core.harness import AGENT, ALICE, VOTERS, Stage, staged
from vpsops.core.changes.model import Verdict
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.core.messaging.preferences import Preferences, set_preferences
from vpsops.core.service.dashboard import Onlooker, Overview, overview_of
from vpsops.playground.wayscloud.serve import SimulatorHandle


@pytest.fixture
async def stage(database_url: str, provider: SimulatorHandle) -> AsyncIterator[Stage]:
    async with staged(database_url, provider) as made:
        yield made


async def overview(stage: Stage, person: Actor) -> Overview:
    return await overview_of(stage.database, Onlooker("T1", person), VirtualClock().now())


async def test_holds_for_approval_are_everybodys_and_own_changes_only_ones_own(stage: Stage) -> None:
    """A hold for the asker's own word is no hold for votes; an agent's change is its human's too."""
    stage.server("a.example.com")
    stage.server("b.example.com")
    confirm = await stage.ask("reboot", ALICE, server="a.example.com")
    approve = await stage.ask("reboot", AGENT, server="b.example.com")
    mine, theirs = await overview(stage, ALICE), await overview(stage, VOTERS[0])
    assert [hold.id for hold in mine.holds] == [hold.id for hold in theirs.holds] == [approve.id]
    assert {item.id for item in mine.own} == {confirm.id, approve.id}
    assert theirs.own == ()
    assert {record.change_id for record in mine.records} == {confirm.id, approve.id}
    assert theirs.records == ()


async def test_the_hold_that_expires_first_comes_first_and_a_settled_one_is_gone(stage: Stage) -> None:
    """A change that is decided, or past its time, waits for no person."""
    for name in ("a.example.com", "b.example.com"):
        stage.server(name)
    first = await stage.ask("reboot", AGENT, server="a.example.com")
    second = await stage.ask("reboot", AGENT, server="b.example.com")
    assert [hold.id for hold in (await overview(stage, ALICE)).holds] == [first.id, second.id]
    await stage.gate.vote(first.id, VOTERS[0], Verdict.DENY, first.digest, reason="no", scope=OPERATOR)
    assert [hold.id for hold in (await overview(stage, ALICE)).holds] == [second.id]
    assert second.expires_at is not None
    assert (await overview_of(stage.database, Onlooker("T1", ALICE), second.expires_at)).holds == ()


async def test_an_agent_known_by_its_humans_email_is_that_humans(stage: Stage) -> None:
    """The account that an address led to when it was asked for sees it, and no other person by that address."""
    stage.server("a.example.com")
    agent = Actor(ActorKind.AGENT, "mcp:assistant", "assistant", "Alice@Example.com")
    change = await stage.ask("reboot", agent, server="a.example.com")
    hers = replace(ALICE, id="U0ALICE", human="U0ALICE", account="U0ALICE")
    assert (await overview(stage, replace(ALICE, aliases=("alice@example.com",)))).own == ()
    assert [item.id for item in (await overview(stage, hers)).own] == [change.id]


async def test_the_look_brings_settings_and_the_pause(stage: Stage) -> None:
    """The whole dashboard is read in one transaction."""
    stage.server("a.example.com")
    change = await stage.ask("reboot", AGENT, server="a.example.com")
    await stage.gate.pause_agents(ALICE, paused=True, reason="the sale", scope=OPERATOR)
    await set_preferences(stage.database, VirtualClock(), ("T1", ALICE.id), dm_settled=False)
    seen = await overview(stage, ALICE)
    assert seen.pause.paused
    assert seen.preferences == Preferences(dm_settled=False)
    assert [item.id for item in seen.own] == [change.id]
