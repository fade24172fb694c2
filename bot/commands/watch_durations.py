"""How long a server is watched, as typed: `30m`, `for 2 hours`, `3d`."""

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

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
