"""Notices in Slack: what a channel subscribed to, in threads; what concerns one person, directly."""

from dataclasses import replace
from pathlib import Path

import anyio

from tests.fakes.slack_bot import BotHarness, Scene, buttons, message_words, stage
from tests.harness.internals import database_of
from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.virtual_time import VirtualClock
from vpsops.core.app import Core
from vpsops.core.audit import chain
from vpsops.core.changes.requests import Held, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.core.messaging.preferences import set_preferences
from vpsops.playground.slack.workspace.config import WorkspaceConfig
from vpsops.playground.slack.workspace.entities import Message
from vpsops.playground.wayscloud.hardware.model import ServerState as Really

TEAM = "T0ACME"
MAILED = Actor(ActorKind.AGENT, "mcp:assistant", "assistant", "bob@acme.example")
SCENE = Scene(
    workspace=WorkspaceConfig().with_scopes("channels:read", "groups:read", "users:read.email"),
    settings={"VPSOPS_APPROVAL_CHANNEL": "C0APPROVALS"},
)


def turn(world: BotHarness, hostname: str, state: Really) -> None:
    """Set a server to another state outside this product."""
    simulated = world.provider.simulator.world
    result = simulated.find(hostname)
    assert result is not None
    simulated.override(result, state, None, None)


async def wait_for_poll(world: BotHarness) -> None:
    """Wait for a read of the fleet that began after now, and its end."""
    entries = world.provider.simulator.journal.entries
    begun = len(entries(operation="list"))
    with anyio.fail_after(PATIENCE_SECONDS):
        while len(entries(operation="list")) < begun + 2:
            await VirtualClock().sleep(0.02)  # the simulator signals nothing that it received; bounded


async def in_thread(world: BotHarness, parent: Message, words: str) -> Message:
    """Wait for words in a message's thread."""
    result = await world.slack.wait_for(
        lambda: next(
            (message for message in world.slack.messages("general", parent.ts) if words in message_words(message)), None
        ),
    )
    assert result is not None
    return result


async def reboot(world: BotHarness, channel: str = "ops", user: str = "alice") -> None:
    """Ask for a reboot and confirm it."""
    await world.slack.command(user, channel, "/vps", "reboot web01")
    if channel == "nobot":
        await world.slack.wait_for(lambda: world.slack.direct_messages(user))
        card = world.slack.direct_messages(user)[0]
    else:
        card = await world.card(channel, words="waiting for confirmation")
    await world.slack.click(user, card, "vps:confirm")


async def direct(world: BotHarness, user: str, words: str) -> Message:
    """Wait for a direct message that holds these words."""
    result = await world.slack.wait_for(
        lambda: next(
            (message for message in world.slack.direct_messages(user) if words in message_words(message)), None
        ),
    )
    assert result is not None
    return result


async def agent_asks(core: Core, agent: Actor) -> str:
    """Let an agent ask for something that others approve."""
    outcome = await core.gate.submit(
        Request("reboot", {"server": "web01"}, agent, Origin("mcp"), key="k1"), scope=OPERATOR
    )
    assert isinstance(outcome, Held)
    return outcome.change.id


async def test_a_channel_sets_sees_and_ends_what_it_is_told(tmp_path: Path) -> None:
    """The channel gets a notice of its new subscription; the list has a button that ends it; both are in the trail."""
    async with stage(tmp_path) as world, world.bot() as (_, core):
        await world.slack.command("alice", "general", "/vps", "notify drift on web* quiet 22:00-07:00 Europe/Oslo")
        card = await world.card("general", words="Subscribed: ")
        assert "drift on web*, quiet 22:00-07:00 Europe/Oslo" in message_words(card)
        await world.slack.command("bob", "general", "/vps", "notify")
        page = await world.private("bob", "Subscriptions: 1")
        assert "Set by <@U0ALICE>" in message_words(page)
        await world.slack.click("bob", page, buttons(page)[0])
        await world.private("bob", "Subscriptions: none")
        events = [item.event for item in await database_of(core).read(chain.read)]
        assert [event for event in events if "subscribed" in event] == ["subscribed", "unsubscribed"]


async def test_a_channel_that_is_closed_to_the_app_gets_no_subscription(tmp_path: Path) -> None:
    """No notice could reach it: it is refused in private and nothing is kept."""
    async with stage(tmp_path) as world, world.bot():
        await world.slack.command("alice", "nobot", "/vps", "notify drift")
        await world.private("alice", "I am not in this channel", "nobot")
        await world.slack.command("alice", "nobot", "/vps", "notify")
        await world.private("alice", "Subscriptions: none", "nobot")


async def test_what_is_not_understood_says_what_to_write(tmp_path: Path) -> None:
    """A word that cannot be placed is named, and nothing is set."""
    async with stage(tmp_path) as world, world.bot():
        await world.slack.command("alice", "general", "/vps", "notify drift web*")
        await world.private("alice", "Unexpected word 'web*'")
        await world.slack.command("alice", "general", "/vps", "notify cpu>90 for ever")
        await world.private("alice", "for is followed by a time")


async def test_drift_of_a_server_is_one_thread_a_day(tmp_path: Path) -> None:
    """It stopped and came back without a request: a message, and a reply to it."""
    async with stage(tmp_path) as world, world.bot():
        await world.slack.command("alice", "general", "/vps", "notify drift on web01")
        await world.card("general", words="Subscribed: ")
        await wait_for_poll(world)
        turn(world, "web01.example.com", Really.STOPPED)
        parent = await world.card("general", words="web01.example.com was running, is stopped")
        turn(world, "web01.example.com", Really.RUNNING)
        await in_thread(world, parent, "was stopped, is running")


async def test_a_subscriber_hears_of_a_change_once_and_its_card_is_no_thread(tmp_path: Path) -> None:
    """The channel with both the card and a subscription has one notice; a requested change is no drift."""
    async with stage(tmp_path) as world, world.bot():
        await world.slack.command("alice", "general", "/vps", "notify all on web*")
        await world.card("general", words="Subscribed: ")
        await reboot(world, "general")
        notice = await world.card("general", words="Reboot of web01.example.com is done")
        await wait_for_poll(world)
        await wait_for_poll(world)
        card = await world.card("general", words="Reboot web01.example.com: done")
        assert world.slack.messages("general", card.ts) == []
        assert world.slack.messages("general", notice.ts) == []


async def test_an_agents_human_hears_the_end_directly(tmp_path: Path) -> None:
    """It was asked for in no channel, and she is not where approvers decide: it comes by direct message, once."""
    async with stage(tmp_path, SCENE) as world, world.bot() as (_, core):
        world.slack.kick("approvals", "alice")
        await agent_asks(core, replace(MAILED, human="slack:U0ALICE"))
        await world.slack.click("bob", await world.card("approvals", words="waiting for approval"), "vps:approve")
        await direct(world, "alice", "Reboot of web01.example.com is done")
        assert len(world.slack.direct_messages("alice")) == 1


async def test_no_direct_message_for_who_wants_none_or_has_the_card_there(tmp_path: Path) -> None:
    """A preference is kept; a card in the direct messages has the end in its own thread."""
    async with stage(tmp_path) as world, world.bot() as (_, core):
        await set_preferences(database_of(core), core.clock, (TEAM, "U0ALICE"), dm_settled=False)
        await reboot(world)
        await world.card(words="Reboot web01.example.com: done")
        await reboot(world, "nobot", "bob")
        await direct(world, "bob", "Reboot web01.example.com: done")
        await world.slack.wait_for(lambda: world.slack.messages(world.slack.direct_messages("bob")[0].channel))
        card = await world.card(words="Reboot web01.example.com: done")
        await world.slack.wait_for(lambda: world.slack.messages("ops", card.ts))
        assert world.slack.direct_messages("alice") == []
        assert [message.thread_ts for message in world.slack.direct_messages("bob") if not message.thread_ts] == [None]


async def test_the_human_behind_an_agent_is_found_by_address(tmp_path: Path) -> None:
    """Slack resolves the address; that person gets the reason of the denial, quoted from the one who denied."""
    async with stage(tmp_path, SCENE) as world, world.bot() as (_, core):
        world.slack.kick("approvals", "bob")
        await agent_asks(core, MAILED)
        card = await world.card("approvals", words="waiting for approval")
        await world.slack.click("carol", card, "vps:deny")
        view = await world.slack.wait_for(lambda: world.slack.modal("carol"))
        assert view is not None
        await world.slack.submit_view("carol", view, {"reason": "not during the sale"})
        await direct(world, "bob", "denied")


async def test_an_approval_can_carry_a_note(tmp_path: Path) -> None:
    """The note is on the card, in the trail and on the vote; an ineligible voter is refused before the form opens."""
    async with stage(tmp_path, SCENE) as world, world.bot() as (_, core):
        change = await agent_asks(core, replace(MAILED, human="slack:U0ALICE"))
        card = await world.card("approvals", words="waiting for approval")
        await world.slack.click("alice", card, "vps:approve_note")
        await world.private("alice", "others must decide")
        assert world.slack.modal("alice") is None
        await world.slack.click("bob", card, "vps:approve_note")
        view = await world.slack.wait_for(lambda: world.slack.modal("bob"))
        assert view is not None
        await world.slack.submit_view("bob", view, {"reason": "after *hours* <!channel> only"})
        done = await world.card("approvals", words="Reboot web01.example.com: done")
        assert "Note: after *hours* <!channel> only" in message_words(done)
        assert (await core.changes.get(change, scope=OPERATOR)).votes[0].reason == "after *hours* <!channel> only"
        records = await database_of(core).read(chain.read)
        assert [record.body["reason"] for record in records if record.event == "approved"] == [
            "after *hours* <!channel> only"
        ]


def forget_everything(folder: Path) -> None:
    """Remove the database."""
    for path in folder.glob("bot.sqlite3*"):
        path.unlink()


async def test_a_card_of_another_set_up_explains_itself(tmp_path: Path) -> None:
    """A click on the card of a change that this database does not know is answered in private."""
    async with stage(tmp_path) as world:
        async with world.bot():
            await world.slack.command("alice", "ops", "/vps", "reboot web01")
            card = await world.card(words="waiting for confirmation")
        forget_everything(tmp_path)
        async with world.bot():
            await world.slack.click("alice", card, "vps:confirm")
            await world.private("alice", "a change that I do not know")
            assert world.effects("reboot") == 0


async def test_a_card_of_another_workspace_decides_nothing(tmp_path: Path) -> None:
    """Two workspaces on one database: a click names the workspace that may decide, and nothing runs."""
    async with stage(tmp_path) as world, world.bot() as (_, core):
        alice = Actor(ActorKind.PERSON, "U0ALICE", "alice", "U0ALICE")
        origin = Origin("slack", "T0OTHER", "C0OPS")
        held = await core.gate.submit(
            Request("reboot", {"server": "web01"}, alice, origin, can_confirm=True), scope=OPERATOR
        )
        assert isinstance(held, Held)
        await world.slack.click("alice", await world.card(words="waiting for confirmation"), "vps:confirm")
        await world.private("alice", "to another workspace")
        assert world.effects("reboot") == 0
