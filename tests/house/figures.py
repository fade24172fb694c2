"""The table of figures in docs/architecture.md: our ceilings beside what three other code bases have."""

from collections.abc import Mapping, Sequence
from typing import Final

from tests.house.counts import ceilings
from tests.house.tree import ROOT

PAGE: Final = ROOT / "docs" / "architecture.md"
MARK: Final = "<!-- figures: python -m tests.house -->\n"
SCOPES: Final = ("product", "playground", "tests")
OTHERS: Final[Mapping[str, Sequence[float]]] = {  # httpx 0.28, starlette 1.10, procrastinate
    "told, tell": (3.4, 1.4, 0.0),
    "nobody, somebody, anybody, everybody": (0.0, 0.0, 0.0),
    "whoever, whom, whose": (0.0, 0.0, 0.0),
    "look": (0.0, 0.0, 0.0),
    "one as a variable": (0.0, 0.0, 5.6),
}
HEAD: Final = (
    "| words | product | playground | tests | httpx | starlette | procrastinate |\n|---|--:|--:|--:|--:|--:|--:|\n"
)


def table() -> str:
    """Return the table."""
    known = ceilings()
    rows = [(words, [known[f"words.{scope}", words] for scope in SCOPES], others) for words, others in OTHERS.items()]
    cells = ((words, *(f"{rate:g}" for rate in [*ours, *others])) for words, ours, others in rows)
    return HEAD + "".join(f"| {' | '.join(row)} |\n" for row in cells)


def write_table() -> None:
    """Put the table behind its mark, where the page ends."""
    before, _, _ = PAGE.read_text(encoding="utf-8").partition(MARK)
    PAGE.write_text(f"{before}{MARK}\n{table()}", encoding="utf-8")
