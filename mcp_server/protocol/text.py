"""Short plain text of results: a small table for many, a line or two for a single result.

Whatever came from outside is data: on one line, bounded, without control or formatting characters.
"""

from collections.abc import Iterable, Sequence
from functools import partial

from pydantic import JsonValue

from vpsops.core.common.json_types import map_texts
from vpsops.core.common.text import one_line, quoted

LONGEST_VALUE = 120
LONGEST_TEXT = 500
MAX_ROWS = 100
UNITS = ("B", "kB", "MB", "GB", "TB")
THOUSAND = 1000


def sanitize(value: object, longest: int = LONGEST_VALUE) -> str:
    """Return a value as outside text on one line, bounded for a model unless `longest` is set."""
    return one_line(str(value), longest)


def sanitize_json(value: JsonValue) -> JsonValue:
    """Clean every string of a structured result, keys excepted."""
    cleaned: JsonValue = map_texts(value, partial(sanitize, longest=LONGEST_TEXT), keys=False)
    return cleaned


def quote(value: object, longest: int = LONGEST_VALUE) -> str:
    """Return outside words in quotation marks they cannot close."""
    return quoted(str(value), longest)


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return an aligned table; columns without any value are left out."""
    cells = [[_cell(value) for value in row] for row in rows[:MAX_ROWS]]
    kept = [index for index in range(len(head)) if any(row[index] != "-" for row in cells)]
    lines = [[head[index] for index in kept], *([row[index] for index in kept] for row in cells)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(kept))]
    text = "\n".join(_line(line, widths) for line in lines)
    hidden = len(rows) - MAX_ROWS
    return f"{text}\n{hidden} more are in the structured result." if hidden > 0 else text


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    return number(value) if isinstance(value, int | float) and not isinstance(value, bool) else sanitize(value, 60)


def number(value: float) -> str:
    """Return a number without needless decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def join_nonempty(parts: Iterable[str | None], by: str = ", ") -> str:
    """Join the parts that there are."""
    return by.join(part for part in parts if part)


def size(count: int) -> str:
    """Return bytes in the largest unit that leaves a whole part."""
    value, unit = float(count), 0
    while value >= THOUSAND and unit < len(UNITS) - 1:
        value, unit = value / THOUSAND, unit + 1
    return f"{value:.1f} {UNITS[unit]}" if unit else f"{count} B"
