"""What the page is made of: text stays text, nothing comes from elsewhere, and the product knows nothing of it."""

import re
from pathlib import Path

import pytest
import yaml

from tests.harness.repository import ROOT
from vpsops.bot.protocol.command_catalog import SLASH
from vpsops.playground.web import manifest

STATIC = ROOT / "playground" / "web" / "static"
OWN = [path for path in STATIC.rglob("*") if path.suffix in {".js", ".css", ".html"} and "vendor" not in path.parts]
MARKUP = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|dangerouslySetInnerHTML|\beval\(|new Function"
)
LINES = 300


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_nothing_on_the_page_parses_text_as_markup(path: Path) -> None:
    """Whatever an app or a person sends is set as text."""
    assert not MARKUP.search(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_the_page_names_no_other_address(path: Path) -> None:
    """No font, script, style or picture is loaded from elsewhere."""
    matches = re.findall(
        r"""(?:src|href|url|import|from|fetch)\s*[=(]?\s*["'(]+(?:https?:)?//[^"')]+""", path.read_text()
    )
    assert matches == []


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_every_source_file_of_the_page_is_short(path: Path) -> None:
    """The page stays readable without a build."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LINES


@pytest.mark.parametrize("package", ["bot", "core", "mcp_server"])
def test_the_product_does_not_know_of_the_playground(package: str) -> None:
    """What runs here is what runs against the real services."""
    for path in (ROOT / package).rglob("*.py"):
        assert "playground" not in path.read_text(encoding="utf-8"), path


def test_the_commands_are_those_of_the_manifest() -> None:
    """The few lines read here match what a YAML reader finds in the whole."""
    text = manifest.text()
    features = yaml.safe_load(text)["features"]
    read = [(command["command"], command["description"], command["hint"]) for command in manifest.commands(text)]
    assert read == [
        (feature["command"], feature["description"], feature["usage_hint"]) for feature in features["slash_commands"]
    ]
    assert manifest.has_home(text) == bool(features.get("app_home", {}).get("home_tab_enabled"))
    names = ("name", "type", "callback_id", "description")
    assert manifest.shortcuts(text) == [{name: feature[name] for name in names} for feature in features["shortcuts"]]


def test_the_examples_offered_are_commands_of_the_bot() -> None:
    """Each alternative of the usage hint works by itself."""
    [command] = manifest.commands(manifest.text())
    assert command["command"] == SLASH
    assert "list" in command["examples"]


def test_commands_are_read_past_comments_and_quotes() -> None:
    """A manifest may have comments in its lines."""
    text = """
features:
  # why
  slash_commands:  # two
    - command: /a
      description: 'It: does'
  other:
    command: /no
"""
    assert [(command["command"], command["description"]) for command in manifest.commands(text)] == [("/a", "It: does")]


def test_a_home_tab_is_seen() -> None:
    """A manifest declares one in one line."""
    assert manifest.has_home("features:\n  app_home:\n    home_tab_enabled: true\n")
