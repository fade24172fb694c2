"""The pause switch: agents change nothing while it is on; any person can pause, and only some can resume."""

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

import anyio
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.unit.core.harness import AGENT, ALICE, SLACK, VOTERS, Setup, Stage, stage_of, staged
from vpsops.core.audit import chain
from vpsops.core.authorization import agent_pause
from vpsops.core.authorization.agent_pause import AgentsPausedError
from vpsops.core.changes import repository
from vpsops.core.changes.model import Change, State, Verdict
from vpsops.core.changes.requests import Done, Refused, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import NotAllowedError, StaleChangeError
from vpsops.core.execution.runner import Runner
from vpsops.core.identity.actors import Actor, Approvers
from vpsops.core.service.gate import Gate
from vpsops.core.storage.tables import CHANGES, SWITCHES
from vpsops.playground.wayscloud.hardware.model import ServerState as Really
from vpsops.playground.wayscloud.serve import SimulatorHandle

BOB = VOTERS[0]


@pytest.fixture
async def stage(database_url: str, provider: SimulatorHandle) -> AsyncIterator[Stage]:
    async with staged(database_url, provider) as made:
        yield made


def agent_asks(operation: str = "reboot", server: str = "web01") -> Request:
    return Request(operation, {"server": server}, AGENT, SLACK, reason="it hangs", can_confirm=True)


def guarded(stage: Stage) -> Gate:
    """The same gate, where only members of C_OPS may resume agents."""
    policy = replace(stage.policy, loaded_stewards=Approvers(channels=("C_OPS",)))
    return stage_of(stage.provider, stage.process, replace(stage.backend, policy=policy)).gate


async def test_nobody_paused_agents_to_begin_with(stage: Stage) -> None:
    """Without a row in the table agents are not paused, and no person is named."""
    assert await stage.changes.agents_paused() == agent_pause.Pause()


async def test_a_paused_agent_is_refused_before_the_provider_is_asked(stage: Stage) -> None:
    """The refusal names who paused agents and why, and what to do; the trail keeps it."""
    await stage.gate.pause_agents(BOB, paused=True, reason="the sale", scope=OPERATOR)
    outcome = await stage.gate.submit(agent_asks(), scope=OPERATOR)
    assert isinstance(outcome, Refused)
    assert "voter0 paused them" in outcome.reason
    assert "because the sale" in outcome.reason
    assert "/vps resume" in outcome.hint
    assert stage.asked("list") == 0
    assert await stage.changes.list(scope=OPERATOR) == []
    records = await stage.database.read(chain.read)
    assert [record.event for record in records] == ["agents_paused", "refused"]
    assert records[1].body["operation"] == "reboot"


async def test_reads_and_people_go_on_while_agents_are_paused(stage: Stage) -> None:
    """While agents are paused an agent can still read, and a person's change is held and runs."""
    await stage.gate.pause_agents(BOB, paused=True, scope=OPERATOR)
    read = await stage.gate.submit(Request("get", {"server": "web01"}, AGENT, SLACK), scope=OPERATOR)
    assert isinstance(read, Done)
    assert (await stage.done("reboot", server="web01")).state is State.SUCCEEDED


async def test_a_held_change_of_an_agent_can_only_be_denied(stage: Stage) -> None:
    """Approving is refused with the pause; denying still works, and so does approving once agents are resumed."""
    first = await stage.ask("reboot", AGENT, server="web01")
    second = await stage.ask("reboot", AGENT, server=stage.server("web02.example.com").id)
    await stage.gate.pause_agents(BOB, paused=True, reason="the sale", scope=OPERATOR)
    with pytest.raises(AgentsPausedError, match="voter0 paused them"):
        await stage.gate.vote(first.id, VOTERS[1], Verdict.APPROVE, first.digest, scope=OPERATOR)
    denied = await stage.gate.vote(second.id, VOTERS[1], Verdict.DENY, second.digest, reason="no", scope=OPERATOR)
    assert denied.state is State.DENIED
    assert (await stage.changes.get(first.id, scope=OPERATOR)).votes == ()
    await stage.gate.pause_agents(BOB, paused=False, scope=OPERATOR)
    assert (await stage.gate.vote(first.id, VOTERS[1], Verdict.APPROVE, first.digest, scope=OPERATOR)).approvals == 1


async def test_a_held_change_of_an_agent_cannot_be_confirmed(stage: Stage) -> None:
    """The agent's own human is refused too; the same human's own change is not."""
    held = await stage.ask("reboot", server="web01")
    as_agent = replace(held.actor, kind=AGENT.kind, id="mcp:assistant")
    await stage.change(held.id, lambda connection, change: _give_to(connection, change, as_agent))
    await stage.gate.pause_agents(BOB, paused=True, scope=OPERATOR)
    with pytest.raises(AgentsPausedError):
        await stage.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
    assert (await stage.changes.get(held.id, scope=OPERATOR)).state is State.HELD


def _give_to(connection: Connection, change: Change, actor: Actor) -> None:
    connection.execute(sa.update(CHANGES).where(CHANGES.c.id == change.id).values(actor=asdict(actor)))


@pytest.mark.requirement("pause-stops-agents")
async def test_what_was_approved_and_not_sent_is_cancelled(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pause that arrives during the runner's last check of the server prevents the write."""
    check = Runner._check

    async def looked_at(runner: Runner, change: Change) -> Any:
        seen = await check(runner, change)
        await stage.gate.pause_agents(BOB, paused=True, reason="the sale", scope=OPERATOR)
        return seen

    monkeypatch.setattr(Runner, "_check", looked_at)
    held = await stage.ask("reboot", AGENT, server="web01")
    for voter in VOTERS[:2]:
        await stage.gate.vote(held.id, voter, Verdict.APPROVE, held.digest, scope=OPERATOR)
    change = await stage.rest(held.id)
    assert (change.state, stage.effects("reboot"), stage.asked("reboot")) == (State.CANCELLED, 0, 0)
    assert "Nothing was sent. Agents are paused: voter0" in change.note
    assert await stage.events(held.id) == "requested voted approved cancelled"
    assert {"change": held.id, "event": "cancelled"} in await stage.notices()
    await stage.gate.pause_agents(BOB, paused=False, scope=OPERATOR)
    assert (await stage.ask("reboot", AGENT, server="web01")).state is State.HELD, "the server is free again"


async def test_an_approved_change_that_a_dead_process_left_is_cancelled_too(stage: Stage) -> None:
    """The process that takes it up checks the switch again, at once and not after waiting for its turn."""
    held = await stage.ask("reboot", AGENT, server="web01")
    await stage.gate.pause_agents(BOB, paused=True, scope=OPERATOR)
    await stage.change(
        held.id,
        lambda connection, change: repository.step(connection, change, State.APPROVED, change.updated_at, event="x"),
    )
    stage.engine.run(held.id)
    assert (await stage.reach(held.id, State.CANCELLED)).note.startswith("Nothing was sent.")
    assert stage.effects("reboot") == 0


@pytest.mark.requirement("pause-stops-agents")
async def test_nothing_leaves_after_the_pause_is_told(
    stage: Stage, database_url: str, provider: SimulatorHandle
) -> None:
    """Two processes send as fast as they can while agents are paused: the trail has no sending after the pause."""
    async with staged(database_url, provider, Setup(front="mcp")) as other:
        held = [await stage.ask("reboot", AGENT, server=stage.server(f"w{n}.example.com").id) for n in range(6)]
        for change in held:
            await stage.gate.vote(change.id, VOTERS[0], Verdict.APPROVE, change.digest, scope=OPERATOR)

        async def approve(gate: Gate, change: Change) -> None:
            with suppress(AgentsPausedError):
                await gate.vote(change.id, VOTERS[1], Verdict.APPROVE, change.digest, scope=OPERATOR)

        async with anyio.create_task_group() as group:
            for number, change in enumerate(held):
                group.start_soon(approve, (stage.gate, other.gate)[number % 2], change)
            await stage.changes.wait(
                held[0].id, seconds=5, until=lambda current: current.sent_at is not None, scope=OPERATOR
            )
            await other.gate.pause_agents(BOB, paused=True, scope=OPERATOR)
        ended = [await stage.changes.wait(entry.id, seconds=5, until=is_over, scope=OPERATOR) for entry in held]
    records = await stage.database.read(chain.read)
    paused = next(record.seq for record in records if record.event == "agents_paused")
    assert max(record.seq for record in records if record.event == "sending") < paused
    sent = sum(item.sent_at is not None for item in ended)
    assert stage.effects("reboot") == sent >= 1
    assert {item.state for item in ended} <= {State.SUCCEEDED, State.CANCELLED, State.HELD}


def is_over(change: Change) -> bool:
    return change.state.final or change.state is State.HELD


async def test_what_was_sent_is_watched_to_its_end(stage: Stage) -> None:
    """A pause stops changes that have not begun; a change that the provider accepted is watched."""
    stage.server("web.example.com", Really.RUNNING)
    held = await stage.ask("stop", AGENT, server="web.example.com")
    for voter in VOTERS[:2]:
        await stage.gate.vote(held.id, voter, Verdict.APPROVE, held.digest, scope=OPERATOR)
    await stage.changes.wait(held.id, seconds=5, until=lambda change: change.sent_at is not None, scope=OPERATOR)
    await stage.gate.pause_agents(BOB, paused=True, scope=OPERATOR)
    assert (await stage.rest(held.id)).state is State.SUCCEEDED


async def test_no_agent_throws_the_switch(stage: Stage) -> None:
    """An agent can neither pause nor resume, whatever it claims to be; nothing is recorded as done."""
    everywhere = replace(AGENT, groups=("C_OPS",))
    for paused in (True, False):
        with pytest.raises(NotAllowedError, match="Only a person"):
            await guarded(stage).pause_agents(everywhere, paused=paused, scope=OPERATOR)
    assert await stage.changes.agents_paused() == agent_pause.Pause()


@pytest.mark.requirement("pause-ends-by-members")
async def test_anybody_pauses_and_only_members_let_agents_go_on(stage: Stage) -> None:
    """Pausing is the safe direction; resuming requires the membership read at the click."""
    gate = guarded(stage)
    await gate.pause_agents(ALICE, paused=True, reason="odd reboots", scope=OPERATOR)
    with pytest.raises(NotAllowedError, match="not among those"):
        await gate.pause_agents(ALICE, paused=False, scope=OPERATOR)
    member = replace(ALICE, groups=("C_OPS",))
    went_on = await gate.pause_agents(member, paused=False, evidence="member of channel C_OPS", scope=OPERATOR)
    assert (went_on.paused, went_on.by) == (False, member)
    records = await stage.database.read(chain.read)
    assert [record.event for record in records] == ["agents_paused", "agents_resumed"]
    assert records[1].body["evidence"] == "member of channel C_OPS"
    assert [note["text"].split(" ")[0] for note in await stage.notices()] == ["Agents", "alice"]


async def test_the_switch_is_thrown_once(stage: Stage) -> None:
    """A second pause keeps the first one's name and reason, and is neither audited nor announced."""
    await stage.gate.pause_agents(ALICE, paused=True, reason="first", scope=OPERATOR)
    again = await stage.gate.pause_agents(BOB, paused=True, reason="second", scope=OPERATOR)
    assert (again.by, again.reason) == (ALICE, "first")
    assert len(await stage.notices()) == 1


async def test_a_pause_that_was_not_seen_is_not_lifted(stage: Stage) -> None:
    """A button drawn for an earlier pause does not end a later pause."""
    first = await stage.gate.pause_agents(ALICE, paused=True, scope=OPERATOR)
    assert first.at is not None
    await stage.gate.pause_agents(BOB, paused=False, scope=OPERATOR)
    await stage.gate.pause_agents(ALICE, paused=True, reason="again", scope=OPERATOR)
    with pytest.raises(StaleChangeError, match="paused again"):
        await stage.gate.pause_agents(BOB, paused=False, seen=first.at.timestamp(), scope=OPERATOR)
    assert (await stage.changes.agents_paused()).reason == "again"


@pytest.mark.parametrize("value", [{}, {"paused": "no"}, [], "off"])
@pytest.mark.requirement("pause-unreadable-is-on")
async def test_a_switch_that_cannot_be_understood_is_on(stage: Stage, value: object) -> None:
    """A row that a newer version or a hand wrote counts as paused."""
    row = {"name": agent_pause.NAME, "value": value, "by": {"odd": 1}, "at": 1.0}
    await stage.database.transact(lambda connection: connection.execute(sa.insert(SWITCHES).values(**row)))
    assert isinstance(await stage.gate.submit(agent_asks(), scope=OPERATOR), Refused)


async def test_two_processes_see_one_switch(stage: Stage, database_url: str, provider: SimulatorHandle) -> None:
    """A pause in one process holds in another, which had read the switch before."""
    async with staged(database_url, provider, Setup(front="mcp")) as other:
        assert not (await other.changes.agents_paused()).paused
        await stage.gate.pause_agents(ALICE, paused=True, scope=OPERATOR)
        assert isinstance(await other.gate.submit(agent_asks(), scope=OPERATOR), Refused)
