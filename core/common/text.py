"""Text that is kept and shown: the one place that cleans and bounds what comes from outside, and writes figures.

Slack's markup, quotation marks and terminals are matters of those who write there; for secrets see
`core/common/redaction.py`.
"""

import unicodedata
from datetime import datetime
from typing import Final

ELLIPSIS: Final = "…"
JOINER: Final = "\u200d"
FURTHEST: Final = 20_000
"""What follows could not be shown on one line anyway, short of a text that is nearly all invisible."""

UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))

_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co"})
_BLANK: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")  # letters and marks that draw nothing
_SELECTORS: Final = ((0x180B, 0x180F), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF))
_JOINERS: Final = frozenset("\u200c\u200d\ufe0e\ufe0f")


def comma_separated(text: str) -> list[str]:
    """Return the words of a list that is written with commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def is_hidden(char: str) -> bool:
    """Return whether a character draws nothing, or steers how others are drawn."""
    if char.isascii():
        return not char.isprintable()
    if char in _BLANK or unicodedata.category(char) in _HIDDEN:
        return True
    if char in "\u2028\u2029":
        return True
    return any(first <= ord(char) <= last for first, last in _SELECTORS)


def normalise(text: str, mark: str = "") -> str:
    """Return text without control, bidirectional and invisible characters; line breaks and tabs stay.

    Joiners stay behind letters that may need them, which those of a secret are not. `mark` stands in the place of
    what is taken out.
    """
    if text.isascii() and text.isprintable():
        return text
    kept: list[str] = []
    for char in text:
        joins = char in _JOINERS and kept and not (kept[-1].isascii() or kept[-1] in _JOINERS)
        if char in "\n\t" or joins or not is_hidden(char):
            kept.append(char)
        elif char.isspace():  # a carriage return, a line separator
            kept.append(" ")
        elif mark:
            kept.append(mark)
    return "".join(kept)


def whole_number(text: str, least: int, most: int) -> int | None:
    """Return a whole number within bounds, written in the digits 0 to 9; None for any other text, however long."""
    if not (text.isascii() and text.isdigit()) or len(text.lstrip("0")) > len(str(most)):
        return None
    number = int(text.lstrip("0") or "0")
    return number if least <= number <= most else None


def one_line(text: str, limit: int, mark: str = "") -> str:
    """Return outside text on one line, without invisible characters (or with `mark` in their place), bounded."""
    if len(text) > FURTHEST:
        text = text[:FURTHEST]
    return bound(" ".join(normalise(text, mark).split()), limit)


def quoted(text: str, limit: int) -> str:
    """Return outside words in quotation marks that they cannot close."""
    return f"“{one_line(text, limit).replace('”', chr(34)).replace('“', chr(34))}”"


def bound(text: str, limit: int) -> str:
    """Return `text` cut to `limit` characters; a cut is shown, and never falls inside a character."""
    if len(text) <= limit:
        return text
    cut = text[: max(limit - 1, 0)]
    while cut and (_joins(text[len(cut)]) or cut[-1] == JOINER):
        cut = cut[:-1]
    return cut + ELLIPSIS if limit > 0 else ""


def _joins(char: str) -> bool:
    return unicodedata.combining(char) != 0 or char in f"{JOINER}\ufe0f" or "\U0001f3fb" <= char <= "\U0001f3ff"


def duration(seconds: float) -> str:
    """Return a span in its two largest units: `3 d 4 h`."""
    left, parts = max(0, int(seconds)), []
    for unit, length in UNITS:
        count, left = divmod(left, length)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def moment(at: datetime) -> str:
    """Return a time of day in UTC, to the minute."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def money(amount: float | None, currency: str | None) -> str:
    """Return an amount, or nothing where it is not known; a whole one has no decimals."""
    if amount is None:
        return ""
    number = f"{amount:.0f}" if amount == int(amount) else f"{amount:.2f}"
    return f"{number} {one_line(currency or '', 8)}".strip()


def monthly(amount: float | None, currency: str | None) -> str:
    """Return a month's price, or nothing where it is not known."""
    return f"{money(amount, currency)} a month" if amount is not None else ""


def count_text(count: int, noun: str) -> str:
    """Return a number of things: `1 change`, `1,204 changes`; the noun takes an s."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def size_text(size: int) -> str:
    """Return a number of bytes in the unit that makes it shortest."""
    value, units = float(size), ("bytes", "kB", "MB", "GB")
    for unit in units[:-1]:
        if value < 1000:  # noqa: PLR2004 - as units go
            return f"{value:.0f} bytes" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} {units[-1]}"
