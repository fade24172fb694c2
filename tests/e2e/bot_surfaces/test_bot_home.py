"""App Home: what it shows, acting from it through the same checks as on a card, and staying current."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.fakes.slack_bot import BotHarness, Scene, playing, stage, words_of
from tests.fakes.slack_many import stage as several
from tests.harness.internals import database_of
from vpsops.bot.handlers.home import CONFLICT
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.requests import Held, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.core.messaging.preferences import Preferences, preferences_of
from vpsops.core.storage.tables import CHANGES
from vpsops.playground.slack.workspace.config import CHANNELS, USERS, WorkspaceConfig
from vpsops.playground.slack.workspace.entities import View

AGENT = Actor(ActorKind.AGENT, "mcp:assistant", "assistant", "slack:U0ALICE")
TEAM = "T0ACME"
GUEST = "U0DAVE"
SCENE = Scene(
    workspace=WorkspaceConfig(
        users=tuple(replace(each, is_restricted=each.id == GUEST) for each in USERS), channels=CHANNELS
    ).with_scopes("groups:read", "channels:read", "users:read.email"),
    settings={"VPSOPS_APPROVAL_CHANNEL": "C0APPROVALS"},
)


def home_words(view: View | None) -> str:
    """Return all the words on a person's Home."""
    return " ".join(words_of(list(view.blocks))) if view else ""


async def home(on: BotHarness, user: str, so: Callable[[str], bool]) -> View:
    """Wait until a person's Home shows something; return it."""
    await on.slack.wait_for(lambda: so(home_words(on.slack.home(user))))
    view = on.slack.home(user)
    assert view is not None
    return view


async def opened(on: BotHarness, user: str) -> View:
    """Open Home and wait until it is drawn."""
    await on.slack.open_home(user)
    return await home(on, user, lambda words: "As of" in words)


async def agent_asks(core: Any, server: str = "web01", operation: str = "reboot") -> Change:
    """Let Alice's agent ask for something that needs an approval."""
    request = Request(operation, {"server": server}, AGENT, Origin("mcp"), "it hangs", can_confirm=True)
    outcome = await core.gate.submit(request, scope=OPERATOR)
    assert isinstance(outcome, Held)
    return outcome.change


def actions_of(view: View, action: str) -> list[str]:
    """Return the blocks that have a control of this name."""
    return [
        str(block["block_id"])
        for block in view.blocks
        for item in [*block.get("elements", []), block.get("accessory") or {}]
        if str(item.get("action_id", "")).startswith(action)
    ]


async def test_a_first_look_shows_at_once_that_it_is_being_read_and_then_everything(tmp_path: Path) -> None:
    """Loading first, then servers by state, settings and the switch; published in place by hash."""
    async with playing(tmp_path, SCENE) as on:
        view = await opened(on, "alice")
        words = home_words(view)
        assert "No pending votes." in words
        assert "Servers (" in words
        assert "running" in words
        assert "Pause agents" in words
        assert "Notify me when my changes finish: on" in words
        calls = on.slack.calls("views.publish")
        assert "Reading what there is" in str(calls[0].args)
        assert calls[1].args["hash"]
        await on.slack.open_home("alice")
        await on.slack.wait_for(lambda: len(on.slack.calls("views.publish")) == 3)
        assert "Reading what there is" not in str(on.slack.calls("views.publish")[2].args)


async def test_one_delivery_three_times_is_one_look(tmp_path: Path) -> None:
    """A repeated event is not processed again, and the messages tab does not open Home."""
    async with stage(tmp_path, SCENE) as on, on.bot() as (bot, _core):
        await on.slack.open_home("alice", duplicates=2)
        await home(on, "alice", lambda words: "As of" in words)
        await on.slack.event({"type": "app_home_opened", "user": "U0ALICE", "channel": "D0ALICE", "tab": "messages"})
        assert await bot.inbox_worker.drain(5)
        assert len(on.slack.calls("views.publish")) == 2


@pytest.mark.requirement("slack-home-votes")
async def test_a_count_on_home_leads_to_its_servers(tmp_path: Path) -> None:
    """Its list comes into the person's direct messages."""
    async with playing(tmp_path, SCENE) as on:
        view = await opened(on, "alice")
        await on.slack.click("alice", view, "vps:run:0")
        assert "web01" in str((await on.private("alice", "running")).blocks)


async def test_a_vote_from_home_counts_as_on_the_card(tmp_path: Path) -> None:
    """What waits for Bob stands on Bob's Home with its card's link; approving there runs it, once."""
    async with stage(tmp_path, SCENE) as on, on.bot() as (_bot, core):
        change = await agent_asks(core)
        await on.card("approvals", words="waiting for approval")
        view = await opened(on, "bob")
        assert "Waiting for your vote (1)" in home_words(view)
        assert "Open card" in str(view.blocks)
        assert "Reason: it hangs" in home_words(view)
        await on.slack.click("bob", view, "vps:approve", duplicates=1)
        await home(on, "bob", lambda words: "No pending votes." in words)
        done = await core.changes.wait(change.id, seconds=10, scope=OPERATOR)
        assert done.state is State.SUCCEEDED
        assert on.effects("reboot") == 1


async def test_an_unclear_change_waits_for_those_who_may_say_what_became_of_it(tmp_path: Path) -> None:
    """Another person's, and on the Home of those who could have approved it, with the two answers of its card."""
    async with stage(tmp_path, SCENE) as on, on.bot() as (_bot, core):
        change = await agent_asks(core)
        row = sa.update(CHANGES).where(CHANGES.c.id == change.id).values(state="needs_person")
        await database_of(core).transact(lambda connection: connection.execute(row))
        view = await opened(on, "bob")
        assert "Outcome unknown: check the server (1)" in home_words(view)
        await on.slack.click("bob", view, "vps:not_happened")
        await home(on, "bob", lambda words: "Outcome unknown: check the server" not in words)
        assert (await core.changes.get(change.id, scope=OPERATOR)).state is State.FAILED


async def test_who_asked_sees_the_change_as_their_own_and_not_as_theirs_to_vote_on(tmp_path: Path) -> None:
    """The human behind an agent is no voter, on Home as anywhere; a button borrowed from Bob's is refused."""
    async with stage(tmp_path, SCENE) as on, on.bot() as (_bot, core):
        change = await agent_asks(core)
        view = await opened(on, "alice")
        assert "No pending votes." in home_words(view)
        assert "Your changes (1)" in home_words(view)
        assert actions_of(view, "vps:approve") == []
        await opened(on, "bob")
        bobs = on.slack.home("bob")
        assert bobs is not None
        await on.slack.click_stale("alice", replace(bobs, user="U0ALICE"), "vps:approve")
        await home(on, "alice", lambda words: "others must decide" in words)
        assert (await core.changes.get(change.id, scope=OPERATOR)).state is State.HELD


async def test_an_old_home_decides_nothing_and_says_why(tmp_path: Path) -> None:
    """The buttons carry what was shown; a later change is named on top of an updated Home."""
    async with stage(tmp_path, SCENE) as on, on.bot() as (_bot, core):
        change = await agent_asks(core)
        old = await opened(on, "bob")
        await core.gate.cancel(change.id, AGENT, scope=OPERATOR)
        await on.slack.click_stale("bob", old, "vps:approve")
        view = await home(on, "bob", lambda words: "already" in words)
        assert "No pending votes." in home_words(view)
        assert on.effects("reboot") == 0


async def test_a_home_that_is_open_follows_what_others_do(tmp_path: Path) -> None:
    """Alice's Home shows how her agent's change ended, after Bob approved it on the card, without a click of hers."""
    async with stage(tmp_path, SCENE) as on, on.bot() as (_bot, core):
        await agent_asks(core)
        card = await on.card("approvals", words="waiting for approval")
        await opened(on, "alice")
        await on.slack.click("bob", card, "vps:approve")
        view = await home(on, "alice", lambda words: "Reboot web01.example.com: done" in words)
        assert "Your changes (" not in home_words(view)


async def test_a_conflict_on_publishing_is_answered_by_another_look(tmp_path: Path) -> None:
    """Another process published meanwhile: what it did not know is redrawn, and nothing is lost."""
    async with stage(tmp_path, SCENE) as on, on.bot() as (_bot, core):
        await opened(on, "bob")
        elsewhere = on.slack.home("bob")
        assert elsewhere is not None
        on.slack.desk.surfaces.update(elsewhere, dict(elsewhere.body), None, on.slack.desk.now())
        await agent_asks(core)
        await home(on, "bob", lambda words: "Waiting for your vote (1)" in words)
        errors = [each.error for each in on.slack.calls("views.publish")]
        assert errors.count("hash_conflict") == 1


async def test_two_processes_keep_one_home_true(tmp_path: Path) -> None:
    """Opened by one, used at the other: both follow, and each conflict is one more read."""
    async with stage(tmp_path, SCENE) as on, on.bot() as (_first, core):
        await opened(on, "bob")
        async with on.bot():
            view = on.slack.home("bob")
            assert view is not None
            await on.slack.click("bob", view, "vps:refresh")
            await on.slack.wait_for(lambda: len(on.slack.calls("views.publish")) == 3)
            await agent_asks(core)
            await home(on, "bob", lambda words: "Waiting for your vote (1)" in words)
            await on.slack.wait_for(
                lambda: [call.error for call in on.slack.calls("views.publish")].count(CONFLICT) >= 1
            )
            assert len(on.slack.calls("views.publish")) <= 7


async def test_home_is_there_while_the_provider_is_not(tmp_path: Path) -> None:
    """The servers cannot be read, which is stated; all else is there."""
    async with playing(tmp_path, SCENE) as on:
        on.fault(kind="status", match={"operation": "list"}, status=401)
        view = await opened(on, "alice")
        assert "The provider cannot be read just now" in home_words(view)
        assert "No pending votes." in home_words(view)


@pytest.mark.requirement("slack-guests-look")
async def test_a_guest_is_told_politely_and_sees_nothing(tmp_path: Path) -> None:
    """Neither servers nor changes nor controls; a person that Slack cannot describe gets no more."""
    async with stage(tmp_path, SCENE) as on, on.bot() as (_bot, core):
        await agent_asks(core)
        await on.slack.open_home("dave")
        view = await home(on, "dave", lambda words: "full members" in words)
        assert "web01" not in str(view.blocks)
        assert actions_of(view, "vps:") == []
        on.slack.faults.fail_next("users.info", 2, "internal_error")
        await on.slack.open_home("carol")
        view = await home(on, "carol", lambda words: "did not return who you are" in words)
        assert actions_of(view, "vps:") == []


async def test_settings_are_set_from_home_and_kept(tmp_path: Path) -> None:
    """A click turns a setting off, for this person and no other; the same click again leaves it off."""
    async with stage(tmp_path, SCENE) as on, on.bot() as (_bot, core):
        view = await opened(on, "alice")
        await on.slack.click("alice", view, "vps:setting:0")
        await home(on, "alice", lambda words: "Notify me when my changes finish: off" in words)
        await on.slack.click_stale("alice", view, "vps:setting:0")
        await home(on, "alice", lambda words: "Notify me when my changes finish: off" in words)
        assert await preferences_of(database_of(core), TEAM, "U0ALICE") == Preferences(dm_settled=False)
        assert await preferences_of(database_of(core), TEAM, "U0BOB") == Preferences()


async def test_agents_are_paused_and_let_go_on_from_home_by_those_who_may(tmp_path: Path) -> None:
    """Any member of the team can pause; resuming is offered to members of the approvals' channel only."""
    channels = tuple(
        replace(channel, members=channel.members - {"U0CAROL"}) if channel.id == "C0APPROVALS" else channel
        for channel in CHANNELS
    )
    scene = replace(SCENE, workspace=replace(SCENE.workspace, channels=channels))
    async with stage(tmp_path, scene) as on, on.bot() as (_bot, core):
        view = await opened(on, "carol")
        await on.slack.click("carol", view, "vps:home_pause")
        view = await home(on, "carol", lambda words: "Agents are paused: carol" in words)
        assert actions_of(view, "vps:home_resume") == []
        view = await opened(on, "bob")
        await on.slack.click("bob", view, "vps:home_resume")
        await home(on, "bob", lambda words: "Pause agents" in words)
        assert not (await core.changes.agents_paused()).paused


async def test_socket_mode_speaks_home_as_well(tmp_path: Path) -> None:
    """The event comes over the WebSocket, and so does the click."""
    async with playing(tmp_path, replace(SCENE, transport="socket")) as on:
        view = await opened(on, "alice")
        await on.slack.click("alice", view, "vps:refresh")
        await on.slack.wait_for(lambda: len(on.slack.calls("views.publish")) >= 3)


async def test_the_form_for_a_new_server_opens_from_home(tmp_path: Path) -> None:
    """Its card goes to the person's direct messages, for Home is in no channel."""
    async with playing(tmp_path, SCENE) as on:
        view = await opened(on, "alice")
        await on.slack.click("alice", view, "vps:new")
        await on.slack.wait_for(lambda: (form := on.slack.modal("alice")) and form.callback_id == "vps:create")


async def test_each_workspaces_home_and_menus_are_its_own(tmp_path: Path) -> None:
    """Homes are published by each workspace's own token with its own holds; the same id is another person elsewhere."""
    async with several(tmp_path) as both:
        for team in ("T0ACME", "T0BETA"):
            assert (await both.install(team))[0] == 200
        acme, beta = both.slack["T0ACME"], both.slack["T0BETA"]
        await both.core.gate.submit(
            Request("reboot", {"server": "web01"}, AGENT, Origin("mcp"), "it hangs"), scope=both.core.for_agents().scope
        )
        await acme.open_home("bob")
        await acme.wait_for(lambda: "Waiting for your vote (1)" in home_words(acme.home("bob")))
        await beta.open_home("alice")
        await beta.wait_for(lambda: "As of" in home_words(beta.home("alice")))
        assert "web01" not in home_words(beta.home("alice"))
        await beta.shortcut("zoe", "vps:new_server")
        await beta.wait_for(lambda: "Total:" in home_words(beta.modal("zoe")))
        view = beta.modal("zoe")
        assert view is not None
        assert (await beta.options("zoe", view, "plan")).options
