"""A refusal for an unmet precondition offers the change that meets it: as a change of its own, of the same person."""

from pathlib import Path

import pytest

from tests.e2e.bot_surfaces.test_bot_shortcuts import DESTROYING
from tests.fakes.slack_bot import BotHarness, Scene, buttons, message_words, playing
from tests.harness.patience import eventually
from vpsops.playground.slack.workspace.entities import Message
from vpsops.playground.wayscloud.hardware.model import ServerState

WEB = "web01.example.com"
POWER = """
[[rule]]
id = "power"
operation = ["stop", "start"]
decision = "confirm"
"""
NO_STOP = """
[[rule]]
id = "power"
operation = "stop"
decision = "deny"
"""


def scene(directory: Path, rules: str = POWER) -> Scene:
    """Return a scene whose people may roll back with their own confirmation."""
    policy = directory / "vpsops.toml"
    policy.write_text(DESTROYING + rules)
    return Scene(settings={"VPSOPS_CONFIG": str(policy)})


async def agreed(stage: BotHarness, card: Message, name: str) -> None:
    """Press the red button of a card and type the name that it asks for."""
    await stage.slack.click("alice", card, "vps:confirm")
    await stage.slack.wait_for(lambda: (view := stage.slack.modal("alice")) and view.callback_id == "vps:name")
    view = stage.slack.modal("alice")
    assert view is not None
    await stage.slack.submit_view("alice", view, {"name": name})


@pytest.mark.requirement("stop-first")
async def test_a_rollback_of_a_running_server_offers_the_stop_as_its_own_change(tmp_path: Path) -> None:
    """The refusal says so; its button asks for the stop, with the reason and what it is for; then it is asked again."""
    async with playing(tmp_path, scene(tmp_path)) as stage:
        stage.put_snapshot(WEB, "monday")
        await stage.slack.command("alice", "ops", "/vps", "rollback web01 monday because the upgrade broke it")
        refused = await stage.private("alice", "only a stopped server can be rolled back")
        assert f"Stop first: {WEB}" in message_words(refused)
        assert stage.slack.messages("ops") == []
        await stage.slack.click("alice", refused, "vps:remedy")
        stop = await stage.card(words="waiting for confirmation")
        assert f"Stop {WEB}" in message_words(stop)
        assert f"Reason: the upgrade broke it (first, for: Roll back {WEB} monday)" in message_words(stop)
        assert stage.provider.simulator.world.counts.total() == 0
        await stage.slack.click("alice", stop, "vps:confirm")
        await stage.card(words=f"Stop {WEB}: done")
        assert stage.slack.ephemerals("alice")[-1] == refused
        await stage.slack.click("alice", refused, "vps:again")
        card = await stage.card(words="all written since")
        assert "the upgrade broke it" in message_words(card)
        assert "(first, for" not in message_words(card)
        await agreed(stage, card, f"{WEB} monday")
        await eventually(lambda: stage.effects("rollback_snapshot") == 1)
        assert stage.effects("stop") == 1


async def test_who_may_not_stop_is_offered_no_button(tmp_path: Path) -> None:
    """The words stay, and nothing is offered that would be refused."""
    async with playing(tmp_path, scene(tmp_path, NO_STOP)) as stage:
        stage.put_snapshot(WEB, "monday")
        await stage.slack.command("alice", "ops", "/vps", "rollback web01 monday")
        refused = await stage.private("alice", "Stop it first, as a change of its own")
        assert buttons(refused) == []


async def test_a_card_that_ended_for_a_running_server_offers_the_stop_to_its_asker(tmp_path: Path) -> None:
    """The server was started before the yes: nothing is sent, and only the requester continues from here."""
    async with playing(tmp_path, scene(tmp_path)) as stage:
        stage.put_snapshot(WEB, "monday")
        stage.put_state(WEB, ServerState.STOPPED)
        await stage.slack.command("alice", "ops", "/vps", "rollback web01 monday because the upgrade broke it")
        card = await stage.card(words="waiting for confirmation")
        stage.put_state(WEB, ServerState.RUNNING)
        await agreed(stage, card, f"{WEB} monday")
        ended = await stage.card(words="only a stopped server can be rolled back")
        assert buttons(ended) == ["vps:first"]
        await stage.slack.click("bob", ended, "vps:first")
        await stage.private("bob", "Only alice can do this from here")
        await stage.slack.click("alice", ended, "vps:first")
        stop = await stage.card(words="waiting for confirmation")
        change = next(word for word in message_words(ended).split() if word.startswith("chg_"))
        assert f"Reason: the upgrade broke it (first, for: {change})" in message_words(stop)
        assert stage.effects("rollback_snapshot") == stage.effects("stop") == 0
