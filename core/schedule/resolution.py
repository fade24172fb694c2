"""Turns a wish to run later into a schedule, by the date, the policy's windows, and the server."""

from datetime import datetime, timedelta

from vpsops.core.common.errors import InvalidInputError
from vpsops.core.common.text import one_line
from vpsops.core.common.timings import SCHEDULE_TOLERANCE_SECONDS
from vpsops.core.operations.target import Target
from vpsops.core.policy.calendar import Calendar
from vpsops.core.schedule.model import LaterRequest, Schedule
from vpsops.core.schedule.time_words import WindowName, read_time

MAX_WORDS = 80


def resolve(later: LaterRequest, now: datetime, calendar: Calendar, target: Target) -> Schedule:
    """Return the schedule that a wish means for a server.

    Raises `InvalidInputError` for words that mean no time, a time that is past or too far ahead, a window that is not
    there or not for this server, and `UnclearTimeError` for a local time that two moments can mean.
    """
    read = read_time(later.words, later.zone, now)
    words = one_line(" ".join(later.words.split()), MAX_WORDS)
    if isinstance(read, WindowName):
        return _in_window(read.name, words, now, calendar, target)
    return Schedule(read, read + timedelta(seconds=SCHEDULE_TOLERANCE_SECONDS), words, later.zone)


def _in_window(name: str, words: str, now: datetime, calendar: Calendar, target: Target) -> Schedule:
    window = calendar.window(name)
    names = [each.name for each in calendar.windows if each.covers(target)]
    server = target.hostname or target.id
    hint = f"For {server} there is {' and '.join(names)}." if names else f"No window is for {server}: name a time."
    if window is None:
        raise InvalidInputError(f"There is no window {name}.", hint=hint)
    if not window.covers(target):
        other = hint if names else "No other one is: name a time."
        raise InvalidInputError(f"The window {name} is not for {server}.", hint=other)
    span = window.next_span(now)
    if span is None:
        raise InvalidInputError(f"The window {name} does not open within two weeks.", hint="Name a time.")
    return Schedule(span.begins, span.ends, words, window.hours.zone.key, window.name)
