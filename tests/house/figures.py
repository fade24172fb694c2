"""The table of figures in docs/architecture.md: our ceilings beside what three other code bases have."""

from typing import Final

from tests.house.counts import ceilings
from tests.house.tree import ROOT
from tests.house.words import WORDS

PAGE: Final = ROOT / "docs" / "architecture.md"
MARK: Final = "<!-- figures: python -m tests.house -->\n"
SCOPES: Final = ("product", "playground", "tests")
HEAD: Final = (
    "| words | product | playground | tests | httpx | starlette | procrastinate |\n|---|--:|--:|--:|--:|--:|--:|\n"
)


def table() -> str:
    """Return the table."""
    known = ceilings()
    rows = [(name, [known[f"words.{scope}", name] for scope in SCOPES], word.elsewhere) for name, word in WORDS.items()]
    cells = ((name, *(f"{rate:g}" for rate in [*ours, *others])) for name, ours, others in rows)
    return HEAD + "".join(f"| {' | '.join(row)} |\n" for row in cells)


def write_table() -> None:
    """Put the table behind its mark, where the page ends."""
    before, _, _ = PAGE.read_text(encoding="utf-8").partition(MARK)
    PAGE.write_text(f"{before}{MARK}\n{table()}", encoding="utf-8")
