"""renovate.json: what its check notices, and that it finds each version that is pinned outside of pyproject.toml."""

import json
import re
import subprocess
import tomllib
from typing import Any

import pytest

from tests.harness.repository import ROOT
from tests.packaging.renovate import CONFIG, faults

CONFIGURATION = json.loads(CONFIG.read_text("utf-8"))
SCHEMA = {
    "type": "object",
    "properties": {
        "limit": {"type": "integer"},
        "rules": {"type": "array", "items": {"type": "object", "properties": {"names": {"type": "array"}}}},
    },
}
PINNED = re.compile(r"[\"' ](@?[a-z][a-z0-9/-]*)@(\d+\.\d+\.\d+)")


@pytest.mark.parametrize(
    ("config", "wrong"),
    [
        ({"limit": 1, "rules": [{"names": ["a"]}]}, []),
        ({"limit": "1"}, ["$.limit: '1' is not of type 'integer'"]),
        ({"limmit": 1}, ["limmit: Renovate has no such option"]),
        ({"rules": [{"name": ["a"]}]}, ["name: Renovate has no such option"]),
    ],
    ids=["right", "type", "option", "option in a rule"],
)
def test_a_wrong_value_and_an_unknown_option_are_noticed(config: dict[str, Any], wrong: list[str]) -> None:
    """Renovate's schema takes unknown options, and a slip in one is an option that does nothing."""
    assert list(faults(config, SCHEMA)) == wrong


def test_every_tool_from_npm_that_is_pinned_is_found() -> None:
    """In the files that its patterns name, by the expression that it has."""
    (manager,) = CONFIGURATION["customManagers"]
    patterns = [re.compile(pattern.strip("/")) for pattern in manager["managerFilePatterns"]]
    (text,) = manager["matchStrings"]
    assert not re.search(r"\(\?[!=]|\(\?<[!=]", text), (
        "Renovate's engine, RE2, has no assertions about what follows or precedes"
    )
    expression = re.compile(text.replace("(?<", "(?P<"))
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    files = [path for path in tracked if path == "Makefile" or (path.startswith("tests/") and path.endswith(".py"))]
    pinned: set[str] = set()
    named: set[str] = set()
    for path in files:
        source = (ROOT / path).read_text("utf-8")
        if "npm" in source:
            pinned |= {name for name, _ in PINNED.findall(source)}
        if any(pattern.search(path) for pattern in patterns):
            named |= {match["depName"] for match in expression.finditer(source)}
    assert named == pinned
    assert {"axe-core", "@anthropic-ai/mcpb"} <= named


def test_the_packages_of_its_rules_are_dependencies() -> None:
    """A rule about a package that is gone does nothing."""
    document = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    groups = document["dependency-groups"].values()
    wanted = [*document["project"]["dependencies"], *(name for group in groups for name in group)]
    names = {re.split(r"[<>=\[; ]", line)[0] for line in wanted} | {"vpsops", "vpsops-playground"}
    rules = CONFIGURATION["packageRules"]
    assert {name for rule in rules for name in rule.get("matchPackageNames", ())} <= names
