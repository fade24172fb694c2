"""A card without votes: shown to more people half-way, brought to mind, closed everywhere in the end."""

from dataclasses import replace
from pathlib import Path

from tests.fakes.slack.notifications import notifications
from tests.fakes.slack_bot import BotHarness, Scene, buttons, message_words, stage
from tests.fakes.timing import QUICK
from tests.harness.internals import database_of
from tests.harness.patience import eventually
from vpsops.core.app import Core
from vpsops.core.audit import chain
from vpsops.core.changes.model import State
from vpsops.core.changes.requests import Held, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.core.messaging.preferences import set_preferences
from vpsops.playground.slack.workspace.config import WorkspaceConfig

AGENT = Actor(ActorKind.AGENT, "mcp:assistant", "assistant", "slack:U0ALICE")
LONG = 60.0
SCENE = Scene(
    workspace=WorkspaceConfig().with_scopes("channels:read", "groups:read"),
    timing=replace(QUICK, approve_seconds=LONG, escalate_share=0.005, remind_share=0.99),
    settings={"VPSOPS_APPROVAL_CHANNEL": "C0APPROVALS", "VPSOPS_ESCALATION_CHANNEL": "C0GENERAL"},
)
HURRIED = replace(SCENE, timing=replace(QUICK, approve_seconds=2.5, escalate_share=0.1, remind_share=0.4))

RULES = """
[[rule]]
id = "reads"
risk = "read"
decision = "allow"

[[rule]]
id = "agents"
actor = "agent"
risk = ["change", "disruptive"]
decision = "approve"
votes = 2
approvers = { people = ["U0BOB", "U0CAROL", "U0DAVE"] }
"""


async def asked(core: Core, key: str = "k1") -> str:
    """Let an agent ask for a reboot."""
    outcome = await core.gate.submit(
        Request("reboot", {"server": "web01"}, AGENT, Origin("mcp"), key=key), scope=OPERATOR
    )
    assert isinstance(outcome, Held)
    return outcome.change.id


async def closed(world: BotHarness, words: str) -> None:
    """Wait until both copies show how it ended, without a button."""
    for channel in ("approvals", "general"):
        card = await world.card(channel, words=words)
        assert buttons(card) == []


async def test_more_people_see_the_card_and_only_approvers_decide(tmp_path: Path) -> None:
    """The second copy has the same buttons and the same checks; a vote on it closes both."""
    async with stage(tmp_path, SCENE) as world, world.bot() as (_, core):
        world.slack.kick("approvals", "dave")
        change = await asked(core)
        card = await world.card("general", words="No votes after half")
        assert buttons(card) == ["vps:approve", "vps:approve_note", "vps:deny"]
        assert "Approvers: members of <#C0APPROVALS>" in message_words(card)
        await world.slack.click("dave", card, "vps:approve")
        await world.private("dave", "not among those")
        assert world.effects("reboot") == 0
        await world.slack.click("bob", card, "vps:approve")
        await closed(world, "Reboot web01.example.com: done")
        assert world.effects("reboot") == 1
        events = [item.event for item in await database_of(core).read(chain.read) if item.change_id == change]
        assert events.count("unanswered") == events.count("escalated") == 1


async def test_nobody_answers_and_every_copy_closes(tmp_path: Path) -> None:
    """Shown to more people, brought to mind in the threads, expired: no button is left, and the asker is notified."""
    async with stage(tmp_path, HURRIED) as world, world.bot() as (_, core):
        change = await asked(core)
        card = await world.card("general", words="No votes after half")
        await world.slack.wait_for(
            lambda: any(
                "Still waiting" in message_words(message) for message in world.slack.messages("general", card.ts)
            ),
        )
        await closed(world, "Reboot web01.example.com: expired")
        assert (await core.changes.get(change, scope=OPERATOR)).state is State.EXPIRED
        await eventually(lambda: any("expired" in message.text for message in notifications(world.slack, "alice")))
        await world.slack.click_stale("bob", card, "vps:approve")
        await world.private("bob", "expired already")
        assert world.effects("reboot") == 0


async def test_a_restart_between_escalates_once(tmp_path: Path) -> None:
    """The process that asked is gone when the time comes: the next one shows the card, and a third not again."""
    late = replace(SCENE, timing=replace(SCENE.timing, keep_seconds=LONG))
    async with stage(tmp_path, late) as world, world.bot() as (_, core):
        await asked(core)
        await world.card("approvals", words="waiting for approval")
    async with stage(tmp_path, SCENE) as world:
        for _ in range(2):
            async with world.bot() as (_, core):
                await world.card("general", words="No votes after half")
        assert len(world.slack.messages("general")) == 1


async def test_no_channel_set_means_no_escalation(tmp_path: Path) -> None:
    """The trail records the missing answer, and nothing more is posted."""
    alone = replace(SCENE, settings={"VPSOPS_APPROVAL_CHANNEL": "C0APPROVALS"})
    async with stage(tmp_path, alone) as world, world.bot() as (_, core):
        change = await asked(core)
        await core.changes.wait(change, seconds=5, until=lambda current: current.version > 1, scope=OPERATOR)
        await world.card("approvals", words="waiting for approval")
        assert world.slack.messages("general") == []


async def test_named_approvers_are_reminded_directly_unless_they_voted(tmp_path: Path) -> None:
    """Bob has voted, Carol has not and wants reminders, Dave wants none; no mention reaches these two."""
    config = tmp_path / "vpsops.toml"
    config.write_text(RULES, encoding="utf-8")
    named = replace(HURRIED, settings={**HURRIED.settings, "VPSOPS_CONFIG": str(config)})
    async with stage(tmp_path, named) as world, world.bot() as (_, core):
        await set_preferences(database_of(core), core.clock, ("T0ACME", "U0DAVE"), dm_reminders=False)
        for name in ("carol", "dave"):
            world.slack.kick("approvals", name)
        await asked(core)
        card = await world.card("approvals", words="0 of 2 approvals")
        await world.slack.click("bob", card, "vps:approve")
        await world.card("approvals", words="1 of 2 approvals")
        await world.slack.wait_for(
            lambda: any(
                "Still waiting for 1 approval" in message.text for message in world.slack.direct_messages("carol")
            ),
        )
        assert world.slack.direct_messages("bob") == world.slack.direct_messages("dave") == []
        assert world.slack.messages("general") == []
