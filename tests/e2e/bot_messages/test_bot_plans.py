"""Plans in Slack: one card for many servers, its progress, and the button that stops it."""

from pathlib import Path

from tests.fakes.slack_bot import buttons, message_words, playing


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
