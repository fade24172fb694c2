"""Hours of the week in a time zone, such as "Mon-Fri 08:00-18:00"."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SPAN = re.compile(r"^(?P<days>[a-z][a-z, -]*?)?(?: ?(?P<begin>\d\d:\d\d) ?- ?(?P<end>\d\d:\d\d))?$")
DAY = 24 * 60
WEEK = (1 << 7 * DAY) - 1


@dataclass(frozen=True, slots=True)
class Hours:
    """Minutes of the week by the wall clock of a zone: bit n is the nth minute after Monday 00:00.

    In the hour that a clock repeats in autumn both passes count; the hour it skips in spring has no minute.
    """

    minutes: int
    zone: ZoneInfo

    @classmethod
    def parse(cls, inside: Sequence[str], outside: Sequence[str], zone: str) -> Self:
        """Read spans to be within (any of them, or always) and spans to exclude; raises ValueError with the reason."""
        minutes = _joined(inside) if inside else WEEK
        minutes &= ~_joined(outside)
        if not minutes:
            raise ValueError("no minute of the week is left, so it never matches")
        return cls(minutes, zone_named(zone))

    def hold(self, now: datetime) -> bool:
        """Return whether `now` lies within."""
        local = now.astimezone(self.zone)
        return bool(self.minutes >> (local.weekday() * DAY + local.hour * 60 + local.minute) & 1)

    def cover(self, other: "Hours") -> bool:
        """Return whether this holds whenever the other does; other zones are not compared."""
        always = self.minutes == WEEK
        return always or (self.zone.key == other.zone.key and not other.minutes & ~self.minutes)


def zone_named(name: str) -> ZoneInfo:
    """Return a time zone by its name; raises ValueError with the reason."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        if not available_timezones():
            raise ValueError("this machine has no time zone database; install tzdata") from None
        raise ValueError(f"'{name}' is not a time zone such as Europe/Oslo") from None


def _joined(spans: Sequence[str]) -> int:
    minutes = 0
    for span in spans:
        minutes |= _span(span)
    return minutes


def _span(text: str) -> int:
    """Return the minutes of one span; a night belongs to the day it begins on."""
    match = SPAN.match(" ".join(text.lower().replace("\N{EN DASH}", "-").split()))
    if not text.strip() or match is None:
        raise ValueError(f"'{text}' is not like 'Mon-Fri 08:00-18:00'")
    begin, end = _minute(match["begin"] or "00:00"), _minute(match["end"] or "24:00")
    if begin in {end, DAY}:
        raise ValueError(f"'{text}' is empty: it ends when it begins")
    length = end - begin if begin < end else DAY - begin + end
    block = (1 << length) - 1
    minutes = 0
    for day in _days(match["days"]):
        shifted = block << (day * DAY + begin)
        minutes |= (shifted & WEEK) | (shifted >> 7 * DAY)
    return minutes


def _minute(text: str) -> int:
    hour, minute = int(text[:2]), int(text[3:])
    if minute > 59 or hour * 60 + minute > DAY:  # noqa: PLR2004 - sixty minutes
        raise ValueError(f"'{text}' is not a time of day")
    return hour * 60 + minute


def _days(text: str | None) -> set[int]:
    if text is None:
        return set(range(7))
    days: set[int] = set()
    for part in text.split(","):
        first, dash, last = (word.strip() for word in part.partition("-"))
        begin, end = _day(first), _day(last if dash else first)
        days |= {(begin + step) % 7 for step in range((end - begin) % 7 + 1)}
    return days


def _day(word: str) -> int:
    if word not in DAYS:
        raise ValueError(f"'{word}' is not a day: use Mon, Tue, Wed, Thu, Fri, Sat or Sun")
    return DAYS.index(word)
