"""Plans in Slack: one card for many servers, its progress, and the button that stops it."""

import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from tests.fakes.slack_bot import BotHarness, Scene, buttons, message_words, playing
from vpsops.playground.slack.workspace.entities import Message
from vpsops.playground.wayscloud.account.account import Order
from vpsops.playground.wayscloud.hardware.model import ServerState

RULES: Final = """
[limits]
max_many = 100

[[rule]]
id = "reads"
risk = "read"
decision = "allow"

[[rule]]
id = "power"
risk = "disruptive"
decision = "confirm"
"""
LARGE: Final = [f"node{number:03}.{'rack-' * 20}end.example.com" for number in range(1, 61)]
"""Names of which the facts of a plan hold fourteen."""


async def test_one_card_asks_about_two_servers_and_shows_both_done(tmp_path: Path) -> None:
    """The card names the servers, one click runs them, the same card says how far they are, and is the only one."""
    async with playing(tmp_path) as stage:
        await stage.slack.command("alice", "ops", "/vps", "reboot web01 db01 because patch night")
        card = await stage.card(words="waiting for confirmation")
        words = message_words(card)
        assert "Reboot 2 servers" in words
        assert "web01.example.com, db01.example.com" in words
        assert "patch night" in words
        assert stage.effects("reboot") == 0
        await stage.slack.click("alice", card, "vps:confirm")
        done = await stage.card(words="Reboot 2 servers: done")
        assert done.ts == card.ts
        assert "2 of 2 done." in message_words(done)
        assert buttons(done) == []
        assert stage.effects("reboot") == 2
        cards = [message for message in stage.slack.messages("ops") if not message.thread_ts]
        assert [message.ts for message in cards] == [card.ts]


async def test_a_running_plan_is_stopped_by_its_button(tmp_path: Path) -> None:
    """What has begun goes on, the rest is not started, and the card says who stopped it."""
    async with playing(tmp_path) as stage:
        await stage.slack.command("alice", "ops", "/vps", "reboot web01 db01 pause=30m")
        await stage.slack.click("alice", await stage.card(words="waiting for confirmation"), "vps:confirm")
        running = await stage.card(words="1 of 2 done")
        assert buttons(running) == ["vps:stop_plan"]
        await stage.slack.click("alice", running, "vps:stop_plan")
        ended = await stage.card(words="1 not started")
        assert "Stopped by alice." in message_words(ended)
        assert buttons(ended) == []
        assert stage.effects("reboot") == 1


async def test_a_stranger_stops_no_plan(tmp_path: Path) -> None:
    """Another person's click is refused in private, and the plan goes on."""
    async with playing(tmp_path) as stage:
        await stage.slack.command("alice", "ops", "/vps", "reboot web01 db01 pause=5m")
        await stage.slack.click("alice", await stage.card(words="waiting for confirmation"), "vps:confirm")
        await stage.slack.click("bob", await stage.card(words="1 of 2 done"), "vps:stop_plan")
        await stage.private("bob", "not among those")
        assert buttons(await stage.card(words="1 of 2 done")) == ["vps:stop_plan"]


async def test_a_pattern_that_means_no_server_holds_nothing(tmp_path: Path) -> None:
    """The answer is private, and there is no card."""
    async with playing(tmp_path) as stage:
        await stage.slack.command("alice", "ops", "/vps", "reboot nix*")
        await stage.private("alice", "No server matches nix*.")
        assert stage.slack.messages("ops") == []


@asynccontextmanager
async def large_fleet(directory: Path) -> AsyncIterator[BotHarness]:
    """Have a fleet of sixty servers with long names, which one plan may hold."""
    config = directory / "vpsops.toml"
    config.write_text(RULES)
    async with playing(directory, Scene(settings={"VPSOPS_CONFIG": str(config)})) as stage:
        for name in LARGE:
            stage.provider.simulator.world.create(Order(name, name, "vps-4gb-2cpu", "NO", "debian-12"))
            stage.put_state(name, ServerState.RUNNING)
        yield stage


def replies_to(stage: BotHarness, card: Message) -> list[str]:
    """Return the words of the messages in a card's thread."""
    return [message.text for message in stage.slack.messages("ops") if message.thread_ts == card.ts != message.ts]


def names_in(texts: Iterable[str]) -> list[str]:
    """Return the names of the large fleet in some messages, in their order."""
    return re.findall(r"node[0-9]{3}[a-z.-]+example\.com", " ".join(texts))


async def test_names_that_the_card_only_counts_are_in_its_thread_once(tmp_path: Path) -> None:
    """Card and thread together name every server once, before and after the card is drawn again."""
    async with large_fleet(tmp_path) as stage:
        await stage.slack.command("alice", "ops", "/vps", "reboot node*")
        card = await stage.card(words="are in the thread of this message")
        assert "The names of 46 more servers are in the thread" in message_words(card)
        thread = replies_to(stage, card)
        assert len(thread) == 3
        assert all(len(words) < 3_900 for words in thread)
        assert names_in([card.text, *thread]) == LARGE
        assert "Servers 15 to " in thread[0]
        await stage.slack.click("alice", card, "vps:cancel")
        await stage.card(words="cancelled")
        assert names_in(replies_to(stage, card)) == LARGE[14:]


async def test_a_thread_that_takes_nothing_is_said_on_the_card(tmp_path: Path) -> None:
    """Where Slack takes no reply, the card says how the names are read, and does not claim that they are there."""
    async with large_fleet(tmp_path) as stage:
        held = stage.slack.faults.hold_next("chat.postMessage")
        stage.slack.faults.fail_next("chat.postMessage", error="cannot_reply_to_message")
        await stage.slack.command("alice", "ops", "/vps", "reboot node*")
        held.release()
        card = await stage.card(words="are not in the thread of this message")
        assert "vpsops changes chg_" in message_words(card)
        assert replies_to(stage, card) == []


async def test_names_that_slack_refused_at_first_are_posted_by_the_outbox(tmp_path: Path) -> None:
    """A failure between two of the messages repeats none and leaves none out."""
    async with large_fleet(tmp_path) as stage:
        first = stage.slack.faults.hold_next("chat.postMessage")
        second = stage.slack.faults.hold_next("chat.postMessage")
        stage.slack.faults.lose_answer_next("chat.postMessage")
        await stage.slack.command("alice", "ops", "/vps", "reboot node*")
        first.release()
        second.release()
        card = await stage.card(words="are in the thread of this message")
        assert names_in([card.text, *replies_to(stage, card)]) == LARGE


async def test_no_one_agrees_before_all_names_are_in_the_thread(tmp_path: Path) -> None:
    """A click is refused and counts for nothing while names are still being posted; later it runs the plan."""
    async with large_fleet(tmp_path) as stage:
        first = stage.slack.faults.hold_next("chat.postMessage")
        second = stage.slack.faults.hold_next("chat.postMessage")
        await stage.slack.command("alice", "ops", "/vps", "reboot node*")
        first.release()
        card = await stage.card(words="waiting for confirmation")
        await stage.slack.click("alice", card, "vps:confirm")
        await stage.private("alice", "The list of names is still being posted")
        assert stage.effects("reboot") == 0
        second.release()
        listed = await stage.card(words="are in the thread of this message")
        await stage.slack.click("alice", listed, "vps:confirm")
        await stage.card(words="is in progress")


async def test_a_thread_that_takes_nothing_lets_no_one_agree(tmp_path: Path) -> None:
    """Where the names cannot be posted, a click says what to do instead."""
    async with large_fleet(tmp_path) as stage:
        held = stage.slack.faults.hold_next("chat.postMessage")
        stage.slack.faults.fail_next("chat.postMessage", error="cannot_reply_to_message")
        await stage.slack.command("alice", "ops", "/vps", "reboot node*")
        held.release()
        card = await stage.card(words="are not in the thread of this message")
        await stage.slack.click("alice", card, "vps:confirm")
        await stage.private("alice", "ask for the servers in parts of at most 20")
        assert stage.effects("reboot") == 0
