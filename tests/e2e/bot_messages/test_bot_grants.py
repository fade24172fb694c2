"""Grants in Slack: asked for on the card, shown in the approval channel, ended with a click."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.bot_changes.test_bot_approvals import AGENT, SCENE
from tests.fakes.slack_bot import BotHarness, buttons, message_words, stage, words_of
from vpsops.core.app import Core
from vpsops.core.changes.model import Change
from vpsops.core.changes.requests import Done, Held, Outcome, Request
from vpsops.core.changes.scope import OPERATOR, ChangeQuery
from vpsops.core.identity.actors import Origin
from vpsops.playground.slack.workspace.entities import Message

POLICY = """
[[rule]]
id = "reads"
risk = "read"
decision = "allow"

[[rule]]
id = "agents"
actor = "agent"
risk = ["change", "disruptive"]
server = "web*"
decision = "approve"
grant = { max = "90m", uses = 3 }
"""


async def request(core: Core, key: str = "") -> Outcome:
    """Ask for a reboot as an agent does."""
    asked = Request("reboot", {"server": "web01"}, AGENT, Origin("mcp"), reason="it hangs", key=key)
    return await core.gate.submit(asked, scope=OPERATOR)


@asynccontextmanager
async def held(directory: Path) -> AsyncIterator[tuple[BotHarness, Core, Message, Change]]:
    """Have an agent ask for a reboot that may be granted, and wait for the card."""
    config = directory / "vpsops.toml"
    config.write_text(POLICY)
    scene = replace(SCENE, settings={**SCENE.settings, "VPSOPS_CONFIG": str(config)})
    async with stage(directory, scene) as world, world.bot() as (_, core):
        outcome = await request(core)
        assert isinstance(outcome, Held), outcome
        yield world, core, await world.card("approvals", words="waiting for approval"), outcome.change


async def grant(world: BotHarness, card: Message, user: str = "bob", **values: str) -> None:
    """Approve and allow by the form."""
    await world.slack.click(user, card, "vps:approve_grant")
    view = await world.slack.wait_for(lambda: world.slack.modal(user))
    assert view is not None
    assert "1 h 30 min" in words_of(view.body["blocks"])
    await world.slack.submit_view(user, view, values)


@pytest.mark.requirement("grants")
async def test_a_grant_is_asked_for_on_the_card_and_shown_in_the_channel(tmp_path: Path) -> None:
    """The form offers what the rule allows; the line counts its uses; a use has a card of its own, without buttons."""
    async with held(tmp_path) as (world, core, card, change):
        assert "vps:approve_grant" in buttons(card)
        await grant(world, card, grant_time="3600", grant_servers="rule")
        line = await world.card("approvals", words="Allowed: Reboot web")
        assert "0 of 3 used" in message_words(line)
        assert "<@U0ALICE>" in message_words(line)
        assert change.id in message_words(line)
        assert buttons(line) == ["vps:grant_end"]
        voted = await world.card("approvals", words="Reboot web01.example.com: done")
        assert "approved and would allow it for 1 h" in message_words(voted)
        outcome = await request(core)
        assert isinstance(outcome, Done)
        used = await world.card("approvals", words="1 of 3.")
        assert buttons(used) == []
        await world.card("approvals", words="1 of 3 used")
        (opened,) = await core.grants.list_open(scope=OPERATOR)
        assert opened.servers == ("web*",)


async def test_an_approver_ends_it_on_its_line(tmp_path: Path) -> None:
    """The line says who ended it, and has no button any more; the next request is held."""
    async with held(tmp_path) as (world, core, card, _):
        await grant(world, card)
        line = await world.card("approvals", words="Allowed: Reboot web01.example.com")
        await world.slack.click("carol", line, "vps:grant_end")
        ended = await world.card("approvals", words="ended it.")
        assert buttons(ended) == []
        await world.private("carol", "is ended")
        await world.card("approvals", words="Reboot web01.example.com: done")
        assert isinstance(await request(core), Held)


async def test_the_agents_human_ends_it_from_the_list_and_others_may_not(tmp_path: Path) -> None:
    """`/vps grants` has the button; who is neither approver nor its human is refused."""
    async with held(tmp_path) as (world, core, card, _):
        await grant(world, card)
        line = await world.card("approvals", words="Allowed: Reboot")
        world.slack.kick("approvals", "carol")
        await world.slack.click_stale("carol", line, "vps:grant_end")
        await world.private("carol", "not among those who may end this grant")
        await world.slack.command("alice", "ops", "/vps", "grants")
        listed = await world.private("alice", "Allowed: Reboot")
        await world.slack.click("alice", listed, "vps:grant_end")
        await world.card("approvals", words="ended it.")
        assert await core.grants.list_open(scope=OPERATOR) == []
        await world.slack.command("bob", "ops", "/vps", "grants")
        await world.private("bob", "No grant is open.")


async def test_the_human_behind_the_agent_grants_nothing(tmp_path: Path) -> None:
    """The form does not open for them; a plain approval by another person grants nothing."""
    async with held(tmp_path) as (world, core, card, _):
        await world.slack.click("alice", card, "vps:approve_grant")
        await world.private("alice", "You asked for this change")
        assert world.slack.modal("alice") is None
        await world.slack.click("bob", card, "vps:approve")
        await world.card("approvals", words="Reboot web01.example.com: done")
        assert isinstance(await request(core), Held)


async def test_home_shows_what_is_open_and_a_pause_ends_it(tmp_path: Path) -> None:
    """With the button that ends it."""
    async with held(tmp_path) as (world, core, card, _):
        await grant(world, card)
        await world.card("approvals", words="Allowed: Reboot")
        await world.slack.open_home("bob")

        def has_grant() -> bool:
            home = world.slack.home("bob")
            return home is not None and "Allowed: Reboot web01.example.com" in " ".join(words_of(home.body["blocks"]))

        await world.slack.wait_for(has_grant)
        await world.slack.command("carol", "ops", "/vps", "pause")
        await world.card("approvals", words="Agents were paused.")
        assert await core.grants.list_open(scope=OPERATOR) == []


@pytest.mark.requirement("grant-requests")
async def test_a_grant_is_asked_for_in_slack_and_opened_by_another_persons_vote(tmp_path: Path) -> None:
    """The card holds all that it is about; its asker does not vote; the line appears, and a use needs no vote."""
    async with held(tmp_path) as (world, core, _, change):
        await core.gate.cancel(change.id, AGENT, scope=OPERATOR)
        typed = "grant assistant of @alice reboot web01 for 1h uses=2 because on call"
        await world.slack.command("bob", "ops", "/vps", typed)
        card = await world.card("approvals", words="Grant to reboot web01.example.com")
        words = message_words(card)
        for part in ("assistant", "1 h from the last vote", "at most 2", "on call", "0 of 1 approval"):
            assert part in words, part
        assert "vps:approve_grant" not in buttons(card)
        await world.slack.click("bob", card, "vps:approve")
        await world.private("bob", "You asked for this change")
        await world.slack.click("carol", card, "vps:approve")
        line = await world.card("approvals", words="Allowed: Reboot web01.example.com")
        assert "0 of 2 used" in message_words(line)
        ended = await world.card("approvals", words="is open until")
        assert "Grant to reboot web01.example.com: done" in message_words(ended)
        assert isinstance(await request(core), Done)


@pytest.mark.requirement("grant-requests")
async def test_who_asked_for_a_grant_ends_it_without_being_an_approver(tmp_path: Path) -> None:
    """Nothing about approvers has to be read for that."""
    async with held(tmp_path) as (world, core, _, change):
        await core.gate.cancel(change.id, AGENT, scope=OPERATOR)
        await world.slack.command("bob", "ops", "/vps", "grant assistant of @alice reboot web01 for 1h")
        card = await world.card("approvals", words="Grant to reboot web01.example.com")
        await world.slack.click("carol", card, "vps:approve")
        await world.card("approvals", words="Allowed: Reboot web01.example.com")
        world.slack.kick("approvals", "bob")
        await world.slack.command("bob", "ops", "/vps", "grants")
        await world.slack.click("bob", await world.private("bob", "Allowed: Reboot"), "vps:grant_end")
        await world.card("approvals", words="ended it.")
        assert await core.grants.list_open(scope=OPERATOR) == []


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("grant reboot web01 for 1h", "No agent reboot is known|Name the agent"),
        ("grant assistant reboot web01", "Say for how long"),
        ("grant assistant reboot for 1h", "Name the servers"),
        ("grant assistant reboot web01 for 3h", "Write a time from 5 min to 1 h 30 min"),
        ("grant assistant reboot web01 for ever", "is no time"),
        ("grant assistant reboot web01 for 1h uses=many", "uses takes one number"),
        ("grant assistant reboot * for 1h", "No rule lets its approvers grant|No grant on"),
        ("grant assistant delete web01 for 1h", "cannot be granted"),
        ("grant stranger reboot web01 for 1h", "No agent stranger is known"),
    ],
)
async def test_what_cannot_be_granted_is_answered_with_what_to_write(tmp_path: Path, typed: str, answer: str) -> None:
    """In private; nothing is held."""
    async with held(tmp_path) as (world, core, _, change):
        await core.gate.cancel(change.id, AGENT, scope=OPERATOR)
        await world.slack.command("bob", "ops", "/vps", typed)
        words = message_words(await world.private("bob"))
        assert re.search(answer, words), words
        assert (await core.changes.page(ChangeQuery(open_only=True), scope=OPERATOR)).changes == ()
