"""How long a server is watched or made for, as typed: `30m`, `for 2 hours`, `3d`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from vpsops.core.operations.families.lifetimes import is_lifetime

USUAL_WATCH: Final = timedelta(hours=1)
SHORTEST_WATCH: Final = timedelta(minutes=5)
LONGEST_WATCH: Final = timedelta(days=7)
UNITS: Final = {"m": 60, "h": 3600, "d": 86400}

_TIME: Final = re.compile(r"(\d{1,4})(m|min|mins|minutes?|h|hours?|d|days?)", re.IGNORECASE)


def watch_duration(words: Sequence[str]) -> timedelta | None:
    """Return the duration that words name; None where they name none, or one that is too short or too long."""
    values = _TIME.fullmatch("".join(words[1:] if words[:1] == ["for"] else words))
    if values is None:
        return None
    lasts = timedelta(seconds=int(values[1]) * UNITS[values[2][0].lower()])
    return lasts if SHORTEST_WATCH <= lasts <= LONGEST_WATCH else None


def joined_lifetime(rest: Sequence[str]) -> list[str]:
    """Return words with `for 1d 12h` as the one word `for=1d12h`; what is no duration stays, and is refused later."""
    begin = next((index for index, word in enumerate(rest) if word.lower() == "for"), len(rest))
    end = next(
        (index for index in range(len(rest), begin + 1, -1) if is_lifetime(" ".join(rest[begin + 1 : index]))), 0
    )
    return [*rest[:begin], f"for={''.join(rest[begin + 1 : end])}", *rest[end:]] if end else list(rest)


@dataclass(frozen=True, slots=True)
class KeepServer:
    """Give a server with an end a later one."""

    server: str
    lifetime: str
    reason: str = ""


def keep_of(rest: Sequence[str], reason: str) -> KeepServer | None:
    """Return the extension that words ask for, one server and a duration; None for others."""
    time = " ".join(word for word in rest[1:] if word != "for")
    return KeepServer(rest[0], time.replace(" ", ""), reason) if rest and is_lifetime(time) else None
