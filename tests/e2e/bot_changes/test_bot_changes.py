"""Changing servers from Slack: asked, confirmed, watched, reported; once, by the right people."""

from pathlib import Path

import pytest

from tests.fakes.slack_bot import BotHarness, Scene, Transport, buttons, message_words, playing
from tests.fakes.slack_bot import stage as set_up
from tests.harness.patience import eventually
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.messaging.outbox import topic_of
from vpsops.playground.slack.rendering.elements import NotOnScreenError


async def held(stage: BotHarness, text: str = "reboot web01 because disk swap", channel: str = "ops") -> str:
    """Ask for a change and return its id."""
    await stage.slack.command("alice", channel, "/vps", text)
    card = await stage.card(channel, words="waiting for confirmation")
    return next(word for word in message_words(card).split() if word.startswith("chg_"))


@pytest.mark.parametrize("transport", ["http", "socket"])
async def test_a_reboot_is_confirmed_watched_and_told(tmp_path: Path, transport: Transport) -> None:
    """The card asks, the click runs it, the card shows how it ended, and its buttons are gone."""
    async with playing(tmp_path, Scene(transport)) as stage:
        await held(stage)
        card = await stage.card(words="disk swap")
        assert "185.35.202.45" in message_words(card)
        assert stage.effects("reboot") == 0
        await stage.slack.click("alice", card, "vps:confirm")
        done = await stage.card(words="Reboot web01.example.com: done")
        assert done.ts == card.ts
        assert buttons(done) == []
        assert "It took" in message_words(done)
        assert "The provider reports: running" in message_words(done)
        assert stage.effects("reboot") == 1


@pytest.mark.parametrize("transport", ["http", "socket"])
async def test_what_is_delivered_three_times_is_done_once(tmp_path: Path, transport: Transport) -> None:
    """Three deliveries of a command are one card, three of a click one reboot, all of them acknowledged."""
    async with playing(tmp_path, Scene(transport)) as stage:
        asked = await stage.slack.command("alice", "ops", "/vps", "reboot web01", duplicates=2, at_once=True)
        assert all(attempt.ok for attempt in asked.attempts)
        card = await stage.card(words="waiting for confirmation")
        clicked = await stage.slack.click("alice", card, "vps:confirm", duplicates=2, at_once=True)
        assert [attempt.ok for attempt in clicked.attempts] == [True] * 3
        await stage.card(words="Reboot web01.example.com: done")
        again = await stage.slack.click_stale("alice", card, "vps:confirm")
        assert again.error is None
        await stage.private("alice", "already")
        assert stage.effects("reboot") == 1
        assert (
            len(
                [
                    message
                    for message in stage.slack.messages("ops")
                    if "Reboot" in message.text and not message.thread_ts
                ]
            )
            == 1
        )


async def test_somebody_else_cannot_confirm(tmp_path: Path) -> None:
    """Another person's click is refused in private, with the reason and with what they may do, and alters nothing."""
    async with playing(tmp_path) as stage:
        await held(stage)
        card = await stage.card(words="waiting for confirmation")
        await stage.slack.click("bob", card, "vps:confirm")
        await stage.private(
            "bob", "Only alice can confirm this change. A full member of the workspace can set it aside"
        )
        assert stage.slack.ephemerals("alice") == []
        assert "waiting for confirmation" in message_words(await stage.card())
        assert stage.effects("reboot") == 0


async def test_a_change_is_cancelled_on_its_card_and_by_command(tmp_path: Path) -> None:
    """Cancel ends the wait; the card shows that, who did it and why, and has no buttons."""
    async with playing(tmp_path) as stage:
        await held(stage)
        await stage.slack.click("alice", await stage.card(words="waiting"), "vps:cancel")
        assert buttons(await stage.card(words="Cancelled by alice.")) == []
        second = await held(stage, "stop db01")
        await stage.slack.command("alice", "ops", "/vps", f"cancel {second} because a typo")
        await stage.private("alice", "is withdrawn")
        card = await stage.card(words="Stop db01.example.com: cancelled")
        assert "Cancelled by alice: a typo" in message_words(card)
        assert stage.provider.simulator.world.counts.total() == 0


async def test_a_second_change_on_a_server_names_the_first(tmp_path: Path) -> None:
    """One change at a time per server; the second asker learns which is first."""
    async with playing(tmp_path) as stage:
        first = await held(stage)
        await stage.slack.command("bob", "ops", "/vps", "stop web01")
        await stage.private("bob", first)


async def test_a_channel_without_the_bot_gets_its_card_by_direct_message(tmp_path: Path) -> None:
    """Not in the channel: the card comes by direct message, the private answer states that, and it works there."""
    async with playing(tmp_path) as stage:
        await stage.slack.command("alice", "nobot", "/vps", "reboot web01")
        await stage.private("alice", "direct messages with me", "nobot")
        (card,) = stage.slack.direct_messages("alice")
        await stage.slack.click("alice", card, "vps:confirm")
        await stage.slack.wait_for(lambda: "done" in message_words(stage.slack.direct_messages("alice")[0]))
        assert stage.slack.messages("nobot") == []


async def test_a_refused_run_says_so_on_the_card(tmp_path: Path) -> None:
    """The provider's no is on the card and in its thread."""
    async with playing(tmp_path) as stage:
        stage.fault(kind="status", status=409, match={"operation": "reboot"})
        await held(stage)
        await stage.slack.click("alice", await stage.card(words="waiting"), "vps:confirm")
        card = await stage.card(words="Reboot web01.example.com: failed")
        assert buttons(card) == []
        await stage.slack.wait_for(lambda: len(stage.slack.messages("ops", card.ts)) >= 1)


async def test_an_unclear_answer_is_looked_up_and_never_sent_again(tmp_path: Path) -> None:
    """The answer is lost after the effect: the card ends with the truth and there was one reboot."""
    async with playing(tmp_path) as stage:
        stage.fault(kind="drop_after", match={"operation": "reboot"})
        await held(stage)
        await stage.slack.click("alice", await stage.card(words="waiting"), "vps:confirm")
        await stage.card(words="Reboot web01.example.com: done")
        assert stage.effects("reboot") == 1


async def test_a_copy_nobody_remembers_is_adopted_by_a_click(tmp_path: Path) -> None:
    """A card that was posted and not stored explains itself and is updated."""
    async with set_up(tmp_path) as stage, stage.bot() as (_, core):
        change = await held(stage)
        card = await stage.card(words="waiting")
        await eventually(lambda: core.outbox.copies(topic_of(change)))
        await core.outbox.forget(topic_of(change), card.channel, card.ts)
        stage.slack.desk.state.client_ids.clear()  # as if Slack did not keep its promise either
        await core.gate.cancel(change, (await core.changes.get(change, scope=OPERATOR)).actor, scope=OPERATOR)
        fresh = await stage.card(words="cancelled")
        assert fresh.ts != card.ts
        await stage.slack.click("alice", card, "vps:confirm")
        await stage.private("alice", "already")
        await stage.slack.wait_for(lambda: "cancelled" in message_words(stage.slack.message("ops", card.ts) or card))
        with pytest.raises(NotOnScreenError):
            await stage.slack.click("alice", card, "vps:confirm")
        assert stage.effects("reboot") == 0


async def test_a_reason_rings_no_channel(tmp_path: Path) -> None:
    """The asker's text is shown without markup."""
    async with playing(tmp_path) as stage:
        await held(stage, "reboot web01 because <!channel> *approved* `by` security")
        card = await stage.card(words="waiting")
        assert "<!channel>" not in card.text
        (reason,) = (block["text"]["text"] for block in card.blocks if "Reason" in str(block))
        assert "&lt;!channel&gt;" in reason
        assert not {"<!channel>", "*approved*", "`by`"} & set(reason.split())
