"""The pages for users are in plain words: tests/house counts those of code, these have none at all."""

import re
import tomllib
from typing import Final

import pytest

from tests.harness.repository import ROOT

NAMES: Final = (
    "containers", "cookbook", "faq", "glossary", "index", "labels", "mcp", "operations", "playground", "policy",
    "security", "service", "slack", "snapshots", "troubleshooting", "upgrade",
)  # fmt: skip
PAGES: Final = ("README.md", "SECURITY.md", *(f"docs/{name}.md" for name in NAMES))
TABLE: Final = tomllib.loads((ROOT / "tests/docs/words.toml").read_text(encoding="utf-8"))
PRIVATE: Final = re.compile(TABLE["private"], re.IGNORECASE)
QUOTED: Final = re.compile(r"^```.*?^```$|`[^`\n]*`|^!\[.*$|\]\([^)\n]*\)", re.DOTALL | re.MULTILINE)


def private_words(text: str) -> list[str]:
    """Return the words of the private dialect in a page's prose: code, links and pictures aside."""
    return [match.group() for match in PRIVATE.finditer(QUOTED.sub(" ", text))]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_for_users_is_in_plain_words(page: str) -> None:
    """No one, anyone who, continues, reads or checks: each says more than the word it stands for."""
    assert private_words((ROOT / page).read_text(encoding="utf-8")) == []


def test_a_private_word_is_found_in_prose_alone() -> None:
    """Looking something up is plain, and so is what something looks like."""
    assert private_words("Whoever asks, nobody looks.\n") == ["Whoever", "nobody", "looks"]
    assert private_words("It is looked up; it looks like `nobody`.\n```\nanew\n```\n![Somebody's Home](a.png)\n") == []
