"""The names of a plan's servers as people are shown them: the first among its facts, the others in parts."""

from collections.abc import Sequence
from typing import Final

from vpsops.core.changes.model import Change
from vpsops.core.common.text import one_line
from vpsops.core.operations.target import is_plan

SHOWN: Final = 20
"""Names among the facts, where they fit; the others are a number."""
LONGEST_NAMES: Final = 1_780
"""Characters of the names among the facts: `and 999 more` has to fit behind them."""
LONGEST_NAME: Final = 253
SEPARATOR: Final = ", "


def listed_names(names: Sequence[str]) -> str:
    """Return the first names in full, and the number of the others: `web01, web02 and 10 more`."""
    shown = _clean(names)[: _shown_count(names)]
    more = len(names) - len(shown)
    return SEPARATOR.join(shown) + (f" and {more} more" if more else "")


def other_names(change: Change) -> list[str]:
    """Return the names of a plan's servers that its facts only count, in their order; none for any other change."""
    names = [member.hostname for member in change.target.members] if is_plan(change.operation) else []
    return _clean(names)[_shown_count(names) :]


def bounded_names(names: Sequence[str], limit: int, rest: str) -> str:
    """Return as many whole names as fit into `limit` characters; `rest` says how to read the others, if any."""
    parts = name_parts(names, limit)
    first = parts[0] if parts else []
    more = len(names) - len(first)
    return SEPARATOR.join(first) + (f" and {more} more: {rest}" if more else "")


def name_parts(names: Sequence[str], limit: int) -> list[list[str]]:
    """Split names into parts that have at most `limit` characters each when they are joined; no name is cut."""
    parts: list[list[str]] = []
    left = 0
    for name in names:
        left -= len(name) + len(SEPARATOR)
        if left < 0 or not parts:
            parts.append([])
            left = limit - len(name)
        parts[-1].append(name)
    return parts


def _shown_count(names: Sequence[str]) -> int:
    parts = name_parts(_clean(names[:SHOWN]), LONGEST_NAMES)
    return len(parts[0]) if parts else 0


def _clean(names: Sequence[str]) -> list[str]:
    return [one_line(name, LONGEST_NAME) or "-" for name in names]
