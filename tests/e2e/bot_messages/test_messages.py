"""Commands in messages: a mention of the app, or direct messages; through real signed requests and by Socket Mode."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from tests.fakes.slack_bot import BotHarness, Scene, Transport, buttons, message_words, stage
from vpsops.bot.app import Bot
from vpsops.core.app import Core
from vpsops.core.changes.model import State
from vpsops.core.changes.scope import OPERATOR
from vpsops.playground.slack.rendering.elements import NotOnScreenError
from vpsops.playground.slack.workspace.config import OUTSIDERS, WorkspaceConfig, connected
from vpsops.playground.slack.workspace.entities import User

BOT: Final = "<@U0VPSBOT>"
HINT: Final = "A message is a command if it begins with one"
GUEST: Final = User("U0GUS", "gus", "Gus Guest", "gus@acme.example", is_restricted=True)


@asynccontextmanager
async def world(directory: Path, scene: Scene | None = None) -> AsyncIterator[tuple[BotHarness, Bot, Core]]:
    async with stage(directory, scene) as harness, harness.bot() as (bot, core):
        yield harness, bot, core


async def settled(bot: Bot) -> None:
    """Wait until the bot has nothing in hand."""
    assert await bot.inbox_worker.drain(60.0)


@pytest.mark.requirement("slack-messages")
@pytest.mark.parametrize("transport", ["http", "socket"])
async def test_a_mention_asks_as_the_command_does(tmp_path: Path, transport: Transport) -> None:
    """It is acknowledged, once, and its card is confirmed by its author alone; a second copy does nothing."""
    async with world(tmp_path, Scene(transport=transport)) as (harness, bot, core):
        slack = harness.slack
        delivery = await slack.mention("alice", "ops", "reboot web01 because disk full", duplicates=2)
        assert [attempt.ok for attempt in delivery.attempts] == [True] * 3
        card = await harness.card(words="waiting for confirmation")
        await settled(bot)
        (change,) = await core.changes.list(scope=OPERATOR)
        assert (change.operation, change.target.hostname, change.reason) == (
            "reboot",
            "web01.example.com",
            "disk full",
        )
        assert (change.actor.id, change.actor.name, change.state) == ("U0ALICE", "alice", State.HELD)
        await slack.click("bob", card, "vps:confirm")
        await settled(bot)
        assert harness.effects("reboot") == 0
        await slack.click("alice", card, "vps:confirm")
        await harness.card(words="done")
        assert harness.effects("reboot") == 1


@pytest.mark.requirement("slack-messages")
async def test_answers_and_cards_stay_in_the_thread(tmp_path: Path) -> None:
    """What is private is shown to its asker alone, in the thread; the card is a reply."""
    async with world(tmp_path) as (harness, _, _):
        slack = harness.slack
        root = slack.say("bob", "ops", "web01 hangs")
        await slack.mention("alice", "ops", "show web01", root.ts)
        answer = await harness.private("alice", "web01.example.com")
        assert (answer.channel, answer.thread_ts, answer.shown_to) == ("C0OPS", root.ts, "U0ALICE")
        await slack.mention("alice", "ops", "reboot web01", root.ts)
        card = await harness.card(words="waiting for confirmation")
        assert card.thread_ts == root.ts
        await slack.click("bob", card, "vps:confirm")
        refused = await harness.private("bob")
        assert refused.thread_ts == root.ts


@pytest.mark.requirement("slack-messages")
@pytest.mark.parametrize("transport", ["http", "socket"])
async def test_direct_messages_take_the_same_words(tmp_path: Path, transport: Transport) -> None:
    """No mention is needed, and the answer is in the same conversation."""
    async with world(tmp_path, Scene(transport=transport)) as (harness, bot, core):
        await harness.slack.direct_message("alice", "reboot web01 because disk")
        card = await harness.slack.wait_for(lambda: next(iter(_cards(harness, "alice")), None))
        assert card is not None
        await settled(bot)
        await harness.slack.direct_message("alice", "list")
        assert "2 servers" in message_words(await harness.private("alice", "2 servers"))
        assert len(await core.changes.list(scope=OPERATOR)) == 1


def _cards(harness: BotHarness, user: str) -> list[Any]:
    return [item for item in harness.slack.direct_messages(user) if "waiting for confirmation" in message_words(item)]


@pytest.mark.requirement("slack-messages")
async def test_a_message_runs_once_whatever_is_sent_about_it(tmp_path: Path) -> None:
    """Its events with other ids, of an edit or in another shape, and after a restart, ask for nothing again."""
    async with stage(tmp_path) as harness:
        async with harness.bot() as (bot, core):
            delivery = await harness.slack.mention("alice", "ops", "reboot web01", at_once=True, duplicates=5)
            event = delivery.payload["event"]
            await harness.slack.event(event)
            await harness.slack.event({**event, "text": f"{BOT} stop db01"})
            await harness.slack.event({**event, "edited": {"user": "U0ALICE", "ts": event["ts"]}})
            await settled(bot)
        async with harness.bot() as (bot, core):
            await harness.slack.event(event)
            await settled(bot)
            assert len(await core.changes.list(scope=OPERATOR)) == 1


@pytest.mark.requirement("slack-messages")
async def test_what_nobody_typed_to_the_app_runs_nothing(tmp_path: Path) -> None:
    """Edited, forwarded, hidden and quoted messages, those of apps and those that mention others."""
    async with world(tmp_path) as (harness, bot, core):
        plain = {"type": "app_mention", "user": "U0ALICE", "channel": "C0OPS", "text": f"{BOT} reboot web01"}
        more: list[dict[str, Any]] = [
            {"edited": {"user": "U0ALICE"}},
            {"attachments": [{"is_share": True}]},
            {"hidden": True},
            {"bot_id": "B0OTHER"},
            {"subtype": "message_changed"},
            {"type": "message", "channel_type": "channel"},
            {"text": f"{BOT} reboot web01 <@U0BOB>"},
            {"text": f"&gt; {BOT} reboot web01"},
            {"text": f"so {BOT} reboot web01"},
            {"user": "U0VPSBOT"},
        ]
        for fields in more:
            stamp = harness.slack.desk.state.next_ts(harness.slack.desk.now())
            delivery = await harness.slack.event({**plain, "ts": stamp, **fields})
            assert delivery.acked is not None
        await settled(bot)
        assert await core.changes.list(scope=OPERATOR) == []
        assert harness.slack.messages("ops") == []


@pytest.mark.requirement("slack-messages")
async def test_a_message_that_comes_late_runs_nothing(tmp_path: Path) -> None:
    """Slack may deliver an event long after it was written: its author is asked to write it again."""
    async with world(tmp_path) as (harness, _, core):
        written = harness.slack.desk.now() - timedelta(seconds=400)
        event = {"type": "app_mention", "user": "U0ALICE", "channel": "C0OPS", "text": f"{BOT} reboot web01"}
        await harness.slack.event({**event, "ts": f"{written.timestamp():.6f}"})
        await harness.private("alice", "I come to this only now")
        assert await core.changes.list(scope=OPERATOR) == []


@pytest.mark.requirement("slack-messages")
async def test_other_words_get_one_hint(tmp_path: Path) -> None:
    """One in a minute for each person, with the commands that are near; a mistake in a command is always answered."""
    async with world(tmp_path) as (harness, bot, core):
        slack = harness.slack
        await slack.mention("alice", "ops", "rebot web01")
        hint = await harness.private("alice", HINT)
        assert "/vps reboot web01" in message_words(hint)
        for text in ("thanks!", "you are great", ""):
            await slack.mention("alice", "ops", text)
            await slack.direct_message("alice", text or "hello")
        await settled(bot)
        assert len([item for item in slack.ephemerals("alice") if HINT in message_words(item)]) == 1
        await slack.mention("bob", "ops", "thanks!")
        await harness.private("bob", HINT)
        await slack.mention("alice", "ops", "reboot")
        await harness.private("alice", "needs a server")
        assert await core.changes.list(scope=OPERATOR) == []


@pytest.mark.requirement("slack-messages")
async def test_a_form_is_opened_by_a_button(tmp_path: Path) -> None:
    """A message brings no trigger: the button below the answer does."""
    async with world(tmp_path) as (harness, _, _):
        await harness.slack.mention("alice", "ops", "create web09.example.com")
        answer = await harness.private("alice", "cannot open a form")
        (action,) = buttons(answer)
        await harness.slack.click("alice", answer, action)
        assert await harness.slack.wait_for(lambda: harness.slack.modal("alice")) is not None


@pytest.mark.requirement("only-this-workspace")
@pytest.mark.parametrize("person", ["eve", "ole", "fay"])
@pytest.mark.parametrize("claimed", ["T0RIVAL", "T0ACME", None])
async def test_people_of_other_companies_run_nothing(tmp_path: Path, person: str, claimed: str | None) -> None:
    """Whatever the event claims of their workspace: one sentence, and no server is named."""
    scene = Scene(workspace=connected(WorkspaceConfig(), "ops", *OUTSIDERS))
    async with world(tmp_path, scene) as (harness, bot, core):
        slack = harness.slack
        for text in ("list", "reboot web01", "pause", "show web01"):
            event = slack.payloads.message_event(slack.say(person, "ops", f"@vpsops {text}"))
            assert event is not None
            await slack.event({**event, "team": claimed, "user_team": claimed})
            await settled(bot)
        words = " ".join(message_words(item) for item in slack.ephemerals(person))
        assert words.count("Only members of this workspace") >= 4
        assert "web01" not in words
        assert await core.changes.list(scope=OPERATOR) == []
        assert not (await core.changes.agents_paused()).paused


@pytest.mark.requirement("slack-messages")
async def test_guests_read_and_alter_nothing(tmp_path: Path) -> None:
    """The rights are those of the command."""
    config = WorkspaceConfig()
    scene = Scene(workspace=replace(connected(config, "ops", GUEST), users=(*config.users, GUEST)))
    async with world(tmp_path, scene) as (harness, _, core):
        await harness.slack.mention("gus", "ops", "reboot web01")
        await harness.private("gus", "Only full, active members")
        assert await core.changes.list(scope=OPERATOR) == []


async def test_agents_are_paused_while_slack_does_not_answer(tmp_path: Path) -> None:
    """The safe direction, as by command."""
    async with world(tmp_path) as (harness, bot, core):
        harness.slack.faults.fail_next("users.info", 5, "internal_error")
        harness.slack.faults.fail_next("auth.test", 5, "internal_error")
        await harness.slack.mention("alice", "ops", "pause because they run wild")
        await settled(bot)
        assert (await core.changes.agents_paused()).paused


async def test_without_the_scopes_nothing_is_sent_and_commands_work(tmp_path: Path) -> None:
    """An app that was installed with an older manifest has `/vps` as before."""
    config = WorkspaceConfig()
    older = replace(config, scopes=config.scopes - {"app_mentions:read", "im:history"})
    async with world(tmp_path, Scene(workspace=older)) as (harness, _, _):
        with pytest.raises(NotOnScreenError):
            await harness.slack.mention("alice", "ops", "list")
        with pytest.raises(NotOnScreenError):
            await harness.slack.direct_message("alice", "list")
        await harness.slack.command("alice", "ops", "/vps", "list")
        await harness.private("alice", "2 servers")
