"""Hours of the week in a time zone, such as "Mon-Fri 08:00-18:00"; pure."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SPAN = re.compile(r"^(?:(?P<first>[a-z]{3})(?:-(?P<last>[a-z]{3}))? )?(?P<begin>\d\d:\d\d)-(?P<end>\d\d:\d\d)$")
MIDNIGHT = 24 * 60


@dataclass(frozen=True, slots=True)
class Hours:
    """A span of minutes on some days; one that ends before it begins runs past midnight."""

    days: frozenset[int]
    begin: int
    end: int
    zone: str

    @classmethod
    def parse(cls, text: str, zone: str) -> Self:
        """Read a span; raises ValueError in words."""
        found = SPAN.match(" ".join(text.lower().split()))
        if found is None:
            raise ValueError(f"'{text}' is not like 'Mon-Fri 08:00-18:00'")
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"'{zone}' is not a time zone such as Europe/Oslo") from None
        begin, end = _minutes(found["begin"]), _minutes(found["end"])
        if begin == end:
            raise ValueError(f"'{text}' is empty: it ends when it begins")
        return cls(_days(found["first"], found["last"]), begin, end, zone)

    def hold(self, now: datetime) -> bool:
        """Say whether `now` lies within, by the wall clock of the zone; a night belongs to the day it begins on."""
        local = now.astimezone(ZoneInfo(self.zone))
        minute, day = local.hour * 60 + local.minute, local.weekday()
        if self.begin < self.end:
            return day in self.days and self.begin <= minute < self.end
        return (day in self.days and minute >= self.begin) or ((day - 1) % 7 in self.days and minute < self.end)


def _minutes(text: str) -> int:
    hour, minute = int(text[:2]), int(text[3:])
    total = hour * 60 + minute
    if minute > 59 or total > MIDNIGHT:  # noqa: PLR2004 - sixty minutes
        raise ValueError(f"'{text}' is not a time of day")
    return total


def _days(first: str | None, last: str | None) -> frozenset[int]:
    if first is None:
        return frozenset(range(7))
    for word in (first, last):
        if word is not None and word not in DAYS:
            raise ValueError(f"'{word}' is not a day: use Mon, Tue, Wed, Thu, Fri, Sat or Sun")
    begin, end = DAYS.index(first), DAYS.index(last or first)
    return frozenset((begin + step) % 7 for step in range((end - begin) % 7 + 1))
