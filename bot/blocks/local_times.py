"""Times of a card's facts in each reader's own time zone; the facts themselves are in UTC, as they are hashed."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from vpsops.bot.blocks.elements import Block, context, mrkdwn

_TIME: Final = re.compile(r"(?:(\d{4})-(\d\d)-(\d\d) )?\b([01]\d|2[0-3]):([0-5]\d) UTC\b")
MOST: Final = 6


def local_times(values: Iterable[str], now: datetime) -> list[Block]:
    """Return a line that repeats the times of these values in the reader's time zone, or nothing without any.

    A time without a date is that of its next occurrence, so that summer time is the one then in force.
    """
    times = dict.fromkeys(match.group() for value in values for match in _TIME.finditer(value))
    tokens = [token for text in list(times)[:MOST] if (token := _token(text, now))]
    return [context(mrkdwn(f"In your time: {', '.join(tokens)}."))] if tokens else []


def _token(text: str, now: datetime) -> str:
    """Return a time in UTC with Slack's date token of it; empty where there is no such day."""
    match = _TIME.fullmatch(text)
    if match is None:
        return ""
    year, month, day, hour, minute = match.groups()
    try:
        if year:
            at = datetime(int(year), int(month), int(day), int(hour), int(minute), tzinfo=UTC)
        else:
            at = now.astimezone(UTC).replace(hour=int(hour), minute=int(minute), second=0, microsecond=0)
            at += timedelta(days=at <= now)
    except (ValueError, OverflowError):
        return ""
    shape = "{date_short_pretty} {time}" if year else "{time}"
    return f"{text} is <!date^{int(at.timestamp())}^{shape}|{text}>"
