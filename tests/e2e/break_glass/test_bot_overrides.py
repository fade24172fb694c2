"""Runs without approval in Slack: the form, the notification of all who were skipped, the review by another person."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.fakes.slack.notifications import notifications
from tests.fakes.slack_bot import BotHarness, Scene, buttons, message_words, stage
from tests.harness.internals import database_of
from vpsops.core.app import Core
from vpsops.core.break_glass.reminders import ReviewReminders
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.requests import Held, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.core.storage.tables import REVIEWS
from vpsops.playground.slack.workspace.config import WorkspaceConfig
from vpsops.playground.slack.workspace.entities import Group, Message

REASON = "The shop is down, and no approver answers the phone."
NOTE = "Agreed: the shop was down, and the reboot mended it."
RULES = """
[[rule]]
id = "reads"
risk = "read"
decision = "allow"

[[rule]]
id = "reboots"
operation = "reboot"
decision = "approve"
approvers = {{ groups = ["S0APPROVERS"] }}
{override}
"""
ON_CALL = Group("S0ONCALL", "oncall", "On call", ("U0ALICE",))
WORKSPACE = WorkspaceConfig().with_scopes("channels:read", "groups:read", "users:read.email")
AGENT = Actor(ActorKind.AGENT, "mcp:assistant", "assistant", "slack:U0ALICE")


@asynccontextmanager
async def opened(
    directory: Path, override: str = 'override = ["S0ONCALL"]', **settings: str
) -> AsyncIterator[tuple[BotHarness, Core]]:
    config = directory / "vpsops.toml"
    config.write_text(RULES.format(override=override))
    scene = Scene(
        workspace=replace(WORKSPACE, groups=(*WORKSPACE.groups, ON_CALL)),
        settings={"VPSOPS_APPROVAL_CHANNEL": "C0APPROVALS", "VPSOPS_CONFIG": str(config), **settings},
    )
    async with stage(directory, scene) as world, world.bot() as (_, core):
        yield world, core


@asynccontextmanager
async def asked(
    directory: Path, override: str = 'override = ["S0ONCALL"]', user: str = "alice"
) -> AsyncIterator[tuple[BotHarness, Core, Message]]:
    """Have a person ask for a reboot in a channel, and wait for the card there."""
    async with opened(directory, override) as (world, core):
        await world.slack.command(user, "ops", "/vps", "reboot web01 because it hangs")
        yield world, core, await world.card("ops", words="waiting for approval")


async def run_by_form(world: BotHarness, card: Message, user: str = "alice", name: str = "web01.example.com") -> None:
    await world.slack.click(user, card, "vps:override")
    view = await world.slack.wait_for(lambda: world.slack.modal(user))
    assert view is not None
    await world.slack.submit_view(user, view, {"reason": REASON, "name": name})


async def the_change(core: Core) -> Change:
    (change,) = await core.changes.list(scope=OPERATOR)
    return change


@pytest.mark.requirement("override-own-change-alone")
@pytest.mark.requirement("override-notifies-everyone")
async def test_on_call_runs_it_and_all_who_were_skipped_are_notified(tmp_path: Path) -> None:
    """The form asks for a reason and the name; the approvers are mentioned at once, with the reason and a button."""
    async with asked(tmp_path) as (world, core, card):
        assert "@oncall" in message_words(card)
        before = {name: len(notifications(world.slack, name)) for name in ("bob", "carol")}
        await run_by_form(world, card)
        call = await world.card("approvals", words="un without approval: ")
        assert REASON in message_words(call)
        assert "vps:review" in buttons(call)
        await world.card("ops", words="Reboot web01.example.com: done")
        assert world.effects("reboot") == 1
        for name, count in before.items():
            assert len(notifications(world.slack, name)) > count, name
        done = await world.card("ops", words="Run without approval")
        assert "Its review is open" in message_words(done)
        assert (await the_change(core)).override is not None


async def test_a_wrong_name_or_a_short_reason_stays_in_the_form(tmp_path: Path) -> None:
    async with asked(tmp_path) as (world, core, card):
        await world.slack.click("alice", card, "vps:override")
        view = await world.slack.wait_for(lambda: world.slack.modal("alice"))
        assert view is not None
        await world.slack.submit_view("alice", view, {"reason": "it hangs", "name": "web01"})
        again = world.slack.modal("alice")
        assert again is not None
        assert (await the_change(core)).state is State.HELD
        await world.slack.submit_view("alice", again, {"reason": REASON, "name": "web01.example.com"})
        await world.card("ops", words="Reboot web01.example.com: done")


@pytest.mark.requirement("override-own-change-alone")
@pytest.mark.parametrize("user", ["bob", "carol"])
async def test_who_did_not_ask_is_refused_before_a_form_opens(tmp_path: Path, user: str) -> None:
    async with asked(tmp_path) as (world, _, card):
        await world.slack.click(user, card, "vps:override")
        await world.private(user, "Only the person who asked")
        assert world.slack.modal(user) is None
        assert world.effects("reboot") == 0


async def test_who_left_the_group_is_refused(tmp_path: Path) -> None:
    """Membership is read when the form is sent."""
    async with asked(tmp_path, 'override = ["S0ONCALL"]', "dave") as (world, core, card):
        await run_by_form(world, card, "dave")
        await world.slack.wait_for(lambda: "not among those" in str(world.slack.modal("dave")))
        assert (await the_change(core)).state is State.HELD
        assert world.effects("reboot") == 0


async def test_no_button_without_a_list(tmp_path: Path) -> None:
    async with asked(tmp_path, "") as (world, _, card):
        assert "vps:override" not in buttons(card)
        await world.slack.click_stale("alice", card, "vps:cancel")


@pytest.mark.requirement("override-own-change-alone")
async def test_an_agents_card_has_no_button(tmp_path: Path) -> None:
    """Nor does a forged click of its human run it."""
    async with opened(tmp_path) as (world, core):
        outcome = await core.gate.submit(
            Request("reboot", {"server": "web01"}, AGENT, Origin("mcp"), key="k1"), scope=OPERATOR
        )
        assert isinstance(outcome, Held)
        card = await world.card("approvals", words="waiting for approval")
        assert "vps:override" not in buttons(card)
        await world.slack.command("alice", "ops", "/vps", f"override {outcome.change.id}")
        await world.private("alice", "agent asked for")
        assert world.effects("reboot") == 0


async def test_the_command_opens_the_form(tmp_path: Path) -> None:
    async with asked(tmp_path) as (world, core, _):
        change = await the_change(core)
        await world.slack.command("alice", "ops", "/vps", f"override {change.id}")
        view = await world.slack.wait_for(lambda: world.slack.modal("alice"))
        assert view is not None
        await world.slack.submit_view("alice", view, {"reason": REASON, "name": "WEB01.example.com"})
        await world.card("ops", words="Reboot web01.example.com: done")


@pytest.mark.requirement("override-reviewed")
async def test_another_approver_closes_the_review_in_slack(tmp_path: Path) -> None:
    """Neither the asker nor a person who may not approve can; the card and its thread say what was found."""
    async with asked(tmp_path) as (world, core, card):
        await run_by_form(world, card)
        call = await world.card("approvals", words="un without approval: ")
        await world.slack.click("alice", call, "vps:review")
        await world.private("alice", "another person must review it")
        await world.slack.click("bob", call, "vps:review")
        view = await world.slack.wait_for(lambda: world.slack.modal("bob"))
        assert view is not None
        await world.slack.submit_view("bob", view, {"reason": NOTE})
        done = await world.card("ops", words="Reviewed by")
        assert NOTE in message_words(done)
        assert "vps:review" not in buttons(done)
        override = (await the_change(core)).override
        assert override is not None
        assert override.reviewer is not None
        assert override.reviewer.id == "U0BOB"
        await world.slack.click_stale("carol", call, "vps:review")
        await world.private("carol", "closed already")


async def test_a_stranger_to_the_rule_cannot_review(tmp_path: Path) -> None:
    async with asked(tmp_path) as (world, core, card):
        await run_by_form(world, card)
        call = await world.card("approvals", words="un without approval: ")
        await world.slack.click("dave", call, "vps:review")
        view = await world.slack.wait_for(lambda: world.slack.modal("dave"))
        assert view is not None
        await world.slack.submit_view("dave", view, {"reason": NOTE})
        await world.slack.wait_for(lambda: "not among those" in str(world.slack.modal("dave")))
        assert len(await core.changes.open_reviews(scope=OPERATOR)) == 1


async def test_reviews_are_listed_and_on_home(tmp_path: Path) -> None:
    async with asked(tmp_path) as (world, _, card):
        await run_by_form(world, card)
        await world.card("ops", words="Reboot web01.example.com: done")
        await world.slack.command("bob", "ops", "/vps", "reviews")
        listed = await world.private("bob", "Open reviews (1)")
        assert REASON in message_words(listed)
        await world.slack.open_home("bob")
        await world.slack.wait_for(lambda: "Run without approval: review (1)" in str(world.slack.home("bob")))


@pytest.mark.requirement("override-reviewed")
async def test_each_reminder_is_posted_once_more(tmp_path: Path) -> None:
    """Two reminders are two messages; after the review there is none."""
    async with asked(tmp_path) as (world, core, card):
        await run_by_form(world, card)
        await world.card("ops", words="Reboot web01.example.com: done")
        database = database_of(core)
        reminders = ReviewReminders(database, core.clock)
        for number in (1, 2):
            await database.transact(
                lambda connection: connection.execute(sa.update(REVIEWS).values(remind_at=core.clock.now().timestamp()))
            )
            assert await reminders.round() == 1

            def is_posted(count: int = number) -> bool:
                posted = world.slack.messages("approvals")
                return sum("review is still open" in message_words(message) for message in posted) == count

            await world.slack.wait_for(is_posted)
