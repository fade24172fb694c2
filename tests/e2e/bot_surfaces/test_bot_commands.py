"""The commands beside the operations, in a workspace: their texts, their readers, and what they never do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa

from tests.fakes.slack_bot import BotHarness, Scene, buttons, message_words, stage
from tests.harness.internals import database_of
from vpsops.core.app import Core
from vpsops.core.audit import chain
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.requests import Held, Refused, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.core.messaging.subscriptions import Subscriptions
from vpsops.core.storage.tables import CHANGES
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.playground.slack.workspace.config import WorkspaceConfig
from vpsops.playground.slack.workspace.entities import Message
from vpsops.playground.wayscloud.faults.config import SimulatorConfig

AGENT = Actor(ActorKind.AGENT, "mcp:assistant", "assistant", "slack:U0ALICE")
WORKSPACE = WorkspaceConfig().with_scopes("channels:read", "groups:read")
SCENE = Scene(workspace=WORKSPACE, settings={"VPSOPS_APPROVAL_CHANNEL": "C0APPROVALS"})


@asynccontextmanager
async def playing(directory: Path, scene: Scene = SCENE) -> AsyncIterator[tuple[BotHarness, Core]]:
    async with stage(directory, scene) as world, world.bot() as (_, core):
        yield world, core


async def agent_asks(core: Core, server: str = "web01") -> Change:
    outcome = await core.gate.submit(
        Request("reboot", {"server": server}, AGENT, Origin("mcp"), reason="<!channel> hangs"), scope=OPERATOR
    )
    assert isinstance(outcome, Held), outcome
    return outcome.change


async def answer_to(world: BotHarness, who: str, text: str, words: str, channel: str = "ops") -> Message:
    """Type a command and wait for the private answer that holds these words."""
    delivery = await world.slack.command(who, channel, "/vps", text)
    assert delivery.error is None
    return await world.private(who, words)


async def press(world: BotHarness, who: str, message: Message, words: str) -> None:
    """Press the button that has these words on it."""
    action_ids = [
        element["action_id"]
        for block in message.blocks
        if block["type"] == "actions"
        for element in block["elements"]
        if element["text"]["text"] == words
    ]
    assert action_ids, f"no button {words!r} among {buttons(message)}"
    await world.slack.click(who, message, action_ids[0])


async def test_a_typed_approval_decides_nothing_and_leads_to_the_card(tmp_path: Path) -> None:
    """Neither the words nor the answer's buttons vote; the link opens the card in the approval channel."""
    async with playing(tmp_path) as (world, core):
        change = await agent_asks(core)
        card = await world.card("approvals", words="waiting for approval")
        answer = await answer_to(world, "bob", f"approve {change.id}", "Nothing was decided")
        assert f"archives/C0APPROVALS/p{card.ts.replace('.', '')}" in message_words(answer)
        assert buttons(answer) == []
        await answer_to(world, "bob", f"deny {change.id} because no", "To deny it, click")
        assert (await core.changes.get(change.id, scope=OPERATOR)).votes == ()
        listed = await answer_to(world, "carol", "changes open", "Open changes")
        assert "archives/C0APPROVALS" in message_words(listed)
        await answer_to(world, "alice", "changes mine", "Your changes and your agents'")
        await answer_to(world, "bob", "changes mine", "none")


async def test_ones_agents_change_is_withdrawn_by_typing_also_where_it_knows_an_address(tmp_path: Path) -> None:
    """Slack resolves the agent's address: that person withdraws the change, no one else does."""
    mailed = replace(AGENT, human="alice@acme.example")
    scene = replace(SCENE, workspace=WORKSPACE.with_scopes("users:read.email"))
    async with playing(tmp_path, scene) as (world, core):
        outcome = await core.gate.submit(Request("reboot", {"server": "web01"}, mailed, Origin("mcp")), scope=OPERATOR)
        assert isinstance(outcome, Held)
        await answer_to(
            world, "bob", f"cancel {outcome.change.id}", "Only the agent that calls itself “assistant” can cancel"
        )
        await answer_to(world, "alice", f"cancel {outcome.change.id} because typo", "is withdrawn")
        assert (await core.changes.get(outcome.change.id, scope=OPERATOR)).state is State.CANCELLED


async def test_agents_are_paused_and_go_on_by_a_click_of_who_may(tmp_path: Path) -> None:
    """Any person can pause; the channel is notified; only a member of the approval channel can resume, once."""
    async with playing(tmp_path) as (world, core):
        change = await agent_asks(core)
        card = await world.card("approvals", words="waiting for approval")
        world.slack.kick("approvals", "dave")
        await answer_to(world, "dave", "pause \u2014reason \u201codd\u201d reboots", "dave paused them")
        await world.card("approvals", words="They can read, and change nothing")
        await world.slack.click("bob", card, "vps:approve")
        await world.private("bob", "Agents are paused: dave")
        assert isinstance(
            await core.gate.submit(Request("stop", {"server": "web01"}, AGENT, Origin("mcp")), scope=OPERATOR), Refused
        )
        asked = await answer_to(world, "dave", "resume", "1 of their changes wait")
        await press(world, "dave", asked, "Resume agents")
        await world.private("dave", "not among those who may resume agents")
        assert (await core.changes.agents_paused()).paused
        asked = await answer_to(world, "carol", "resume because fixed", "dave paused them")
        await press(world, "carol", asked, "Resume agents")
        await world.private("carol", "Agents may ask for changes again")
        await world.card("approvals", words="carol resumed agents, because fixed")
        await world.slack.click("bob", card, "vps:approve")
        await world.card("approvals", words="Reboot web01.example.com: done")
        assert (await core.changes.get(change.id, scope=OPERATOR)).state is State.SUCCEEDED
        await answer_to(world, "bob", "resume", "Agents are not paused")


async def test_a_guest_pauses_nothing_and_a_mute_slack_hinders_nobody(tmp_path: Path) -> None:
    """Guests are refused; where Slack cannot describe a person, agents are paused and that is recorded."""
    async with playing(tmp_path, with_guest("dave")) as (world, core):
        await answer_to(world, "dave", "pause", "Only full, active members")
        assert not (await core.changes.agents_paused()).paused
    (tmp_path / "mute").mkdir()
    mute = replace(SCENE, workspace=replace(WORKSPACE, scopes=WORKSPACE.scopes - {"users:read"}))
    async with playing(tmp_path / "mute", mute) as (world, core):
        await answer_to(world, "bob", "pause", "bob paused them")
        record = (await database_of(core).read(chain.read))[-1]
        assert record.body["evidence"] == "whether this is a full member could not be read"
        await answer_to(world, "bob", "resume", "Slack did not return")
        assert (await core.changes.agents_paused()).paused


async def test_a_guest_looks_and_alters_nothing(tmp_path: Path) -> None:
    """Neither servers nor a channel's notices; a guest is in the workspace for something else."""
    async with playing(tmp_path, with_guest("dave")) as (world, core):
        await answer_to(world, "dave", "show web01", "web01.example.com")
        asked = ("stop web01", "notify drift on web*", "watch db01", "notify off sub_000000000000")
        for typed in asked:
            await world.slack.command("dave", "ops", "/vps", typed)
        refusal = "Only full, active members of this workspace can ask for a change, or decide."
        await world.slack.wait_for(
            lambda: (
                sum(refusal in message_words(ephemeral) for ephemeral in world.slack.ephemerals("dave")) == len(asked)
            )
        )
        assert await core.changes.list(scope=OPERATOR) == []
        assert await Subscriptions(database_of(core), core.clock).all() == []


def with_guest(name: str) -> Scene:
    """A workspace in which a person is a guest."""
    users = tuple(replace(user, is_restricted=user.name == name) for user in WORKSPACE.users)
    return replace(SCENE, workspace=replace(WORKSPACE, users=users))


async def test_the_trail_is_shown_to_members_and_shared_without_words(tmp_path: Path) -> None:
    """By server, by a mentioned person, paged by its buttons; a channel sees no reasons, and a guest nothing."""
    async with playing(tmp_path, with_guest("dave")) as (world, core):
        change = await agent_asks(core)
        card = await world.card("approvals", words="waiting for approval")
        await world.slack.click("bob", card, "vps:approve")
        await world.card("approvals", words="Reboot web01.example.com: done")
        answer = await answer_to(world, "carol", "audit web01", "The audit trail, server web01")
        assert "archives/C0APPROVALS" in message_words(answer)
        await answer_to(world, "carol", "audit <@U0BOB|bob>", "The audit trail, person U0BOB")
        await answer_to(world, "carol", f"audit {change.id}", f"change {change.id}")
        await answer_to(world, "carol", "audit db99", "Nothing on this page")
        await press(world, "carol", answer, "Share here")
        shared = await world.card(words="The audit trail, server web01")
        assert "hangs" not in message_words(shared)
        assert "Shared by <@U0CAROL>" in message_words(shared)
        assert buttons(shared) == []
        (row,) = (block["accessory"] for block in answer.blocks if "accessory" in block)
        await world.slack.click("carol", answer, row["action_id"])
        details = message_words(await world.private("carol", "hangs"))
        assert 'reason: "<!channel> hangs"' in details  # in a block of plain text
        assert "approved" in details
        await answer_to(world, "dave", "audit", "Only full, active members")


async def test_the_report_says_how_everything_stands_and_hides_costs_in_a_channel(tmp_path: Path) -> None:
    """One private message with the fleet, costs, holds and the switch; the shared one is without costs."""
    async with playing(tmp_path, replace(SCENE, provider=SimulatorConfig(speed=600, fleet=30))) as (world, core):
        await agent_asks(core, server=(await first_server(core)))
        answer = await answer_to(world, "alice", "report", "Status report")
        text = message_words(answer)
        assert "30: " in text
        assert "1 waiting for approval" in text
        assert "active" in text
        assert "Monthly cost" in text
        await press(world, "alice", answer, "Share here")
        shared = await world.card(words="Status report")
        assert "30: " in message_words(shared)
        assert "Monthly cost" not in message_words(shared)
        world.fault(kind="status", status=503, match={"operation": "list"})
        assert "1 waiting for approval" in message_words(await answer_to(world, "bob", "report", "unavailable"))


async def first_server(core: Core) -> str:
    return str((await Wayscloud(core.gate._backend.connection).list_servers())[0].id)


async def test_a_slip_is_offered_on_buttons_with_all_that_followed(tmp_path: Path) -> None:
    """The press runs the button's command, reason included; the same for a server's name that is nearly right."""
    async with playing(tmp_path) as (world, _):
        answer = await answer_to(world, "alice", "rebot web01 because <b> swap", "Nothing was run")
        assert world.slack.messages("ops") == []
        await press(world, "alice", answer, "/vps reboot web01 because <b> swap")
        assert "&lt;b&gt; swap" in message_words(await world.card(words="Reboot web01.example.com"))
        near = await answer_to(world, "bob", "stop db0l because of a leak", "There is no server")
        await press(world, "bob", near, "Stop db01.example.com")
        assert "of a leak" in message_words(await world.card(words="Stop db01.example.com"))
        methods = ("usergroups.users.list", "conversations.members")
        assert [method for method in methods if world.slack.calls(method)] == [], (
            "no rule is about groups, so none are read"
        )


def team_scene(directory: Path) -> Scene:
    """A policy that lets a user group's members reboot and stop, and no other person."""
    policy = directory / "vpsops.toml"
    policy.write_text(
        '[[rule]]\nid = "reads"\nrisk = "read"\ndecision = "allow"\n'
        '[[rule]]\nid = "team"\ngroup = "S0APPROVERS"\noperation = ["reboot", "stop"]\ndecision = "confirm"\n',
        encoding="utf-8",
    )
    return replace(SCENE, settings={**SCENE.settings, "VPSOPS_CONFIG": str(policy)})


async def test_help_says_what_the_caller_may_do_with_groups_read_from_slack(tmp_path: Path) -> None:
    """A rule about a user group is decided by who is in it now."""
    async with playing(tmp_path, team_scene(tmp_path)) as (world, core):
        assert "you confirm (team)" in message_words(await answer_to(world, "bob", "help reboot", "For you, here"))
        assert "refused" in message_words(await answer_to(world, "alice", "help reboot", "For you, here"))
        await answer_to(world, "alice", "stop web01", "No rule allows it")
        delivery = await world.slack.command("bob", "ops", "/vps", "stop web01")
        assert delivery.acked_in is not None
        await world.card(words="Stop web01.example.com")
        change = (await core.changes.list(scope=OPERATOR))[0]
        assert change.actor.groups == ("T0ACME", "S0APPROVERS")


async def test_rules_that_name_people_by_address_mean_them_in_slack_too(tmp_path: Path) -> None:
    """Any person who is denied by e-mail address is denied, others are not; one who is to decide by it may."""
    policy = tmp_path / "vpsops.toml"
    policy.write_text(
        '[[rule]]\nid = "all"\nactor = "person"\ndecision = "allow"\n'
        '[[rule]]\nid = "not-bob"\nperson = "bob@acme.example"\noperation = "stop"\ndecision = "deny"\n'
        '[[rule]]\nid = "agents"\nactor = "agent"\ndecision = "approve"\napprovers = { people = "Bob@acme.example" }\n',
        encoding="utf-8",
    )
    settings = {**SCENE.settings, "VPSOPS_CONFIG": str(policy)}
    scene = Scene(workspace=WORKSPACE.with_scopes("users:read.email"), settings=settings)
    async with playing(tmp_path, scene) as (world, core):
        await answer_to(world, "bob", "stop web01", "Rules: not-bob")
        await world.slack.command("carol", "ops", "/vps", "stop web01")
        await world.card(words="Stop web01.example.com: done")
        change = await agent_asks(core, "db01")
        card = await world.card("approvals", words="waiting for approval")
        await world.slack.click("carol", card, "vps:approve")
        await world.private("carol", "not among those who may decide")
        await world.slack.click("bob", card, "vps:approve")
        await world.card("approvals", words="Reboot db01.example.com: done")
        (vote,) = (await core.changes.get(change.id, scope=OPERATOR)).votes
        assert (vote.voter.id, vote.evidence) == ("U0BOB", "named in the rule by e-mail address")


async def test_groups_that_cannot_be_read_let_nothing_happen(tmp_path: Path) -> None:
    """Without the scope to read the user group the asker's groups are not known, which is held against the request."""
    scene = replace(
        team_scene(tmp_path), workspace=replace(WORKSPACE, scopes=frozenset({"commands", "chat:write", "users:read"}))
    )
    async with playing(tmp_path, scene) as (world, _):
        await answer_to(world, "bob", "stop db01", "the asker's groups")


async def test_a_watch_is_begun_by_the_exact_server_and_ended(tmp_path: Path) -> None:
    """A near name is asked about; the exact server is stored, until its time."""
    async with playing(tmp_path) as (world, core):
        near = await answer_to(world, "alice", "watch weeb01 for 2h", "There is no server")
        await press(world, "alice", near, "/vps watch web01.example.com for 2h")
        await world.private("alice", "Watching web01.example.com for 2 h")
        await world.card(words="web01.example.com")
        await answer_to(world, "alice", "watch web01", "I am not in this channel", channel="nobot")
        await answer_to(world, "alice", "watch web01 stop", "no longer watches web01.example.com")
        await answer_to(world, "alice", "watch web01 stop", "does not watch web01")
        records = (await database_of(core).read(chain.read))[1:]  # after the policy that was put in force
        assert [record.event for record in records] == ["subscribed", "subscribed", "unsubscribed", "unsubscribed"]


async def test_an_unclear_change_is_settled_by_those_concerned(tmp_path: Path) -> None:
    """A former member of the approval channel is refused; a member settles it, and the trail has by what right."""
    async with playing(tmp_path) as (world, core):
        change = await agent_asks(core)
        card = await world.card("approvals", words="waiting for approval")
        world.slack.kick("approvals", "dave")
        unclear = sa.update(CHANGES).where(CHANGES.c.id == change.id).values(state="needs_person")
        await database_of(core).transact(lambda connection: connection.execute(unclear))
        await world.slack.click_stale("bob", card, "vps:approve")  # which redraws the card
        asked = await world.card("approvals", words="outcome unknown")
        await world.slack.click_stale("dave", asked, "vps:not_happened")
        await world.private("dave", "not among those who may say")
        assert (await core.changes.get(change.id, scope=OPERATOR)).state is State.NEEDS_PERSON
        await world.slack.click("bob", asked, "vps:not_happened")
        await world.card("approvals", words="bob checked: it did not happen")
        record = (await database_of(core).read(chain.read))[-1]
        assert (record.event, "member of channel C0APPROVALS" in record.body["evidence"]) == ("resolved", True)
