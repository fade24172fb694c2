"""Readers of single values of an answer; each returns None for what it cannot read."""

import math
from datetime import UTC, datetime
from typing import Final

from vpsops.core.wayscloud.answers.models import JSON

MB_PER_GB: Final = 1024
MOST_LABELS: Final = 256
LONGEST_LABEL: Final = 1024
YES: Final = frozenset({"true", "yes", "1", "on", "enabled"})
NO: Final = frozenset({"false", "no", "0", "off", "disabled"})


def text(raw: JSON) -> str | None:
    """Read a word or a number as text, trimmed; empty is None."""
    if isinstance(raw, int | float) and not isinstance(raw, bool):
        return str(raw)
    return (raw.strip() or None) if isinstance(raw, str) else None


def word(raw: JSON) -> str | None:
    """Read a word of a small vocabulary: trimmed, in lower case."""
    value = text(raw)
    return value and value.lower()


def number(raw: JSON) -> float | None:
    """Read a finite number, also one in quotes."""
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        return None
    try:
        value = float(raw)
    except (ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None


def whole(raw: JSON) -> int | None:
    """Read a whole number; 2.0 is one, 2.5 is not."""
    value = number(raw)
    return int(value) if value is not None and value.is_integer() else None


def amount(raw: JSON) -> float | None:
    """Read a price or a size; a negative one is None, and `extra` keeps it as it came."""
    value = number(raw)
    return value if value is not None and value >= 0 else None


def whole_amount(raw: JSON) -> int | None:
    """Read a number of things that cannot be negative."""
    value = whole(raw)
    return value if value is not None and value >= 0 else None


def count(raw: JSON) -> int | None:
    """Read a counter that may come with a fraction, which is dropped."""
    value = number(raw)
    return None if value is None else int(value)


def megabytes(raw: JSON) -> float | None:
    """Read an amount of MB as GB."""
    value = amount(raw)
    return None if value is None else value / MB_PER_GB


def flag(raw: JSON) -> bool | None:
    """Read a boolean, also from a word or a digit."""
    if isinstance(raw, bool):
        return raw
    value = word(raw)
    return True if value in YES else False if value in NO else None


def is_windows(raw: JSON) -> bool | None:
    """Read the name of a platform or family as whether it is Windows."""
    value = word(raw)
    return None if value is None else value == "windows"


def is_active(raw: JSON) -> bool | None:
    """Read a region's life-cycle word (active, maintenance, deprecated) as whether it can be used."""
    value = word(raw)
    return None if value is None else value == "active"


def kroner(raw: JSON) -> str | None:
    """Read the currency out of a price with a currency in its name."""
    return None if number(raw) is None else "NOK"


def moment(raw: JSON) -> datetime | None:
    """Read an ISO 8601 time, with Z or an offset; one without either is UTC."""
    if not isinstance(raw, str):
        return None
    try:
        value = datetime.fromisoformat(raw.strip())
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def labels(raw: JSON) -> dict[str, str] | None:
    """Read labels, all of them or none: a change replaces the map, so one that is not read would be lost."""
    if not isinstance(raw, dict) or len(raw) > MOST_LABELS:
        return None
    read = {key: value for key, value in raw.items() if isinstance(value, str) and _is_short(key) and _is_short(value)}
    return read if len(read) == len(raw) else None


def tags(raw: JSON) -> tuple[str, ...] | None:
    """Read tags, all of them or none."""
    if not isinstance(raw, list) or len(raw) > MOST_LABELS:
        return None
    read = tuple(tag for tag in raw if isinstance(tag, str) and _is_short(tag))
    return read if len(read) == len(raw) else None


def _is_short(text: str) -> bool:
    return len(text) <= LONGEST_LABEL
