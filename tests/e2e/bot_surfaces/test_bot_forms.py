"""Forms of operations on what a server has: loaded for that server, and nothing that was typed is lost."""

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.bot_surfaces.test_bot_remedies import WEB, agreed, scene
from tests.e2e.bot_surfaces.test_bot_shortcuts import form, form_words, texts
from tests.fakes.slack_bot import BotHarness, message_words, playing
from tests.harness.patience import eventually
from vpsops.playground.slack.workspace.entities import View
from vpsops.playground.wayscloud.hardware.model import ServerState


def options_of(view: View, block_id: str) -> list[str]:
    """Return the values of a menu in a form."""
    element: dict[str, Any] = next(block["element"] for block in view.blocks if block.get("block_id") == block_id)
    return [option["value"] for option in element["options"]]


async def rollback_form(stage: BotHarness, text: str) -> View:
    """Type a rollback without its snapshot, and return the form."""
    await stage.slack.command("alice", "ops", "/vps", text)
    return await form(stage, lambda words: "Snapshot" in words and WEB in words)


@pytest.mark.requirement("menus-of-a-server")
async def test_a_rollback_without_a_snapshot_offers_those_of_its_server(tmp_path: Path) -> None:
    """The reason stays; the choice is asked for on a card as always; the names are typed."""
    async with playing(tmp_path, scene(tmp_path)) as stage:
        for name, days in (("monday", 3), ("tuesday", 2)):
            stage.put_snapshot(WEB, name, days)
        stage.put_snapshot("db01.example.com", "of-another")
        stage.put_state(WEB, ServerState.STOPPED)
        view = await rollback_form(stage, "rollback web01 because the upgrade broke it")
        assert options_of(view, "snapshot") == ["tuesday", "monday"]
        await stage.slack.submit_view("alice", view, {"snapshot": "monday"})
        await form(stage, lambda words: "Its card is in this channel now." in words)
        card = await stage.card(words="all written since")
        assert "Reason: the upgrade broke it" in message_words(card)
        await agreed(stage, card, f"{WEB.upper()} monday")
        await eventually(lambda: stage.effects("rollback_snapshot") == 1)


async def test_a_running_server_is_refused_in_the_form_with_the_stop(tmp_path: Path) -> None:
    """The buttons are those of the refusal; the choice is kept for the second time."""
    async with playing(tmp_path, scene(tmp_path)) as stage:
        stage.put_snapshot(WEB, "monday")
        view = await rollback_form(stage, "rollback web01")
        await stage.slack.submit_view("alice", view, {"snapshot": "monday", "reason": "bad upgrade"})
        view = await form(stage, lambda words: "only a stopped server can be rolled back" in words)
        assert f"Stop first: {WEB}" in form_words(view)
        await stage.slack.click("alice", view, "vps:act:0")
        stop = await stage.card(words="waiting for confirmation")
        assert f"Reason: bad upgrade (first, for: Roll back {WEB} monday)" in message_words(stop)


async def test_several_servers_of_a_name_keep_the_rest_of_the_command(tmp_path: Path) -> None:
    """The choice of the server opens the form for it, with the reason."""
    async with playing(tmp_path, scene(tmp_path)) as stage:
        stage.put_snapshot(WEB, "monday")
        stage.rename("db01.example.com", "web02.example.com")
        await stage.slack.command("alice", "ops", "/vps", "rollback web because it hangs")
        view = await form(stage, lambda words: "Which one?" in words)
        await stage.slack.click("alice", view, "vps:act:0")
        view = await form(stage, lambda words: "Snapshot" in words and WEB in words)
        reason = next(block["element"] for block in view.blocks if block.get("block_id") == "reason")
        assert reason["initial_value"] == "it hangs"
        assert options_of(view, "snapshot") == ["monday"]


async def test_a_server_without_any_says_so_and_a_name_that_is_taken_stays_in_the_form(tmp_path: Path) -> None:
    """Nothing to choose is no empty menu; what can be corrected is corrected in place."""
    async with playing(tmp_path, scene(tmp_path)) as stage:
        await stage.slack.command("alice", "ops", "/vps", "rollback web01")
        await form(stage, lambda words: "has no snapshot to choose" in words)
        stage.put_snapshot(WEB, "monday")
        await stage.slack.command("alice", "ops", "/vps", "snapshot web01")
        view = await form(stage, lambda words: "Description" in words)
        await stage.slack.submit_view("alice", view, {"snapshot": "monday", "description": "before 2.4"})
        view = await form(stage, lambda words: "already, taken" in words)
        assert "before 2.4" in str(view.blocks)
        await stage.slack.submit_view("alice", view, {"snapshot": "tuesday"})
        await form(stage, lambda words: "The policy refuses this" in words)


async def test_of_more_than_a_menu_holds_those_that_fit_the_typed_words_are_offered(tmp_path: Path) -> None:
    """The menu asks while one types, for the form's own server; while the provider is away it offers nothing."""
    async with playing(tmp_path, scene(tmp_path)) as stage:
        for number in range(101):
            stage.put_snapshot(WEB, f"s-{number}")
        stage.put_snapshot("db01.example.com", "s-77-of-another")
        view = await rollback_form(stage, "rollback web01")
        offered = await stage.slack.options("alice", view, "vps:arg:snapshot", "s-77")
        assert texts(offered) == ["s-77"]
        stage.fault(kind="status", match={"operation": "get"}, status=401)
        away = await stage.slack.options("alice", view, "vps:arg:snapshot", "s-77")
        assert (away.error, texts(away)) == (None, [])
