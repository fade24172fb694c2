"""The budget of what a model has to read before its first call, counted exactly.

The counts are of o200k_base. `make tokens` updates them, which takes Node; this test holds that the counted texts are
the current ones.
"""

import pytest

from tests.harness.repository import ROOT
from tests.tokens.bound import tokens
from tests.tokens.counted import hashed, kept, texts
from tests.unit.mcp_server.tools.tool_snapshots import all_tools

EACH = 65  # on average
ALL = 1_000
INSTRUCTIONS = 60
TEXTS = texts()
COUNTS = kept()


@pytest.mark.parametrize("name", TEXTS)
def test_what_was_counted_is_what_is_there(name: str) -> None:
    """A changed text needs a new count: run `make tokens`."""
    assert COUNTS[name].sha256 == hashed(TEXTS[name])
    assert COUNTS[name].tokens <= tokens(TEXTS[name])


def test_nothing_is_counted_that_is_gone() -> None:
    """A tool that went takes its count along."""
    assert set(COUNTS) == set(TEXTS)


def test_the_tools_keep_their_budget() -> None:
    """At most 65 tokens a tool on average, of the operations alone and of all tools, and 1,000 in all."""
    counts = [COUNTS[tool.name].tokens for tool in all_tools()]
    assert len(counts) >= 15
    assert sum(counts[:10]) <= EACH * 10
    assert sum(counts) <= EACH * len(counts)
    assert sum(counts) <= ALL


def test_the_page_tells_what_was_counted() -> None:
    """The guide's figure is the count."""
    counts = [COUNTS[tool.name].tokens for tool in all_tools()]
    page = (ROOT / "docs" / "mcp.md").read_text(encoding="utf-8")
    assert f"tools take {sum(counts)} tokens" in page


def test_the_instructions_keep_theirs() -> None:
    """At most 60 tokens."""
    assert COUNTS["instructions"].tokens <= INSTRUCTIONS
