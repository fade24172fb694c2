"""Threads under our cards and notices: a command there without a server means theirs, and no other."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.bot_surfaces.test_bot_notices import reboot, turn, wait_for_poll
from tests.fakes.slack_bot import BotHarness, Scene, message_words, stage
from vpsops.bot.app import Bot
from vpsops.core.app import Core
from vpsops.core.changes.scope import OPERATOR
from vpsops.playground.slack.workspace.entities import Message, View
from vpsops.playground.wayscloud.hardware.model import ServerState

MEANT = "so the thread's is meant"
GONE = "The server of this thread is gone"


@asynccontextmanager
async def card_in_ops(directory: Path) -> AsyncIterator[tuple[BotHarness, Bot, Core, Message]]:
    """Run a bot with the card of a reboot of web01 that its asker has cancelled."""
    async with stage(directory, Scene()) as harness, harness.bot() as (bot, core):
        await harness.slack.command("alice", "ops", "/vps", "reboot web01")
        card = await harness.card(words="waiting for confirmation")
        await harness.slack.click("alice", card, "vps:cancel")
        yield harness, bot, core, await harness.card(words="cancelled")


async def asked(core: Core) -> list[tuple[str, str, str]]:
    return [(item.operation, item.target.hostname, item.reason) for item in await core.changes.list(scope=OPERATOR)]


@pytest.mark.requirement("thread-server")
async def test_a_command_under_a_card_means_its_server(tmp_path: Path) -> None:
    """A read and a change, and the answer says which server that is; a server that is named stands."""
    async with card_in_ops(tmp_path) as (harness, bot, core, card):
        slack = harness.slack
        await slack.mention("bob", "ops", "show", card.ts)
        meant = await harness.private("bob", MEANT)
        assert ("web01.example.com" in message_words(meant), meant.thread_ts) == (True, card.ts)
        await harness.private("bob", "Region")
        await slack.mention("bob", "ops", "reboot because disk", card.ts)
        held = await harness.card(words="waiting for confirmation")
        assert held.thread_ts == card.ts
        assert ("reboot", "web01.example.com", "disk") in await asked(core)
        await slack.click("bob", held, "vps:cancel")
        await slack.mention("bob", "ops", "stop db01", card.ts)
        await harness.card(words="db01.example.com: waiting")
        assert await bot.inbox_worker.drain(60.0)
        assert ("stop", "db01.example.com", "") in await asked(core)
        assert len([item for item in slack.ephemerals("bob") if MEANT in message_words(item)]) == 2


@pytest.mark.requirement("thread-server")
async def test_elsewhere_a_server_is_named(tmp_path: Path) -> None:
    """Not under a message of a person, in another channel, or outside of threads."""
    async with card_in_ops(tmp_path) as (harness, bot, core, card):
        slack = harness.slack
        root = slack.say("bob", "ops", "web01 hangs")
        for channel, thread in (("ops", root.ts), ("ops", None), ("general", card.ts)):
            await slack.mention("bob", channel, "stop", thread)
            assert await bot.inbox_worker.drain(60.0)
        answers = [message_words(item) for item in slack.ephemerals("bob")]
        assert len([words for words in answers if "needs a server" in words]) == 3
        assert [operation for operation, _, _ in await asked(core)] == ["reboot"]


@pytest.mark.requirement("thread-server")
async def test_another_server_of_that_name_is_not_meant(tmp_path: Path) -> None:
    """The thread's server is gone, and one that has its name since is untouched."""
    async with card_in_ops(tmp_path) as (harness, bot, core, card):
        world = harness.provider.simulator.world
        old = world.find("web01.example.com")
        assert old is not None
        world.remove(old)
        harness.rename("db01.example.com", "web01.example.com")
        await harness.slack.mention("bob", "ops", "stop", card.ts)
        await harness.private("bob", GONE)
        assert await bot.inbox_worker.drain(60.0)
        assert [operation for operation, _, _ in await asked(core)] == ["reboot"]


@pytest.mark.requirement("thread-server")
async def test_a_typed_approval_under_a_card_leads_to_it(tmp_path: Path) -> None:
    """It decides nothing, and needs no id."""
    scene = Scene(settings={"VPSOPS_APPROVAL_CHANNEL": "C0APPROVALS"})
    scene = replace(scene, workspace=scene.workspace.with_scopes("channels:read", "groups:read"))
    async with stage(tmp_path, scene) as harness, harness.bot() as (_, core):
        await harness.slack.command("alice", "ops", "/vps", "delete web01")
        card = await harness.card("approvals", words="waiting for approval")
        await harness.slack.mention("bob", "approvals", "approve", card.ts)
        answer = await harness.private("bob", "Nothing was decided")
        assert answer.thread_ts == card.ts
        (change,) = await core.changes.list(scope=OPERATOR)
        assert change.votes == ()


def opens(view: View | None, operation: str) -> tuple[View, str, str] | None:
    """Return a form with the action and block ids of its button for an operation, once it shows one."""
    for block in view.blocks if view else ():
        for element in block.get("elements", []):
            if f'"op":"{operation}"' in str(element.get("value", "")):
                return (view, str(element["action_id"]), str(block["block_id"])) if view else None
    return None


@pytest.mark.requirement("thread-server")
async def test_a_form_from_a_thread_answers_there(tmp_path: Path) -> None:
    """Two forms, one opened from the other, keep the thread: the card is posted under the same message."""
    async with card_in_ops(tmp_path) as (harness, _, core, card):
        slack = harness.slack
        await slack.mention("bob", "ops", "show", card.ts)
        await slack.click("bob", await harness.private("bob", "Region"), "vps:more")
        offer = await slack.wait_for(lambda: opens(slack.modal("bob"), "rename"))
        assert offer is not None
        view, action, block = offer
        await slack.click("bob", view, action, block=block)
        form = await slack.wait_for(lambda: typed_into(slack.modal("bob")))
        assert form is not None
        await slack.submit_view("bob", form, {"name": "web09"})
        held = await harness.card(words="waiting for confirmation")
        assert held.thread_ts == card.ts
        changes = await core.changes.list(scope=OPERATOR)
        assert {change.origin.thread for change in changes if change.operation == "rename"} == {card.ts}


def typed_into(view: View | None) -> View | None:
    """Return a form once it takes text."""
    return view if view is not None and "plain_text_input" in str(view.blocks) else None


async def end_of_reboot(harness: BotHarness) -> None:
    """Reboot web01 from another channel."""
    await reboot(harness)
    await harness.card(words="Reboot web01.example.com: done")


@pytest.mark.requirement("thread-server")
@pytest.mark.parametrize("event", ["change", "drift"])
async def test_a_thread_under_a_notice_knows_its_server(tmp_path: Path, event: str) -> None:
    """The end of a change, and a server that stopped by itself, in a channel that subscribed."""
    async with stage(tmp_path, Scene()) as harness, harness.bot() as (bot, core):
        slack = harness.slack
        await slack.command("alice", "general", "/vps", "notify all on web*")
        await harness.card("general", words="Subscribed: ")
        await (end_of_reboot(harness) if event == "change" else wait_for_poll(harness))
        if event == "drift":
            turn(harness, "web01.example.com", ServerState.STOPPED)
        notice = await harness.card("general", words={"change": "is done", "drift": "is stopped"}[event])
        await slack.mention("bob", "general", "show", notice.ts)
        meant = await harness.private("bob", MEANT)
        assert ("web01.example.com" in message_words(meant), meant.thread_ts) == (True, notice.ts)
        await slack.mention("bob", "general", "stop because seen", notice.ts)
        assert await bot.inbox_worker.drain(60.0)
        assert {hostname for _, hostname, _ in await asked(core)} <= {"web01.example.com"}


HIDDEN = """
[[rule]]
id = "hidden"
person = ["U0BOB"]
server = "web01"
decision = "deny"
reason = "web01 is not for Bob."

[[rule]]
id = "reads"
risk = "read"
decision = "allow"

[[rule]]
id = "changes"
actor = "person"
risk = ["change", "disruptive"]
decision = "confirm"
"""


@pytest.mark.requirement("thread-server")
async def test_a_server_that_a_person_may_not_read_is_nothing_to_them_anywhere(tmp_path: Path) -> None:
    """In a mention, a direct message and a thread about it: no fact of it, no change, and its name in no answer."""
    config = tmp_path / "vpsops.toml"
    config.write_text(HIDDEN, encoding="utf-8")
    async with stage(tmp_path, Scene(settings={"VPSOPS_CONFIG": str(config)})) as harness, harness.bot() as (bot, core):
        slack = harness.slack
        await slack.command("alice", "ops", "/vps", "reboot web01")
        card = await harness.card(words="waiting for confirmation")
        for words in ("show web01", "status web01", "stop web01"):
            await slack.mention("bob", "ops", words)
            await slack.direct_message("bob", words)
        for words in ("show", "status", "stop because disk"):
            await slack.mention("bob", "ops", words, card.ts)
        assert await bot.inbox_worker.drain(60.0)
        answers = [message_words(each) for each in (*slack.ephemerals("bob"), *slack.direct_messages("bob"))]
        assert len([words for words in answers if "web01 is not for Bob." in words]) >= 6
        assert len([words for words in answers if "needs a server" in words]) == 3
        address = "185.35.202.45"
        assert not [words for words in answers if address in words or MEANT in words]
        assert [operation for operation, _, _ in await asked(core)] == ["reboot"]
