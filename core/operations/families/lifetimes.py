"""How long a server is made for, as typed: `3d`, `12h`, `1d 12h`; its end is that long after it is there."""

import re
from typing import Final

from vpsops.core.common.errors import InvalidInputError
from vpsops.core.common.text import one_line
from vpsops.core.common.timings import LIFETIME_LEAST_SECONDS, LIFETIME_LONGEST_SECONDS

UNITS: Final = {"d": 86_400, "h": 3_600, "m": 60}
EXAMPLE: Final = "3d, 12h or 1d12h"
_PART: Final = re.compile(r"(\d{1,6}) ?([dhm])", re.ASCII)
_WHOLE: Final = re.compile(r"(?:\d{1,6} ?[dhm] ?)+", re.ASCII)


def lifetime_seconds(text: str) -> int:
    """Return the seconds that a duration names; raises `InvalidInputError` for none, or one out of bounds."""
    words = " ".join(text.lower().split())
    if not _WHOLE.fullmatch(words):
        raise InvalidInputError(f"{one_line(text, 40)!r} is no duration.", hint=f"Write {EXAMPLE}.")
    seconds = sum(int(amount) * UNITS[unit] for amount, unit in _PART.findall(words))
    if not LIFETIME_LEAST_SECONDS <= seconds <= LIFETIME_LONGEST_SECONDS:
        raise InvalidInputError(
            "A server is made for 15 minutes to 366 days.", hint=f"Write {EXAMPLE}, or leave it out for no end."
        )
    return seconds


def is_lifetime(text: str) -> bool:
    """Return whether text has the form of a duration."""
    return bool(_WHOLE.fullmatch(" ".join(text.lower().split())))


def lifetime_word(seconds: int) -> str:
    """Return a duration as it is typed and stored: `1d12h`; a rest of seconds is left out."""
    left, parts = seconds, list[str]()
    for unit, length in UNITS.items():
        count, left = divmod(left, length)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0m"


def lifetime_text(seconds: int) -> str:
    """Return a duration for people: `1 d 12 h`."""
    return " ".join(
        f"{amount} {'min' if unit == 'm' else unit}" for amount, unit in _PART.findall(lifetime_word(seconds))
    )
