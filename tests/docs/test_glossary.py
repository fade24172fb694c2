"""The glossary explains every state that Slack, MCP and the terminal display."""

from typing import Final

from tests.docs.generate import ROOT
from vpsops.bot.blocks.labels import STATE_LABELS
from vpsops.core.changes.labels import PHASE_LABELS
from vpsops.core.changes.model import State

ROWS: Final = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs/glossary.md").read_text(encoding="utf-8").split("## States of a change")[1].splitlines()
    if line.startswith("| `")
]


def state_labels() -> set[str]:
    """Return every label of a state that a front end displays."""
    return {label.words for label in STATE_LABELS.values()} | {label.label for label in PHASE_LABELS.values()}


def test_every_state_label_of_slack_is_explained() -> None:
    """A new or changed label does not pass without a row, and no row explains a label that is gone."""
    assert {row[1] for row in ROWS} == state_labels()


def test_every_state_of_mcp_and_the_terminal_is_explained() -> None:
    """MCP results, the terminal and the audit trail write the state's value."""
    assert {row[0] for row in ROWS} == {f"`{state.value}`" for state in State}


def test_every_state_has_a_meaning_and_a_next_step() -> None:
    """No cell is empty."""
    assert all(len(row) == 4 and all(row) for row in ROWS)
