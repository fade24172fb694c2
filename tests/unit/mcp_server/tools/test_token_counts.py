"""The budget of what a model has to read before its first call, counted exactly.

The counts are of o200k_base. `make tokens` updates them, which takes Node; this test holds that the counted texts are
the current ones.
"""

import pytest

from tests.harness.repository import ROOT
from tests.tokens.counts import hashed, kept, texts
from tests.tokens.limit import tokens
from tests.unit.mcp_server.tools.tool_snapshots import all_tools
from vpsops.core.limits.tool_names import ON_DEMAND, TOOLS, USUAL

EACH = 70  # on average
USUAL_MOST = 1_000
ALL_MOST = 2_300
APART = {"plans": 450, "grants": 450, "runbooks": 300, "ends": 200}
"""Toolsets that are counted by themselves: no one gets them who does not name them."""
TOOLS_MOST = 18
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


def usual() -> list[int]:
    """Return the counts of the tools that are served where no toolset is named."""
    return [
        COUNTS[tool.name].tokens for tool in all_tools() if TOOLS[tool.name] in USUAL and tool.name not in ON_DEMAND
    ]


def test_the_tools_keep_their_budget() -> None:
    """Where no toolset is named at most 18 tools, 70 tokens each on average and 1,000 in all; all tools 2,300."""
    assert 15 <= len(usual()) <= TOOLS_MOST
    assert sum(usual()) <= EACH * len(usual())
    assert sum(usual()) <= USUAL_MOST
    assert sum(counts_of_all().values()) <= ALL_MOST


def counts_of_all() -> dict[str, int]:
    """Return the counts of all tools but those of the toolsets that are counted by themselves."""
    return {tool.name: COUNTS[tool.name].tokens for tool in all_tools() if TOOLS[tool.name] not in APART}


@pytest.mark.parametrize(("toolset", "most"), APART.items())
def test_a_toolset_that_is_counted_apart_keeps_its_budget(toolset: str, most: int) -> None:
    """It has a tool, and all of its tools together stay within its number."""
    assert 0 < count_of(toolset) <= most


def count_of(toolset: str) -> int:
    """Return the tokens of a toolset."""
    return sum(COUNTS[tool.name].tokens for tool in all_tools() if TOOLS[tool.name] == toolset)


def test_the_page_tells_what_was_counted() -> None:
    """The guide's figures are the counts."""
    page = (ROOT / "docs" / "mcp.md").read_text(encoding="utf-8")
    assert f"tools take {sum(usual())} tokens" in page
    assert f"all {len(counts_of_all())} take {sum(counts_of_all().values())}" in page
    assert [toolset for toolset in APART if f"`{toolset}` ({count_of(toolset)})" not in page] == []


def test_the_instructions_keep_theirs() -> None:
    """At most 60 tokens."""
    assert COUNTS["instructions"].tokens <= INSTRUCTIONS
