"""Changes that run later, from Slack: in the asker's own zone, withdrawn on the card, listed, sent at their time."""

from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from tests.fakes.slack_bot import buttons, message_words, playing
from tests.harness.virtual_time import VirtualClock
from vpsops.bot.commands.parser import RunOperation
from vpsops.bot.features.operations import OperationRequest
from vpsops.bot.messages.ephemeral import time_choice
from vpsops.bot.messages.servers import OperationCall
from vpsops.core.schedule.time_words import UnclearTimeError

NEW_YORK = ZoneInfo("America/New_York")


async def test_a_reboot_in_a_minute_waits_on_its_card_and_is_sent_once(tmp_path: Path) -> None:
    """The card shows the asker's words, waits with a way to withdraw it, and ends as any card."""
    async with playing(tmp_path) as stage:
        await stage.slack.command("alice", "ops", "/vps", "reboot web01 in 1m because disk swap")
        card = await stage.card(words="waiting for confirmation")
        assert "in 1m" in message_words(card)
        await stage.slack.click("alice", card, "vps:confirm")
        waiting = await stage.card(words="Reboot web01.example.com: scheduled")
        assert buttons(waiting) == ["vps:cancel"]
        assert stage.effects("reboot") == 0
        await stage.slack.command("bob", "ops", "/vps", "scheduled")
        listed = message_words(await stage.private("bob", "Scheduled changes"))
        assert "Reboot web01.example.com: scheduled" in listed
        await VirtualClock().sleep(60)
        done = await stage.card(words="Reboot web01.example.com: done")
        assert buttons(done) == []
        assert stage.effects("reboot") == 1


async def test_a_time_is_in_the_zone_that_slack_knows_of_its_asker(tmp_path: Path) -> None:
    """Carol is in New York; the card says the moment in UTC."""
    async with playing(tmp_path) as stage:
        noon = datetime.combine(VirtualClock().now().date() + timedelta(days=3), datetime.min.time(), NEW_YORK)
        await stage.slack.command("carol", "ops", "/vps", f"reboot web01 at {noon:%Y-%m-%d} 12:00")
        words = message_words(await stage.card(words="waiting for confirmation"))
        moment = noon.replace(hour=12).astimezone(ZoneInfo("UTC"))
        assert f"12:00 (America/New_York): {moment:%Y-%m-%d %H:%M} UTC" in words


async def test_a_scheduled_change_is_withdrawn_on_its_card(tmp_path: Path) -> None:
    """By its asker; another person's click withdraws nothing."""
    async with playing(tmp_path) as stage:
        await stage.slack.command("alice", "ops", "/vps", "reboot web01 in 1m")
        await stage.slack.click("alice", await stage.card(words="waiting for confirmation"), "vps:confirm")
        card = await stage.card(words="scheduled")
        await stage.slack.click("bob", card, "vps:cancel")
        await stage.private("bob", "Only alice can cancel this change.")
        await stage.slack.click("alice", card, "vps:cancel")
        assert buttons(await stage.card(words="Cancelled by alice.")) == []
        await VirtualClock().sleep(90)
        assert stage.effects("reboot") == 0


async def test_what_is_no_time_is_said_in_private(tmp_path: Path) -> None:
    """Nothing is stored and no card is posted."""
    async with playing(tmp_path) as stage:
        await stage.slack.command("alice", "ops", "/vps", "reboot web01 at 2020-01-01 02:00")
        await stage.private("alice", "is past")
        await stage.slack.command("alice", "ops", "/vps", "reboot web01 in window nightly")
        await stage.private("alice", "There is no window nightly.")
        assert stage.slack.messages("ops") == []


def test_both_readings_of_an_unclear_time_are_buttons() -> None:
    """Each asks for the same at one of the two moments."""
    first, second = "at 2026-10-25 02:30 +02:00", "at 2026-10-25 02:30 +01:00"
    error = UnclearTimeError("That time is shown twice by the clocks there.", (first, second))
    asked = RunOperation("reboot", {"server": "web01"}, "disk", "at 02:30")
    request = OperationRequest(asked.operation, asked.arguments, asked.reason, later=asked.later)
    call = OperationCall(request.operation, request.arguments).value | request.words
    text = str(time_choice(error, error.readings, call).blocks)
    assert f'"when":"{first}"' in text
    assert f'"when":"{second}"' in text
    assert '"why":"disk"' in text
    assert 'at 02:30"' not in text
