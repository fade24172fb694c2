"""The cookbook: every policy loads, and what the page says of requests is what `policy explain` says."""

import re
import shlex
from dataclasses import dataclass
from typing import Final

import pytest

from tests.harness.repository import ROOT
from vpsops.cli.main import parser_of
from vpsops.cli.policy.commands import explain_decision, facts_of
from vpsops.core.limits.loader import parse_limits
from vpsops.core.policy.context import PolicyContext
from vpsops.core.policy.loader import parse_policy

PAGE: Final = (ROOT / "docs" / "cookbook.md").read_text(encoding="utf-8")
RECIPE: Final = re.compile(r"^## (.+?)$(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
POLICY: Final = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
REQUEST: Final = re.compile(r"^\| `(--as .+?)` \| (.+?) \|$", re.MULTILINE)
CHANNEL: Final = "C0APPROVE01"
WITHOUT_SLACK: Final = "One person without Slack"


@dataclass(frozen=True)
class Recipe:
    """A recipe of the page."""

    title: str
    policy: str
    requests: dict[str, str]

    def decision(self, words: str) -> str:
        """Return what limits and policy say of a request: the first line of it."""
        facts = facts_of_words(words)
        refusal = parse_limits(self.policy, self.title).protects(facts.target, facts.actor) if facts.target else None
        if refusal is not None:
            return f"limit: {refusal.limit}"
        channel = "" if self.title == WITHOUT_SLACK else CHANNEL
        return explain_decision(parse_policy(self.policy, self.title, channel), facts).split("\n")[0]


def facts_of_words(words: str) -> PolicyContext:
    """Return the facts of the words that are given to `vpsops policy explain`."""
    command = ["policy", "explain", *shlex.split(words)]
    return facts_of(parser_of(command).parse_args(command))


def recipes() -> list[Recipe]:
    """Return the page's recipes; each has one policy."""
    made = []
    for title, text in RECIPE.findall(PAGE):
        (policy,) = POLICY.findall(text)
        made.append(Recipe(title, policy, dict(REQUEST.findall(text))))
    return made


RECIPES: Final = recipes()


def test_there_are_thirteen() -> None:
    assert len(RECIPES) == len({recipe.policy for recipe in RECIPES}) == 13


@pytest.mark.requirement("cookbook")
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.title)
def test_a_recipe_decides_as_the_page_says(recipe: Recipe) -> None:
    """Several requests each, with more than one decision among them."""
    decisions = {words: recipe.decision(words) for words in recipe.requests}
    assert decisions == recipe.requests
    assert len(set(decisions.values())) > 1
