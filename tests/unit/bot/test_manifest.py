"""The manifest declares what the code handles and needs, and nothing else."""

import re
from typing import Any, Final

import pytest
import yaml

from tests.harness.repository import ROOT
from vpsops.bot import listeners
from vpsops.playground.slack.workspace.methods import METHODS

MANIFEST: Final[dict[str, Any]] = yaml.safe_load((ROOT / "manifest.yml").read_text(encoding="utf-8"))


def test_every_command_is_declared_and_handled() -> None:
    """Both directions: no command without a handler, no handler without a command."""
    declared = {command["command"] for command in MANIFEST["features"]["slash_commands"]}
    assert declared == set(listeners.COMMANDS)


def test_events_and_shortcuts_are_declared_only_if_handled() -> None:
    """The manifest subscribes to nothing that the code does not listen to."""
    subscribed = MANIFEST["settings"].get("event_subscriptions", {}).get("bot_events", [])
    shortcuts = [shortcut["callback_id"] for shortcut in MANIFEST["features"].get("shortcuts", [])]
    assert set(subscribed) == set(listeners.EVENTS)
    assert set(shortcuts) == set(listeners.SHORTCUTS)


@pytest.mark.requirement("slack-manifest")
def test_the_scopes_are_those_the_calls_need_and_no_more() -> None:
    """Every Web API method that the code names is covered, and every scope is needed by one of them."""
    scopes = set(MANIFEST["oauth_config"]["scopes"]["bot"])
    needed = [set(METHODS[method].scopes) for method in methods_called() if METHODS[method].token == "bot"]
    assert all(group & scopes for group in needed if group)
    events = {"app_mentions:read", "im:history"}
    assert scopes - {"commands"} == events | {scope for scope in scopes if any(scope in group for group in needed)}


def test_the_bot_reads_no_messages_but_those_to_it() -> None:
    """No scope permits reading what people write to each other, and no method that reads messages is called."""
    scopes = MANIFEST["oauth_config"]["scopes"]["bot"]
    assert [scope for scope in scopes if "history" in scope or "files" in scope] == ["im:history"]
    assert not [method for method in methods_called() if "history" in method or "replies" in method]


def test_interactivity_and_socket_mode_are_on_and_mentions_arrive_as_ids() -> None:
    """Buttons work, no public address is needed, and text is escaped for us."""
    assert MANIFEST["settings"]["interactivity"]["is_enabled"] is True
    assert MANIFEST["settings"]["socket_mode_enabled"] is True
    assert all(command["should_escape"] for command in MANIFEST["features"]["slash_commands"])


def test_the_manifest_is_within_slacks_limits() -> None:
    """Name 35, description 140, bot name 80, command 32, hint 1000."""
    about = MANIFEST["display_information"]
    assert len(about["name"]) <= 35
    assert len(about["description"]) <= 140
    assert len(MANIFEST["features"]["bot_user"]["display_name"]) <= 80
    for command in MANIFEST["features"]["slash_commands"]:
        assert re.fullmatch(r"/[a-z0-9_-]{1,31}", command["command"])
        assert len(command["usage_hint"]) <= 1000


def methods_called() -> set[str]:
    """Return every Web API method the bot's source names."""
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "bot").rglob("*.py"))
    return {method for method in METHODS if f'"{method}"' in source or method.replace(".", "_") + "()" in source}
