"""Reads the words of a time: `at 02:00`, `at 2026-12-01 02:00 Europe/Oslo`, `in 2h 30m`, `in window nightly`.

The words mean one moment, or none: a local time that a clock shows twice, or never, is refused with both readings.
A library such as dateutil or dateparser reads far more than this and guesses where a text can mean two moments.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from datetime import time as clock_time
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from vpsops.core.common.errors import InvalidInputError
from vpsops.core.common.text import one_line
from vpsops.core.common.timings import SCHEDULE_AHEAD_DAYS

FORMS: Final = "at 02:00, at 2026-12-01 02:00 Europe/Oslo, in 2h, in window NAME"
_AT: Final = re.compile(
    r"at (?:(?P<date>\d{4}-\d\d-\d\d)[ t])?(?P<time>\d{1,2}:\d\d)(?: ?(?P<zone>[a-z][\w+/-]{0,60}|[+-]\d\d:\d\d))?",
    re.ASCII,
)
_IN: Final = re.compile(r"in (?P<parts>(?:\d{1,5} ?[dhm] ?)+)", re.ASCII)
_PART: Final = re.compile(r"(\d{1,5}) ?([dhm])")
_WINDOW: Final = re.compile(r"in window (?P<name>[a-z0-9][a-z0-9-]{0,63})")
_OFFSET: Final = re.compile(r"([+-])([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_UNITS: Final = {"d": "days", "h": "hours", "m": "minutes"}
NO_PLACES: Final = frozenset({"localtime", "posixrules", "Factory"})
"""Files of a database of zones that name no place."""
LONGEST: Final = timedelta(days=SCHEDULE_AHEAD_DAYS)


class UnclearTimeError(InvalidInputError):
    """A local time that a clock shows twice or never; `readings` are words for the moments that it can mean."""

    def __init__(self, message: str, readings: Sequence[str]) -> None:
        super().__init__(message, hint=f"Write {' or '.join(f'`{words}`' for words in readings)}.")
        self.readings = tuple(readings)


@dataclass(frozen=True, slots=True)
class WindowName:
    """The name of the maintenance window that words ask for."""

    name: str


def read_time(words: str, zone: str, now: datetime) -> datetime | WindowName:
    """Return the moment that words mean, in UTC, or the window that they name.

    `zone` is that of times without one; a span such as `in 2h` is as long in every zone. Raises `InvalidInputError` for
    other words, a zone that is none, a time that is past or further ahead than a month, and `UnclearTimeError`.
    """
    text, asker_zone = " ".join(words.split()).lower(), zone_of(zone)
    if match := _WINDOW.fullmatch(text):
        return WindowName(match["name"])
    if match := _IN.fullmatch(text):
        moment = _after(now, match["parts"])
    elif match := _AT.fullmatch(text):
        moment = _local(match["date"], match["time"], zone_of(match["zone"]) if match["zone"] else asker_zone, now)
    else:
        raise InvalidInputError(f"{one_line(words, 60)!r} is no time to run at.", hint=f"Write {FORMS}.")
    check_ahead(moment, now)
    return moment


def is_time(words: str) -> bool:
    """Return whether words have the form of a time to run at."""
    text = " ".join(words.split()).lower()
    return any(form.fullmatch(text) for form in (_WINDOW, _IN, _AT))


def check_ahead(moment: datetime, now: datetime) -> None:
    """Raise `InvalidInputError` unless a moment is ahead, and not too far."""
    if moment <= now:
        raise InvalidInputError(f"{moment:%Y-%m-%d %H:%M} UTC is past.", hint="Name a time that is ahead.")
    if moment > now + LONGEST:
        raise InvalidInputError(
            f"{moment:%Y-%m-%d %H:%M} UTC is more than {SCHEDULE_AHEAD_DAYS} days ahead.", hint="Ask for it later."
        )


def zone_of(name: str) -> tzinfo:
    """Return a zone by its name, in any case, or by its offset such as +02:00; raises `InvalidInputError`."""
    if match := _OFFSET.fullmatch(name):
        offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
        return timezone(-offset if match[1] == "-" else offset)
    if name.lower() in {"utc", "z", "gmt"}:
        return UTC
    known = _zones().get(name.lower())
    if known is not None:
        return ZoneInfo(known)
    raise InvalidInputError(
        f"{one_line(name, 60)!r} is no time zone.", hint="Name one such as Europe/Oslo or UTC, or an offset: +02:00."
    )


@cache
def _zones() -> Mapping[str, str]:
    """Return the names of all zones by their spelling in lower case."""
    return {name.lower(): name for name in available_timezones() - NO_PLACES}


def _after(now: datetime, parts: str) -> datetime:
    amounts = [(int(amount), _UNITS[unit]) for amount, unit in _PART.findall(parts)]
    try:
        return now + sum((timedelta(**{unit: amount}) for amount, unit in amounts), timedelta())
    except OverflowError:  # behind the last day that a date has
        raise InvalidInputError(
            f"That time is more than {SCHEDULE_AHEAD_DAYS} days ahead.", hint="Ask for it later."
        ) from None


def _local(day: str | None, time: str, zone: tzinfo, now: datetime) -> datetime:
    """Return the moment of a local time; without a day the next one, today or tomorrow."""
    hour, minute = (int(part) for part in time.split(":"))
    try:
        wall = clock_time(hour, minute)
        dates = [date.fromisoformat(day)] if day else _today_and_tomorrow(zone, now)
        moments = [moments_at(datetime.combine(each, wall), zone) for each in dates]
    except (ValueError, OverflowError):  # the latter at the first and the last day that a date has
        raise InvalidInputError(
            f"There is no time {f'{day} {time}' if day else time}.", hint=f"Write {FORMS}."
        ) from None
    ahead = [moment for moment in moments if moment[-1] > now] or moments[-1:]
    meant = ahead[0]
    if len(meant) == 1:
        return meant[0]
    raise _unclear(meant, zone, now, is_twice=meant[0].astimezone(zone).time() == wall)


def _today_and_tomorrow(zone: tzinfo, now: datetime) -> list[date]:
    today = now.astimezone(zone).date()
    return [today, today + timedelta(days=1)]


def moments_at(wall: datetime, zone: tzinfo) -> list[datetime]:
    """Return the moments in UTC that a naive local time can mean, the earlier first: one, or two where it is unclear.

    A time that is skipped stands for the two moments that the offsets before and after the gap make of it.
    """
    each = {wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return sorted(each)


def _unclear(meant: Sequence[datetime], zone: tzinfo, now: datetime, *, is_twice: bool) -> UnclearTimeError:
    readings = [_reading(moment.astimezone(zone)) for moment in meant if moment > now]
    what = "is shown twice by the clocks there" if is_twice else "is skipped by the clocks there"
    name = zone.key if isinstance(zone, ZoneInfo) else str(zone)
    return UnclearTimeError(f"That time {what} ({name}), as summer time begins or ends.", readings)


def _reading(local: datetime) -> str:
    offset = f"{local:%z}"
    return f"at {local:%Y-%m-%d %H:%M} {offset[:3]}:{offset[3:]}"
