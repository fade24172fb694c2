"""The time zone of this machine by its name, for the words of a time at a terminal.

`datetime.astimezone()` knows the machine's offset and not its name, which a time across a clock change needs; `tzlocal`
reads the same two places and more that Linux and macOS do not have.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from vpsops.core.common.errors import InvalidInputError
from vpsops.core.schedule.time_words import zone_of

LOCALTIME: Final = Path("/etc/localtime")
FOLDER: Final = "zoneinfo/"


def local_zone(environ: Mapping[str, str], now: datetime, localtime: Path = LOCALTIME) -> str:
    """Return the zone that TZ or the machine names; its present offset from UTC where neither does."""
    named = localtime.resolve().as_posix().partition(FOLDER)[2]
    candidates = (environ.get("TZ", "").lstrip(":"), named)
    offset = f"{now.astimezone():%z}"
    return next((name for name in candidates if _is_zone(name)), f"{offset[:3]}:{offset[3:5]}")


def _is_zone(name: str) -> bool:
    try:
        zone_of(name)
    except InvalidInputError:
        return False
    return True
