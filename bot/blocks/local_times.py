"""Times of a card's facts in each reader's own time zone; the facts themselves are in UTC, as they are hashed."""

from collections.abc import Iterable
from datetime import datetime

from vpsops.bot.blocks.elements import Block, context, mrkdwn
from vpsops.core.changes.fact_times import has_date, times_in


def local_times(values: Iterable[str], now: datetime) -> list[Block]:
    """Return a line that repeats the times of these values in the reader's time zone, or nothing without any."""
    tokens = [_token(text, at) for text, at in times_in(values, now).items()]
    return [context(mrkdwn(f"In your time: {', '.join(tokens)}."))] if tokens else []


def _token(text: str, at: datetime) -> str:
    """Return a time in UTC with Slack's date token of it."""
    shape = "{date_short_pretty} {time}" if has_date(text) else "{time}"
    return f"{text} is <!date^{int(at.timestamp())}^{shape}|{text}>"
