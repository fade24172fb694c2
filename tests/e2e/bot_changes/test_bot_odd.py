"""Unknown or incomplete requests are answered so that Slack does not repeat them, and leave no trace."""

import logging
from pathlib import Path
from typing import Any, get_args

import pytest

from tests.fakes.slack_bot import BotHarness, Scene, Transport, playing
from vpsops.core.common.errors import StorageError
from vpsops.core.messaging.inbox import Inbox
from vpsops.playground.slack.workspace.log import Delivery

SECRET = "hunter2"
UNKNOWN_EVENT = {"type": "event_callback", "event_id": "Ev1", "event": {"type": "reaction_added", "text": SECRET}}

RATE_LIMITED = {
    "type": "app_rate_limited",
    "token": SECRET,
    "team_id": "T0ACME",
    "minute_rate_limited": 1518467820,
    "api_app_id": "A0VPSOPS",
}


async def interact(world: BotHarness, **payload: Any) -> Delivery:
    """Deliver an interaction of our own making."""
    kind = str(payload["type"])
    body = {"team": {"id": "T0ACME"}, "user": {"id": "U0ALICE"}, "trigger_id": "1.2.3", "api_app_id": "A0VPSOPS"}
    return await world.slack.deliver(kind, "interactive", body | payload, {})


@pytest.mark.parametrize("transport", get_args(Transport))
async def test_what_is_unknown_is_acknowledged_once(
    tmp_path: Path, transport: Transport, caplog: pytest.LogCaptureFixture
) -> None:
    """Controls, forms, shortcuts, menus, commands and events of another version: one try each, none is repeated."""
    caplog.set_level(logging.DEBUG)
    view = {
        "id": "V1",
        "type": "modal",
        "hash": "1.a",
        "callback_id": "old_form",
        "state": {"values": {}},
        "private_metadata": SECRET,
    }
    async with playing(tmp_path, Scene(transport=transport)) as world:
        deliveries = [
            await interact(
                world, type="block_actions", actions=[{"action_id": "old", "action_ts": "1", "value": SECRET}]
            ),
            await interact(world, type="view_submission", view=view),
            await interact(world, type="view_submission", view={"id": "V1", "private_metadata": SECRET}),
            await interact(world, type="shortcut", callback_id="old_shortcut", action_ts="1"),
            await interact(
                world, type="message_action", callback_id="old_one", action_ts="1", message={"text": SECRET}
            ),
            await interact(world, type="block_suggestion", action_id="old_menu", value=SECRET),
            await interact(world, type="view_closed", view=view, is_cleared=True),
            await interact(world, type="function_run", value=SECRET),
            await world.slack.command("alice", "ops", "/other", SECRET),
            await world.slack.deliver("event_callback", "events_api", UNKNOWN_EVENT, {}),
            await world.slack.deliver("app_rate_limited", "events_api", RATE_LIMITED, {}),
        ]
        assert [
            (delivery.kind, delivery.error, len(delivery.attempts))
            for delivery in deliveries
            if delivery.error or len(delivery.attempts) != 1
        ] == []
    assert SECRET not in caplog.text
    assert "Traceback" not in caplog.text
    assert "def handle" not in caplog.text, "Bolt's sample of code"
    assert "slack_events_withheld" in caplog.text


async def test_what_is_not_whole_is_dropped_by_socket_mode(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """There is no guard on the socket: a malformed payload is acknowledged, so it is not repeated, and not logged."""
    caplog.set_level(logging.DEBUG)
    async with playing(tmp_path, Scene(transport="socket")) as world:
        deliveries = [
            await interact(world, type="block_actions", actions=[]),
            await interact(world, type="block_actions", user={"id": 3}, actions=[{"action_id": SECRET}]),
            await interact(world, type="view_submission", view={"callback_id": "f", "state": SECRET}),
        ]
        assert [(delivery.error, len(delivery.attempts)) for delivery in deliveries] == [(None, 1)] * 3
    assert SECRET not in caplog.text
    assert "Traceback" not in caplog.text


async def test_a_click_that_cannot_be_stored_fails_without_a_trace(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slack shows the person that it failed; the log has one line with an id and nothing of the click."""

    async def full(*_: object) -> bool:
        raise StorageError("The database cannot be written: disk full.")

    monkeypatch.setattr(Inbox, "accept", full)
    async with playing(tmp_path) as world:
        delivery = await interact(world, type="block_actions", actions=[{"action_id": SECRET, "action_ts": "1"}])
        assert delivery.error
    assert SECRET not in caplog.text
    assert "Traceback" not in caplog.text
    assert "click_not_stored" in caplog.text


async def test_what_bolt_stumbles_over_is_refused_without_a_trace(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A signed form of no known kind passes the guard and breaks Bolt: 400, and nothing of it in the log."""
    caplog.set_level(logging.DEBUG)
    async with playing(tmp_path) as world:
        delivery = await interact(world, type="function_run", response_urls=3, value=SECRET)
        assert [attempt.status for attempt in delivery.attempts][:1] == [400]
    assert SECRET not in caplog.text
    assert "Traceback" not in caplog.text
