"""Times as typed: when a command runs (`at 02:00`, `in 2h`), and how long something lasts (`30m`, `for 3d`).

What a command runs at raises where it is unclear; it never guesses.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from vpsops.bot.commands.argument_parser import ArgumentsError
from vpsops.bot.protocol.command_catalog import TIME, takes_open_text
from vpsops.bot.protocol.text_normalization import abbreviate
from vpsops.core.operations import Operation
from vpsops.core.operations.arguments import arguments_of
from vpsops.core.operations.families.lifetimes import is_lifetime
from vpsops.core.schedule.time_words import FORMS, is_time

CREATE: Final = {
    "hostname": "hostname",
    "plan": "plan",
    "region": "region",
    "os": "os_template",
    "os_template": "os_template",
    "for": "lifetime",
}
"""Words of a new server by what the form calls them."""
BEGINNINGS: Final = frozenset(form.split()[0] for form in TIME)


def split_time(operation: Operation, words: list[str]) -> tuple[list[str], str]:
    """Return the words before the time that they end with, and the time, or "".

    Raises `ArgumentsError` for what looks like a time and is none, and where it may be a part of an argument.
    """
    own = {argument.word.lower() for argument in arguments_of(operation.arguments)}
    for index in range(len(words)):
        if words[index].lower() not in BEGINNINGS - own:
            continue
        time = " ".join(words[index:])
        if is_time(time):
            if takes_open_text(operation):
                raise ArgumentsError(f"'{abbreviate(time)}' may be a part of the text, so nothing was run.")
            return words[:index], time
        if not operation.reads and _looks_like_time(words[index:]):
            raise ArgumentsError(f"'{abbreviate(time)}' is no time to run at. Write {FORMS}.")
    return words, ""


def _looks_like_time(words: list[str]) -> bool:
    following = words[1].lower() if len(words) > 1 else ""
    return following[:1].isdigit() or following == "window"


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
    """Put off the end of a server."""

    server: str
    lifetime: str
    reason: str = ""


def keep_of(rest: Sequence[str], reason: str) -> KeepServer | None:
    """Return the extension that words ask for, one server and a duration; None for others."""
    time = " ".join(word for word in rest[1:] if word != "for")
    return KeepServer(rest[0], time.replace(" ", ""), reason) if rest and is_lifetime(time) else None


@dataclass(frozen=True, slots=True)
class WatchServer:
    """Post one server's events in this channel for some time, or stop doing so."""

    server: str
    lasts: timedelta | None = USUAL_WATCH  # None stops the watch


def watch_of(rest: Sequence[str], reason: str) -> WatchServer | None:
    """Return the watch that words ask for, one server and a duration or `stop`; None for others."""
    words = [word.lower() for word in rest[1:]]
    lasts = watch_duration(words)
    if not rest or reason or (words and words != ["stop"] and lasts is None):
        return None
    return WatchServer(rest[0], None if words == ["stop"] else lasts or USUAL_WATCH)
