"""Servers with an end in Slack: what their owners are asked, and what each button does, by signed requests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.e2e.bot_changes.test_bot_approvals import SCENE
from tests.fakes.slack_bot import BotHarness, buttons, message_words, stage, words_of
from tests.harness.internals import database_of
from tests.harness.virtual_time import VirtualClock
from vpsops.core.app import Core
from vpsops.core.audit import chain
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.requests import Held, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.ends import lifecycle
from vpsops.core.ends import repository as ends
from vpsops.core.ends.model import EndState, ServerEnd, next_look
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.core.storage.tables import CHANGES
from vpsops.playground.slack.workspace.entities import Message

POLICY = """
[[rule]]
id = "reads"
risk = "read"
decision = "allow"

[[rule]]
id = "people"
risk = ["change", "disruptive"]
decision = "confirm"

[[rule]]
id = "what-destroys"
risk = "destructive"
decision = "approve"
"""
ALICE = Actor(ActorKind.PERSON, "U0ALICE", "alice", "U0ALICE", account="U0ALICE")
OPS = Origin("slack", "", "C0OPS")
HOST = "load01.example.com"
ORDER = {"hostname": HOST, "plan": "vps-4gb-2cpu", "region": "NO", "os_template": "debian-12", "lifetime": "2h"}


@asynccontextmanager
async def ending(directory: Path, policy: str = POLICY) -> AsyncIterator[tuple[BotHarness, Core, Change]]:
    """Have alice make a server for two hours."""
    config = directory / "vpsops.toml"
    config.write_text(policy)
    scene = replace(SCENE, settings={**SCENE.settings, "VPSOPS_CONFIG": str(config)})
    async with stage(directory, scene) as world, world.bot() as (_, core):
        outcome = await core.gate.submit(Request("create", ORDER, ALICE, OPS, can_confirm=True), scope=OPERATOR)
        assert isinstance(outcome, Held), outcome
        await core.gate.confirm(outcome.change.id, ALICE, outcome.change.digest, scope=OPERATOR)
        change = await core.changes.wait(outcome.change.id, seconds=300, scope=OPERATOR)
        assert change.state is State.SUCCEEDED, change.note
        yield world, core, change


async def end_of(core: Core, change: Change) -> ServerEnd:
    end = await core.ends.of_change(change.id, scope=OPERATOR)
    assert end is not None
    return end


async def bring(core: Core, change: Change, left: timedelta) -> None:
    """Let an end be so far ahead, as if the time before it had passed."""
    now = VirtualClock().now()

    def work(connection: Connection) -> None:
        end = ends.of_change(connection, change.id)
        assert end is not None
        nearer = end.ends_at - now - left
        since, ends_at = end.since - nearer, end.ends_at - nearer
        ends.alter(connection, end, since=since, ends_at=ends_at, next_at=next_look(since, ends_at, now))
        body = {"server": end.server_id, "turn": end.turn, "ends_at": ends_at.timestamp()}
        chain.append(connection, now.timestamp(), lifecycle.KEPT, change.id, body)

    await database_of(core).transact(work)


async def reach(core: Core, change: Change, state: EndState) -> ServerEnd:
    """Return an end once it is in a state."""
    for _ in range(60):
        end = await end_of(core, change)
        if end.state is state:
            return end
        await VirtualClock().sleep(2)
    raise AssertionError(await end_of(core, change))


async def direct(world: BotHarness, words: str) -> Message:
    """Wait for a direct message to alice that holds these words."""

    def find() -> Message | None:
        messages = world.slack.direct_messages("alice")
        return next((each for each in reversed(messages) if words in message_words(each)), None)

    message = await world.slack.wait_for(find)
    assert message is not None
    return message


@pytest.mark.requirement("end-asked-in-slack")
async def test_the_owner_is_asked_and_keeps_it_with_a_click(tmp_path: Path) -> None:
    """In a direct message, an hour before; another person's click keeps nothing."""
    async with ending(tmp_path) as (world, core, change):
        before = await end_of(core, change)
        await bring(core, change, timedelta(minutes=60, seconds=-1))
        await bring_reminder(core, change)
        asked = await direct(world, words="Is it still needed?")
        assert "Stop now" in message_words(asked)
        near = await end_of(core, change)
        await world.slack.click("alice", asked, "vps:typed:0")
        await world.private("alice", f"{HOST} is kept")
        kept = await end_of(core, change)
        assert (kept.turn, kept.ends_at - near.ends_at) == (before.turn + 1, timedelta(days=1))
        assert world.effects("stop") == 0


async def bring_reminder(core: Core, change: Change) -> None:
    """Let the owner be asked now."""

    def work(connection: Connection) -> None:
        end = ends.of_change(connection, change.id)
        assert end is not None
        ends.alter(connection, end, next_at=VirtualClock().now())

    await database_of(core).transact(work)


async def test_stop_now_asks_for_a_stop_like_any_other(tmp_path: Path) -> None:
    """It is confirmed by who pressed it, and the end finds the server stopped."""
    async with ending(tmp_path) as (world, core, change):
        await bring(core, change, timedelta(minutes=59))
        await bring_reminder(core, change)
        asked = await direct(world, words="Is it still needed?")
        await world.slack.click("alice", asked, "vps:run:1")
        held = await direct(world, words="waiting for confirmation")
        await world.slack.click("alice", held, "vps:confirm")
        await direct(world, words=f"Stop {HOST}: done")
        await bring(core, change, timedelta(seconds=1))
        end = await reach(core, change, EndState.STOPPED)
        assert (world.effects("stop"), "It was stopped already." in end.note) == (1, True)


@pytest.mark.requirement("end-asks-for-deletion")
async def test_after_the_stop_people_decide_about_the_deletion_on_a_card(tmp_path: Path) -> None:
    """The message about the stop has no second way to ask; a vote deletes it."""
    async with ending(tmp_path) as (world, core, change):
        await bring(core, change, timedelta(seconds=2))
        await reach(core, change, EndState.STOPPED)
        notice = await direct(world, words="Its deletion is asked for")
        assert "Ask for deletion" not in message_words(notice)
        card = await world.card("approvals", words=f"Delete {HOST}")
        assert "its end asks for this" in message_words(card)
        await world.slack.click("alice", card, "vps:approve")
        assert world.effects("delete") == 0


async def test_without_approvers_the_message_has_the_button(tmp_path: Path) -> None:
    """What the policy refuses by itself it refuses for a person too, with its reason."""
    policy = POLICY.replace('risk = "destructive"\ndecision = "approve"', 'risk = "destructive"\ndecision = "deny"')
    async with ending(tmp_path, policy) as (world, core, change):
        await bring(core, change, timedelta(seconds=2))
        await reach(core, change, EndState.STOPPED)
        notice = await direct(world, words="the policy refuses it")
        assert "vps:run:2" in buttons(notice)
        await world.slack.click("alice", notice, "vps:run:2")
        await world.private("alice", "The policy refuses this")
        assert world.effects("delete") == 0


@pytest.mark.requirement("end-owner-left")
async def test_where_the_owner_left_the_channel_is_asked(tmp_path: Path) -> None:
    """No message goes to a deactivated account, and nothing is asked for in its name."""
    async with ending(tmp_path) as (world, core, change):
        world.slack.deactivate("alice")
        await bring(core, change, timedelta(seconds=2))
        end = await reach(core, change, EndState.STOPPED)
        assert (end.delete_id, "that account is deactivated" in end.note) == ("", True)
        notice = await world.card("approvals", words="that account is deactivated")
        assert "vps:run:2" in buttons(notice)
        assert [item for item in world.slack.direct_messages("alice") if HOST in message_words(item)] == []


async def test_lists_show_what_ends(tmp_path: Path) -> None:
    """`/vps list` with a mark, `/vps scheduled` with the stop at its time, App Home with both."""
    async with ending(tmp_path) as (world, core, change):
        when = f"{(await end_of(core, change)).ends_at:%Y-%m-%d %H:%M}"
        await world.slack.command("bob", "ops", "/vps", "list load01")
        assert f"end {when}" in message_words(await world.private("bob", HOST))
        await world.slack.command("bob", "ops", "/vps", "scheduled")
        assert HOST in message_words(await world.private("bob", "Stopped at their ends"))
        await world.slack.open_home("bob")

        def has_end() -> bool:
            home = world.slack.home("bob")
            return home is not None and "Servers with an end" in " ".join(words_of(home.body["blocks"]))

        await world.slack.wait_for(has_end)


READS = 'id = "reads"\nrisk = "read"\ndecision = "allow"\n'
NARROW = {
    "by name": 'server = "load*"\n',
    "by region": 'region = "NO"\n',
    "by another name": 'server = "web*"\n',
    "by another region": 'region = "SE"\n',
}


@pytest.mark.requirement("end-read")
@pytest.mark.parametrize("which", NARROW)
async def test_lists_show_the_ends_of_servers_that_the_asker_may_read(tmp_path: Path, which: str) -> None:
    """As `/vps list` does: in `/vps ends`, `/vps scheduled` and App Home; by a fact that the end lacks as well."""
    rules = POLICY.replace(READS, f"{READS}{NARROW[which]}")
    shown = "another" not in which
    async with ending(tmp_path, rules) as (world, _, _):
        await world.slack.command("bob", "ops", "/vps", "ends")
        answer = message_words(await world.private("bob", HOST if shown else "No server ends by itself."))
        assert (HOST in answer) is shown
        await world.slack.command("bob", "ops", "/vps", "scheduled")
        answer = message_words(await world.private("bob", "Scheduled changes"))
        assert (HOST in answer) is shown
        await world.slack.open_home("bob")

        def drawn() -> str:
            home = world.slack.home("bob")
            words = " ".join(words_of(home.body["blocks"])) if home is not None else ""
            return "" if "Reading what there is" in words else words

        home = await world.slack.wait_for(drawn)
        assert home is not None
        assert ("Servers with an end" in home) is shown


@pytest.mark.requirement("end-missing")
async def test_a_create_that_made_no_end_tells_its_owner(tmp_path: Path) -> None:
    """A person says that it happened, and no id is known: the end is missing, and what to write is said."""
    async with ending(tmp_path) as (world, core, _):
        other = {**ORDER, "hostname": "load02.example.com"}
        outcome = await core.gate.submit(Request("create", other, ALICE, OPS, can_confirm=True), scope=OPERATOR)
        assert isinstance(outcome, Held)
        query = sa.update(CHANGES).where(CHANGES.c.id == outcome.change.id)
        values = {"state": State.NEEDS_PERSON.value}
        await database_of(core).transact(lambda connection: connection.execute(query.values(**values)))
        settled = await core.gate.resolve(outcome.change.id, ALICE, happened=True, scope=OPERATOR)
        assert "so it has no end" in settled.note
        notice = await direct(world, words="so it has no end")
        assert "stop load02.example.com in 2h" in message_words(notice)
        assert await core.ends.of_change(outcome.change.id, scope=OPERATOR) is None
