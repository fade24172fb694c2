"""Cards that Slack does not let us edit: one message for the end, and old buttons that explain themselves."""

from pathlib import Path

import pytest

from tests.fakes.slack_bot import BotHarness, Scene, buttons, message_words, playing
from vpsops.bot.slack_api.error_policy import ACTION_CODES, ErrorAction
from vpsops.playground.slack.workspace.config import WorkspaceConfig
from vpsops.playground.slack.workspace.entities import Message

CODES = sorted(ACTION_CODES[ErrorAction.REPOST])
FOR_GOOD = 1000


async def agreed(world: BotHarness) -> Message:
    """Ask for a reboot, confirm it on its card, and return that card."""
    await world.slack.command("alice", "ops", "/vps", "reboot web01 because kernel")
    card = await world.card(words="waiting for confirmation")
    await world.slack.click("alice", card, "vps:confirm")
    return card


def posted(world: BotHarness) -> list[Message]:
    """Return the messages in the channel, without those in threads."""
    return [message for message in world.slack.messages("ops") if not message.thread_ts]


@pytest.mark.requirement("slack-frozen-card")
@pytest.mark.parametrize("code", CODES)
async def test_where_no_card_can_be_edited_the_end_is_one_message(tmp_path: Path, code: str) -> None:
    """Progress is not posted step by step; the old card's button says what has become of the change."""
    async with playing(tmp_path) as world:
        world.slack.faults.fail_next("chat.update", FOR_GOOD, code)
        card = await agreed(world)
        end = await world.card(words="done")
        assert not {"vps:confirm", "vps:cancel"} & set(buttons(end))
        assert [message.ts for message in world.slack.messages("ops")] == [card.ts, end.ts]
        await world.slack.click("alice", card, "vps:confirm")
        assert "done" in message_words(await world.private("alice"))
        await world.slack.click("bob", card, "vps:cancel")
        await world.private("bob")
        assert [message.ts for message in world.slack.messages("ops")] == [card.ts, end.ts]
        assert world.effects("reboot") == 1
        tried = [call for call in world.slack.calls("chat.update") if call.args["ts"] in {card.ts, end.ts}]
        assert len(tried) <= 2


async def test_a_window_that_closed_after_the_request_leaves_one_message_for_the_end(tmp_path: Path) -> None:
    """Slack refuses by the message's age, so that each card is refused in its turn."""
    scene = Scene(workspace=WorkspaceConfig(edit_window=0))
    async with playing(tmp_path, scene) as world:
        card = await agreed(world)
        await world.card(words="done")
        assert len(posted(world)) == 2
        assert posted(world)[0].ts == card.ts
