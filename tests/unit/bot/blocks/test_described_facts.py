"""Facts of an operation as blocks: short ones in columns, long ones by themselves, numbered ones in their order."""

from vpsops.bot.blocks.elements import SHORT_FACT, described
from vpsops.bot.blocks.fallback_text import fallback_text
from vpsops.core.operations.facts import Fact

LONG = "x" * (SHORT_FACT + 1)


def words(*facts: Fact) -> list[str]:
    """Return the facts' labels in the order in which they are read."""
    text = fallback_text(described(facts))
    return sorted((fact.label for fact in facts), key=text.index)


def test_steps_stay_in_their_order_where_one_is_long() -> None:
    """A short first step is not shown apart from the long second one; other facts come before."""
    facts = [Fact("Step 1", "short"), Fact("Step 2", LONG), Fact("Step 3", "short"), Fact("Price", "1 NOK")]
    assert words(*facts) == ["Price", "Step 1", "Step 2", "Step 3"]
    assert [block["text"]["text"][:6] for block in described(facts)[1:]] == ["Step 1", "Step 2", "Step 3"]


def test_short_steps_are_columns() -> None:
    """Where all are short, they stand among the others."""
    (block,) = described([Fact("Step 1", "short"), Fact("Price", "1 NOK"), Fact("Step 2", "short")])
    assert len(block["fields"]) == 3
