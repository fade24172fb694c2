"""Times in UTC as facts hold them, so that each front end can repeat them in its reader's own time."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

_TIME: Final = re.compile(r"(?:(\d{4})-(\d\d)-(\d\d) )?\b([01]\d|2[0-3]):([0-5]\d)(?::[0-5]\d(?:\.\d+)?)? UTC\b")
_SECONDS: Final = re.compile(r"(?<=:\d\d):[\d.]+")
MOST: Final = 6


def times_in(values: Iterable[str], now: datetime) -> Mapping[str, datetime]:
    """Return the times of these values, to the minute, by their texts.

    A time without a date is that of its next occurrence, so that summer time is the one then in force.
    """
    texts = dict.fromkeys(_SECONDS.sub("", match.group()) for value in values for match in _TIME.finditer(value))
    moments = {text: _moment(text, now) for text in list(texts)[:MOST]}
    return {text: at for text, at in moments.items() if at is not None}


def has_date(text: str) -> bool:
    """Return whether the text of a time holds its date."""
    return "-" in text


def local_text(values: Iterable[str], now: datetime, zone: tzinfo | None = None) -> str:
    """Return these values' times in a zone, by default that of this machine, or "" where that is UTC."""
    here = {text: at.astimezone(zone) for text, at in times_in(values, now).items()}
    shapes = {text: "%Y-%m-%d %H:%M" if has_date(text) else "%H:%M" for text in here}
    if not any(at.utcoffset() for at in here.values()):
        return ""
    return ", ".join(f"{text} is {at:{shapes[text]}} {at.tzname()}" for text, at in here.items())


def _moment(text: str, now: datetime) -> datetime | None:
    """Return the moment of a time; None where there is no such day."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute = match.groups()
    try:
        if year:
            return datetime(int(year), int(month), int(day), int(hour), int(minute), tzinfo=UTC)
        at = now.astimezone(UTC).replace(hour=int(hour), minute=int(minute), second=0, microsecond=0)
        return at + timedelta(days=at <= now)
    except (ValueError, OverflowError):
        return None
