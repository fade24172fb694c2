r"""The schedule of a change that runs later, and the decision at a moment.

    scheduled -> approved (its time has come) -> as any change
        |------> expired (its time is over), superseded (stricter rules), cancelled
        \------> needs_person, where the database went back: it may have been cancelled or sent since

A scheduled change has all the consent it needs and holds no server. `not_before` is something else: the provider's
wish that an approved change waits, which has its server.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, Self

from vpsops.core.common.json_types import Json
from vpsops.core.common.stored_values import UnreadableValueError
from vpsops.core.operations.facts import Fact

CLOCK_TIME: Final = "%Y-%m-%d %H:%M UTC"


@dataclass(frozen=True, slots=True)
class LaterRequest:
    """A wish to run later, in the asker's words (`at 02:00 Europe/Oslo`), and the zone of times that name none."""

    words: str
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a change may be sent: from `run_at` until `run_until`, both aware; `words` are the asker's.

    `zone` is the zone in which the words were read; `window` is the name of the maintenance window, if any.
    """

    run_at: datetime
    run_until: datetime
    words: str
    zone: str = "UTC"
    window: str = ""

    @property
    def stored(self) -> dict[str, Json]:
        """The schedule as the digest, the trail and the row hold it."""
        return {
            "run_at": self.run_at.timestamp(),
            "run_until": self.run_until.timestamp(),
            "words": self.words,
            "zone": self.zone,
            "window": self.window,
        }

    @classmethod
    def from_stored(cls, value: Json) -> Self | None:
        """Return the schedule that a column holds, None for none; raises `UnreadableValueError`."""
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise UnreadableValueError("schedule is no object")
        run_at, run_until = (datetime.fromtimestamp(float(value[name]), UTC) for name in ("run_at", "run_until"))
        return cls(run_at, run_until, *(str(value[name]) for name in ("words", "zone", "window")))

    @property
    def times(self) -> str:
        """The times in UTC, to the minute: those of a window, or a start and the latest start."""
        limit = " until" if self.window else ", at the latest"
        return f"{self.run_at:{CLOCK_TIME}}{limit} {self.run_until:{CLOCK_TIME}}"

    @property
    def fact(self) -> Fact:
        """The schedule as people are shown it, in the asker's words and in UTC."""
        zone = "" if self.zone.lower() in self.words.lower() else f" ({self.zone})"
        return Fact("Runs", f"{self.words}{zone}: {self.times}")

    def overlaps(self, other: Self) -> bool:
        """Return whether both may be sent at the same time."""
        return self.run_at <= other.run_until and other.run_at <= self.run_until


class MissedError(Exception):
    """The time of a scheduled change is over; the text, for users, says since when."""


def check_in_time(schedule: Schedule | None, now: datetime) -> None:
    """Raise `MissedError` where the time of a change that has one is over."""
    if schedule is not None and now > schedule.run_until:
        raise MissedError(f"Its time ended at {schedule.run_until:{CLOCK_TIME}}.")


def closed_window(schedule: Schedule | None, now: datetime) -> str:
    """Return in words that the window of a schedule has closed; empty while it is open, and without a window."""
    if schedule is None or not schedule.window or now <= schedule.run_until:
        return ""
    return f"the window {schedule.window} closed at {schedule.run_until:{CLOCK_TIME}}"


class DueAction(StrEnum):
    """What to do with a scheduled change at a moment."""

    WAIT = "wait"
    START = "start"
    EXPIRE = "expire"


def due_action(schedule: Schedule, date: datetime, believed: datetime) -> DueAction:
    """Return what to do with a scheduled change.

    `date` is the machine's; `believed` is the same unless the date was set forward a moment ago (`SteadyDate`). Both
    have to be within the schedule for a start, so that no date that is set starts anything early.
    """
    if believed > schedule.run_until:
        return DueAction.EXPIRE
    return DueAction.START if believed >= schedule.run_at and date <= schedule.run_until else DueAction.WAIT
