"""Maintenance windows, in which changes may be scheduled, and freezes, in which nothing changes (pure).

A window restricts nothing by itself: `in window nightly` runs a change within it. A freeze denies every change on its
servers, unless a rule that matches names it in `during_freeze`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from vpsops.core.operations.target import Target
from vpsops.core.policy.context import NormalizedContext, ServerPatterns
from vpsops.core.policy.hours import Hours
from vpsops.core.wayscloud.answers.labels import has_term, label_terms

MINUTE: Final = timedelta(minutes=1)
LONGEST_WINDOW: Final = timedelta(days=7)
"""A window that never closes counts as closing after a week."""
SEARCHED: Final = timedelta(days=15)
"""A window of the week opens within this, also where a clock change skips it once."""


@dataclass(frozen=True, slots=True)
class CalendarServers:
    """The servers that a window or a freeze is about: by pattern and by label, both if both are given; else all."""

    servers: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()
    _patterns: ServerPatterns = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_patterns", ServerPatterns.of(self.servers))

    def holds(self, ident: str, hostname: str, labels: frozenset[str] | None) -> bool | None:
        """Return whether it is about a server; None where that is not known."""
        named = self._patterns.hold(ident, hostname) if self.servers else True
        labelled = has_term(labels, self.labels) if self.labels else True
        if named is False or labelled is False:
            return False
        return None if named is None or labelled is None else True

    @property
    def words(self) -> str:
        """The servers in words, such as `web*, env=prod`; `every server` without any."""
        return ", ".join((*sorted(self.servers), *sorted(self.labels))) or "every server"


@dataclass(frozen=True, slots=True)
class WindowSpan:
    """One opening of a window, both ends aware and in UTC."""

    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class Window:
    """A maintenance window: hours of the week, on some servers; `spans` are the hours as written."""

    name: str
    hours: Hours
    spans: tuple[str, ...] = ()
    choice: CalendarServers = field(default_factory=CalendarServers)

    def covers(self, target: Target) -> bool:
        """Return whether a server is known to be of this window."""
        name = target.hostname.lower().rstrip(".")
        return self.choice.holds(target.id.lower(), name, label_terms(target.labels)) is True

    def next_span(self, now: datetime) -> WindowSpan | None:
        """Return the opening at `now`, which then begins now, or the next one; None where none comes within days."""
        begins = now.astimezone(UTC)
        if not self.hours.hold(begins):
            begins = self._search(begins, SEARCHED, opens=True)
        if not self.hours.hold(begins):
            return None
        return WindowSpan(begins, self._search(begins, LONGEST_WINDOW, opens=False))

    def _search(self, start: datetime, within: timedelta, *, opens: bool) -> datetime:
        """Return the first whole minute after `start` at which the window opens or closes, or the end of the search."""
        at, end = start.replace(second=0, microsecond=0) + MINUTE, start + within
        while at < end and self.hours.hold(at) is not opens:
            at += MINUTE
        return at

    @property
    def words(self) -> str:
        """The window in words: its hours, zone and servers."""
        return f"{', '.join(self.spans)} {self.hours.zone.key}, on {self.choice.words}"


@dataclass(frozen=True, slots=True)
class Freeze:
    """A time in which nothing changes: from and to a date, both aware, or within the hours of a window."""

    name: str
    begins: datetime | None = None
    ends: datetime | None = None
    window: Window | None = None
    choice: CalendarServers = field(default_factory=CalendarServers)
    reason: str = ""

    def is_in_force(self, now: datetime) -> bool:
        """Return whether it holds at a moment."""
        if self.window is not None:
            return self.window.hours.hold(now)
        return self.begins is not None and self.ends is not None and self.begins <= now < self.ends

    @property
    def choices(self) -> Sequence[CalendarServers]:
        """The servers that it is about: those of all of these."""
        return (self.choice,) if self.window is None else (self.choice, self.window.choice)

    def freezes(self, seen: NormalizedContext) -> bool:
        """Return whether it holds back a change; one on a server that is not known counts as frozen."""
        about = all(choice.holds(seen.ident, seen.hostname, seen.labels) is not False for choice in self.choices)
        return about and self.is_in_force(seen.facts.now)

    @property
    def text(self) -> str:
        """The freeze in a sentence, with its reason."""
        until = f" until {self.ends.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if self.ends is not None else ""
        return f"The freeze {self.name} holds{until}. {self.reason}".strip()

    @property
    def words(self) -> str:
        """The freeze in words: its time and servers."""
        when = f"in window {self.window.name}" if self.window is not None else ""
        if self.begins is not None and self.ends is not None:
            first, last = (each.astimezone(UTC) for each in (self.begins, self.ends))
            when = f"{first:%Y-%m-%d %H:%M} UTC until {last:%Y-%m-%d %H:%M} UTC"
        return f"{when}, on {self.choice.words}"


@dataclass(frozen=True, slots=True)
class Calendar:
    """The windows and freezes of a policy."""

    windows: Sequence[Window] = ()
    freezes: Sequence[Freeze] = ()

    @property
    def canonical(self) -> str:
        """The calendar as the version of a policy depends on it; empty without windows and freezes."""
        lines = [f"window {window.name}: {window.words}" for window in self.windows]
        lines += [f"freeze {freeze.name}: {freeze.words} {freeze.reason}" for freeze in self.freezes]
        return "\n".join(sorted(lines))

    def window(self, name: str) -> Window | None:
        """Return a window by its name."""
        return next((window for window in self.windows if window.name == name), None)

    def frozen(self, seen: NormalizedContext) -> list[Freeze]:
        """Return the freezes that hold back a change."""
        return [freeze for freeze in self.freezes if freeze.freezes(seen)]
