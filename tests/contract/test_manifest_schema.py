"""The manifest, in each form that `vpsops manifest` prints, against what Slack takes."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from jsonschema import Draft7Validator

from tests.contract.manifest_rules import schema
from vpsops import bot
from vpsops.bot.manifest import manifest_of
from vpsops.cli.main import main

SHIPPED: Final = Path(bot.__file__).resolve().parent.parent / "manifest.yml"
HOST: Final = "https://vpsops.example.com"
FORMS: Final[dict[str, list[str]]] = {
    "socket": [],
    "http": ["--http", HOST],
    "several": ["--http", f"{HOST}/", "--multi"],
    "json": ["--http", f"{HOST}:8443", "--multi", "--json"],
}


def problems(manifest: Any, version: int) -> list[str]:
    """Return what Slack would not take, each with its place."""
    errors = Draft7Validator(schema(version)).iter_errors(manifest)
    return [f"{'/'.join(str(part) for part in item.path)}: {item.message}" for item in errors]


def printed(capsys: pytest.CaptureFixture[str], words: list[str]) -> Any:
    """Run `vpsops manifest` and read what it prints."""
    assert main(["manifest", *words]) == 0
    text = capsys.readouterr().out
    return json.loads(text) if "--json" in words else yaml.safe_load(text)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("form", FORMS)
def test_every_manifest_that_is_printed_is_one_that_slack_takes(
    capsys: pytest.CaptureFixture[str], form: str, version: int
) -> None:
    """Both versions of the rules hold, for Socket Mode, HTTP and several workspaces, as YAML and as JSON."""
    assert problems(printed(capsys, FORMS[form]), version) == []


@pytest.mark.parametrize("version", [1, 2])
def test_the_manifest_in_the_tree_is_one_that_slack_takes(version: int) -> None:
    """The manifest in the repository, which people paste, is valid, too."""
    assert problems(yaml.safe_load(SHIPPED.read_text(encoding="utf-8")), version) == []


def test_the_manifest_in_the_tree_is_what_the_code_needs() -> None:
    """The file and the code cannot drift apart: same commands, shortcuts, events, scopes, settings."""
    assert yaml.safe_load(SHIPPED.read_text(encoding="utf-8")) == manifest_of()


def test_what_is_printed_reads_back_as_what_was_meant(capsys: pytest.CaptureFixture[str]) -> None:
    """Our few lines of YAML read back as the values they come from."""
    assert printed(capsys, FORMS["socket"]) == manifest_of()
    assert printed(capsys, FORMS["several"]) == manifest_of(HOST, several=True)


def test_over_http_every_address_is_filled_in_and_socket_mode_is_off() -> None:
    """Commands, clicks, menus and events share one address; the redirect exists for several workspaces only."""
    manifest, several = manifest_of(HOST), manifest_of(HOST, several=True)
    events = f"{HOST}/slack/events"
    assert manifest["features"]["slash_commands"][0]["url"] == events
    assert manifest["settings"]["interactivity"]["request_url"] == events
    assert manifest["settings"]["interactivity"]["message_menu_options_url"] == events
    assert manifest["settings"]["event_subscriptions"]["request_url"] == events
    assert manifest["settings"]["socket_mode_enabled"] is False
    assert "redirect_urls" not in manifest["oauth_config"]
    assert several["oauth_config"]["redirect_urls"] == [f"{HOST}/slack/oauth_redirect"]


@pytest.mark.parametrize(
    "address",
    [
        "http://vpsops.example.com",
        "vpsops.example.com",
        "https://",
        "https://localhost",
        "https://127.0.0.1:3000",
        "https://a.example/path",
        "https://a.example?x=1",
        "https://user:pass@a.example",
        "https://a .example",
        "https://[::1",
        "ftp://a.example",
    ],
)
def test_an_address_that_slack_cannot_use_is_refused(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is printed, so nothing wrong can be pasted."""
    assert main(["manifest", "--http", address]) == 2
    assert capsys.readouterr().out == ""


def test_several_workspaces_need_an_address(capsys: pytest.CaptureFixture[str]) -> None:
    """Several workspaces install the app at an address."""
    assert main(["manifest", "--multi"]) == 2
    assert "--http" in capsys.readouterr().err


def _at(manifest: Any, path: str) -> Any:
    for part in path.split("/"):
        manifest = manifest[int(part)] if part.isdigit() else manifest[part]
    return manifest


SPOILED: Final[dict[str, Callable[[Any], object]]] = {
    "a long name": lambda m: m["display_information"].update(name="n" * 36),
    "a long description": lambda m: m["display_information"].update(description="d" * 141),
    "a short long description": lambda m: m["display_information"].update(long_description="d" * 174),
    "no colour": lambda m: m["display_information"].update(background_color="#12345g"),
    "no name": lambda m: m["display_information"].pop("name"),
    "a command without a slash": lambda m: _at(m, "features/slash_commands/0").update(command="vps"),
    "a long command": lambda m: _at(m, "features/slash_commands/0").update(command="/" + "v" * 32),
    "a long hint": lambda m: _at(m, "features/slash_commands/0").update(usage_hint="h" * 1001),
    "an unknown key": lambda m: m["features"].update(home={}),
    "a long bot's name": lambda m: m["features"]["bot_user"].update(display_name="b" * 81),
    "a long shortcut": lambda m: _at(m, "features/shortcuts/0").update(name="s" * 25),
    "a strange shortcut": lambda m: _at(m, "features/shortcuts/0").update(type="both"),
    "many shortcuts": lambda m: m["features"].update(
        shortcuts=[{**_at(m, "features/shortcuts/0"), "callback_id": str(n)} for n in range(11)]
    ),
    "an event twice": lambda m: _at(m, "settings/event_subscriptions/bot_events").append("app_home_opened"),
    "a long event": lambda m: _at(m, "settings/event_subscriptions/bot_events").append("e" * 51),
    "an address without a scheme": lambda m: m["settings"]["interactivity"].update(request_url="a.example"),
    "interactivity unsaid": lambda m: m["settings"]["interactivity"].pop("is_enabled"),
    "a flag that is a word": lambda m: m["settings"].update(socket_mode_enabled="yes"),
}


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("what", SPOILED)
def test_the_rules_refuse_what_slack_refuses(what: str, version: int) -> None:
    """The check above can fail: one change for the worse is found."""
    spoiled = copy.deepcopy(manifest_of())
    SPOILED[what](spoiled)
    assert problems(spoiled, version) != []
