"""Votes in Slack: by others, by those who may, once each, with reasons."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.slack_bot import BotHarness, Scene, buttons, message_words, stage
from vpsops.core.app import Core
from vpsops.core.changes.requests import Held, Refused, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.playground.slack.workspace.config import WorkspaceConfig
from vpsops.playground.slack.workspace.entities import Message

AGENT = Actor(ActorKind.AGENT, "mcp:assistant", "assistant", "slack:U0ALICE")
MAILED = Actor(ActorKind.AGENT, "mcp:assistant", "assistant", "Alice@acme.example")
SCENE = Scene(
    workspace=WorkspaceConfig().with_scopes("channels:read", "groups:read"),
    settings={"VPSOPS_APPROVAL_CHANNEL": "C0APPROVALS"},
)


@asynccontextmanager
async def asked(
    directory: Path, scene: Scene = SCENE, agent: Actor = AGENT
) -> AsyncIterator[tuple[BotHarness, Core, Message, str]]:
    """Have an agent ask for a reboot for alice, and wait for the card."""
    async with stage(directory, scene) as world, world.bot() as (_, core):
        request = Request("reboot", {"server": "web01"}, agent, Origin("mcp"), reason="it hangs", key="k1")
        outcome = await core.gate.submit(request, scope=OPERATOR)
        assert isinstance(outcome, Held)
        yield world, core, await world.card("approvals", words="waiting for approval"), outcome.change.id


async def test_an_agents_change_runs_when_somebody_else_approves(tmp_path: Path) -> None:
    """The card asks in the approval channel; a member's click runs it; the card names who approved."""
    async with asked(tmp_path) as (world, core, card, change):
        assert "the agent that calls itself “assistant” for" in message_words(card)
        assert "it hangs" in message_words(card)
        await world.slack.click("bob", card, "vps:approve")
        done = await world.card("approvals", words="Reboot web01.example.com: done")
        assert "<@U0BOB> approved" in message_words(done)
        assert buttons(done) == []
        assert world.effects("reboot") == 1
        assert "member of channel C0APPROVALS" in (await core.changes.get(change, scope=OPERATOR)).votes[0].evidence


@pytest.mark.requirement("asker-never-votes")
async def test_the_human_behind_the_agent_cannot_vote(tmp_path: Path) -> None:
    """The human behind the agent can neither approve nor deny; the refusal is private."""
    async with asked(tmp_path) as (world, _, card, _change):
        for action in ("vps:approve", "vps:deny"):
            await world.slack.click("alice", card, action)
        await world.slack.wait_for(lambda: len(world.slack.ephemerals("alice")) == 2)
        assert world.slack.modal("alice") is None
        assert world.effects("reboot") == 0


async def test_a_denial_needs_a_reason_and_ends_it(tmp_path: Path) -> None:
    """Deny asks why; the reason is on the card."""
    async with asked(tmp_path) as (world, _, card, _change):
        await world.slack.click("bob", card, "vps:deny")
        view = await world.slack.wait_for(lambda: world.slack.modal("bob"))
        assert view is not None
        await world.slack.submit_view("bob", view, {"reason": "not during the sale"})
        denied = await world.card("approvals", words="Reboot web01.example.com: denied")
        assert "not during the sale" in message_words(denied)
        assert buttons(denied) == []
        assert world.effects("reboot") == 0


@pytest.mark.requirement("eligible-at-the-click")
async def test_who_left_the_channel_cannot_vote(tmp_path: Path) -> None:
    """Membership is read at the click."""
    async with asked(tmp_path) as (world, _, card, _change):
        world.slack.kick("approvals", "carol")
        await world.slack.click_stale("carol", card, "vps:approve")
        await world.private("carol", "not among those")
        assert world.effects("reboot") == 0


@pytest.mark.requirement("eligible-at-the-click")
async def test_membership_that_cannot_be_read_means_no(tmp_path: Path) -> None:
    """Without the scope to read the channel no one is eligible; the refusal names what to check."""
    scene = Scene(settings=SCENE.settings)
    async with asked(tmp_path, scene) as (world, _, card, _change):
        await world.slack.click("bob", card, "vps:approve")
        await world.private("bob", "Slack did not return who is in channel C0APPROVALS")
        assert world.effects("reboot") == 0


async def test_two_clicks_at_once_are_one_run(tmp_path: Path) -> None:
    """Of two approvals at the same moment one counts and the other's voter is notified."""
    async with asked(tmp_path) as (world, _, card, _change):
        await world.slack.click("bob", card, "vps:approve", duplicates=2, at_once=True)
        await world.slack.click_stale("carol", card, "vps:approve")

        def is_answered() -> bool:
            both = [*world.slack.ephemerals("bob"), *world.slack.ephemerals("carol")]
            return any("already" in message_words(item) for item in both)

        await world.slack.wait_for(is_answered)
        await world.card("approvals", words="Reboot web01.example.com: done")
        assert world.effects("reboot") == 1


async def test_the_human_known_by_e_mail_cannot_vote_either(tmp_path: Path) -> None:
    """Slack resolves the address: that person is refused, another one decides."""
    scene = replace(SCENE, workspace=SCENE.workspace.with_scopes("users:read.email"))
    async with asked(tmp_path, scene, MAILED) as (world, _, card, _change):
        await world.slack.click("alice", card, "vps:approve")
        await world.private("alice", "You asked for this")
        assert world.effects("reboot") == 0
        await world.slack.click("bob", card, "vps:approve")
        await world.card("approvals", words="Reboot web01.example.com: done")
        assert world.effects("reboot") == 1


async def test_an_address_that_cannot_be_looked_up_means_no(tmp_path: Path) -> None:
    """Without the scope for it the agent's human is unknown, so nothing is held for votes."""
    async with stage(tmp_path, SCENE) as world, world.bot() as (_, core):
        outcome = await core.gate.submit(Request("reboot", {"server": "web01"}, MAILED, Origin("mcp")), scope=OPERATOR)
        assert isinstance(outcome, Refused)
        assert "did not return this account" in outcome.reason
        assert world.effects("reboot") == 0
