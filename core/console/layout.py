"""Tables and facts as lines of a terminal: in columns, within its width, coloured where it shows colours.

rich lays out more than this needs and brings three more packages (4 MB) and 60 ms at each start, wcwidth knows widths
of scripts that hostnames and plans do not have: see docs/decisions/0032-terminal.md.
"""

import shutil
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TextIO

from vpsops.core.common.text import ELLIPSIS

GAP: Final = "  "
NARROWEST: Final = 8
"""The columns of text that a value keeps in a table."""
LEAST_COLUMNS: Final = 2
CODES: Final = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}
COLOURS: Final = {
    "running": "green",
    "done": "green",
    "stopped": "dim",
    "failed": "red",
    "denied": "red",
    "outcome unknown": "red",
    "waiting for approval": "yellow",
    "waiting for confirmation": "yellow",
}
"""The colours of words that say a state."""


@dataclass(frozen=True, slots=True)
class Style:
    """How wide a terminal is (0: any width, as for a pipe), and whether it shows colours."""

    width: int = 0
    colour: bool = False

    def paint(self, text: str, colour: str) -> str:
        """Return text in a colour, or as it is."""
        code = CODES.get(colour, "")
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and code and text.strip() else text


PLAIN: Final = Style()


def style_of(stream: TextIO, environ: Mapping[str, str]) -> Style:
    """Return how a stream shows text: plain and without a bound where it is no terminal."""
    if not is_terminal(stream):
        return PLAIN
    colour = not environ.get("NO_COLOR") and environ.get("TERM", "") != "dumb"
    return Style(shutil.get_terminal_size().columns, colour)


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a stream is a terminal, and open."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # it is closed
        return False


def text_width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(_char_width(char) for char in text)


def _char_width(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1


def clip(text: str, width: int) -> str:
    """Return text within a width; a cut is visible."""
    if text_width(text) <= width:
        return text
    kept, used = "", 1
    for char in text:
        used += _char_width(char)
        if used > width:
            break
        kept += char
    return kept + ELLIPSIS if width > 0 else ""


def pad(text: str, width: int) -> str:
    """Return text filled up with spaces to a width."""
    return text + " " * max(width - text_width(text), 0)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], style: Style = PLAIN) -> list[str]:
    """Return rows under their heads, without columns that are empty; the first columns matter most.

    Where it is too narrow for all, the last columns are left out, which a line says; where it is too narrow for two,
    each row is a block of facts.
    """
    kept = [at for at in range(len(heads)) if at == 0 or any(row[at] for row in rows)]
    heads, rows = [heads[at] for at in kept], [[row[at] for at in kept] for row in rows]
    natural = [max(text_width(row[at]) for row in (heads, *rows)) for at in range(len(heads))]
    widths = _fitting(natural, style.width)
    if not widths:
        return _blocks(heads, rows, style)
    head = style.paint(_row(heads, widths, PLAIN), "bold")
    left = heads[len(widths) :]
    more = [style.paint(f"Too narrow for {', '.join(left)}.", "dim")] if left else []
    return [head, *(_row(row, widths, style) for row in rows), *more]


def _fitting(natural: Sequence[int], width: int) -> list[int]:
    """Return the widths of the first columns that fit; of two the wider one is cut, and none are left below that."""
    widths = list(natural)
    while width and _total(widths) > width and len(widths) > LEAST_COLUMNS:
        widths.pop()
    while width and _total(widths) > width:
        widest = max(range(len(widths)), key=widths.__getitem__)
        if widths[widest] <= NARROWEST:
            return []
        widths[widest] -= 1
    return widths


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _row(row: Sequence[str], widths: Sequence[int], style: Style) -> str:
    cells = [pad(clip(value, width), width) for value, width in zip(row, widths, strict=False)]
    return GAP.join(style.paint(text, COLOURS.get(text.strip(), "")) for text in cells).rstrip()


def _blocks(heads: Sequence[str], rows: Sequence[Sequence[str]], style: Style) -> list[str]:
    lines: list[str] = []
    for row in rows:
        lines += ([""] if lines else []) + facts(list(zip(heads, row, strict=True)), style)
    return lines


def facts(pairs: Sequence[tuple[str, str]], style: Style = PLAIN) -> list[str]:
    """Return labelled values, one below the other; long ones go on below themselves, and no word is cut."""
    present = [(label, value) for label, value in pairs if value]
    indent = max((text_width(label) for label, _ in present), default=0) + len(GAP)
    lines: list[str] = []
    for label, value in present:
        first, *more = wrapped(value, style.width - indent if style.width else 0)
        head = style.paint(pad(label, indent), "dim")
        lines += [head + style.paint(first, COLOURS.get(first, "")), *(" " * indent + line for line in more)]
    return lines


def wrapped(text: str, width: int) -> list[str]:
    """Return text as lines within a width, broken between words; no word is cut."""
    if width < NARROWEST or text_width(text) <= width:
        return [text]
    lines, line = [], ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if line and text_width(longer) > width:
            lines.append(line)
            line = word
        else:
            line = longer
    return [*lines, line]
