"""The policy page: its example loads, and decides as its table says."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

import core
from core.changes.model import Actor, ActorKind, Target
from core.operations import OPERATIONS
from core.policy import Facts, parse_policy
from core.policy.load import WrittenRule

PAGE = (Path(core.__file__).parent.parent / "docs" / "policy.md").read_text(encoding="utf-8")
EXAMPLE = PAGE.split("```toml\n")[1].split("```")[0]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.split("| who | operation |")[1].splitlines()
    if re.match(r"\| (agent|person) \|", line)
]


@pytest.mark.parametrize(("who", "operation", "server", "when", "decision"), ROWS)
def test_the_example_decides_as_documented(who: str, operation: str, server: str, when: str, decision: str) -> None:
    """Each row of the table is what the rules come to."""
    facts = Facts(
        operation,
        OPERATIONS[operation].risk,
        Actor(ActorKind(who), "U1", human="U1"),
        "mcp",
        datetime.strptime(when, "%Y-%m-%d %H:%M").replace(tzinfo=UTC),
        Target("", server) if server else None,
    )
    assert parse_policy(EXAMPLE, "docs/policy.md").decide(facts).decision.value == decision


def test_the_example_has_rows() -> None:
    """The table was found."""
    assert len(ROWS) >= 6


def test_every_key_is_documented() -> None:
    """No key of a rule is missing from the page, and every operation is named."""
    documented = set(re.findall(r"`([a-z_]+)`", PAGE))
    assert set(WrittenRule.model_fields) <= documented
    assert set(OPERATIONS) <= set(re.findall(r"\w+", PAGE))
