"""Each eligible approver is notified before a hold expires, by what Slack notifies of without any setting."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.bot_changes.test_bot_escalation import HURRIED, LONG, SCENE, asked
from tests.fakes.slack.notifications import first_words, notifications
from tests.fakes.slack_bot import BotHarness, message_words, stage
from tests.fakes.timing import QUICK
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.scope import OPERATOR

READS = """
[[rule]]
id = "reads"
risk = "read"
decision = "allow"

[[rule]]
id = "agents"
actor = "agent"
risk = ["change", "disruptive"]
decision = "approve"
"""
POLICIES = {
    "members of the channel": "",
    "a group": 'approvers = { groups = ["S0APPROVERS"] }',
    "people": 'approvers = { people = ["U0BOB", "carol@acme.example"] }',
    "members of another channel": 'approvers = { channels = ["C0SECOND"] }',
    "a group and people": 'approvers = { groups = ["S0APPROVERS"], people = ["U0DAVE"] }',
}
ELIGIBLE = {
    "members of the channel": {"bob", "carol", "dave"},
    "members of another channel": {"bob", "dave"},
    "a group and people": {"bob", "carol", "dave"},
}


def rules(directory: Path, approvers: str) -> dict[str, str]:
    """Write a policy for agents with these approvers; return its setting."""
    config = directory / "vpsops.toml"
    config.write_text(READS + approvers, encoding="utf-8")
    return {"VPSOPS_CONFIG": str(config)}


def is_expired(change: Change) -> bool:
    """Say whether a hold's time is over."""
    return change.state is State.EXPIRED


def about(world: BotHarness, name: str, words: str = "") -> list[str]:
    """Return what notified a person and holds some words."""
    every = [first_words(message) for message in notifications(world.slack, name)]
    return [text for text in every if words in text]


@pytest.mark.requirement("approvers-are-notified")
@pytest.mark.parametrize("kind", POLICIES)
async def test_every_eligible_approver_is_notified_before_it_expires(tmp_path: Path, kind: str) -> None:
    """Those the rule names, also Carol outside of the approval channel; the others get nothing."""
    scene = replace(HURRIED, settings={**SCENE.settings, **rules(tmp_path, POLICIES[kind])})
    second = replace(scene.workspace.channels[2], id="C0SECOND", name="second", members=frozenset({"U0BOB", "U0DAVE"}))
    second = replace(second, members=second.members | {scene.workspace.bot_user_id})
    channels = (*scene.workspace.channels, second)
    workspace = replace(scene.workspace.with_scopes("users:read.email"), channels=channels)
    async with stage(tmp_path, replace(scene, workspace=workspace)) as world, world.bot() as (_, core):
        eligible = ELIGIBLE.get(kind, {"bob", "carol"})
        if kind != "members of the channel":
            world.slack.kick("approvals", "carol")
        change = await asked(core)
        await core.changes.wait(change, seconds=20, until=is_expired, scope=OPERATOR)
        await world.card("approvals", words="expired")
        for name in eligible:
            assert about(world, name, "till waiting") or about(world, name, "approval is needed"), name
        assert not about(world, "erin")


async def test_a_card_notifies_once_whatever_becomes_of_it(tmp_path: Path) -> None:
    """A vote redraws it and its end closes it: no edit notifies, and the mention is gone with the question."""
    scene = replace(SCENE, timing=replace(QUICK, approve_seconds=LONG))
    more = rules(tmp_path, 'votes = 2\napprovers = { groups = ["S0APPROVERS"] }')
    async with stage(tmp_path, replace(scene, settings={**scene.settings, **more})) as world, world.bot() as (_, core):
        await asked(core)
        for name in ("bob", "carol"):
            card = await world.card("approvals", words="your approval is needed")
            assert "Approvers: @approvers" in message_words(card)
            assert "S0APPROVERS" not in message_words(card).replace("<!subteam^S0APPROVERS>", "")
            await world.slack.click(name, card, "vps:approve")
        card = await world.card("approvals", words="Reboot web01.example.com: done")
        assert "subteam" not in message_words(card)
        assert card.edits
        for name in ("bob", "carol"):
            assert len(about(world, name, "your approval is needed")) == 1


async def test_the_reminder_is_shown_in_the_channel_with_the_mention(tmp_path: Path) -> None:
    """A reply in the thread alone would reach its followers alone."""
    more = rules(tmp_path, 'approvers = { groups = ["S0APPROVERS"] }')
    scene = replace(HURRIED, settings={**SCENE.settings, **more})
    async with stage(tmp_path, scene) as world, world.bot() as (_, core):
        await asked(core)
        card = await world.card("approvals", words="your approval is needed")
        reply = await world.card("approvals", words="still waiting for 1 approval")
        assert (reply.thread_ts, reply.reply_broadcast) == (card.ts, True)
        assert len(about(world, "bob", "still waiting")) == 1
        escalated = await world.card("general", words="No votes after half")
        assert "<!channel>" in message_words(escalated)
        assert about(world, "dave", "an approval is missing")


async def test_a_setting_mentions_no_one(tmp_path: Path) -> None:
    """The card and the reminder are posted as before."""
    more = rules(tmp_path, 'approvers = { groups = ["S0APPROVERS"] }')
    scene = replace(HURRIED, settings={**SCENE.settings, **more, "VPSOPS_APPROVAL_MENTIONS": "off"})
    async with stage(tmp_path, scene) as world, world.bot() as (_, core):
        change = await asked(core)
        await core.changes.wait(change, seconds=20, until=is_expired, scope=OPERATOR)
        assert not about(world, "bob")
        assert not about(world, "dave")
