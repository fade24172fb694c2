r"""The life of a server's end, as a table and frozen values.

    open -> stopping -> stopped -> gone
      |        |           \-> asked (it runs again, or its deletion, which its end asked for, came to nothing)
      |        \-> asked (the stop did not happen)
      |-> stopped (it was stopped already)
      \-> asked (it may not be stopped by itself: people are asked)

Its owner keeps the server from any of these states, unless its deletion left: then it is open again with a later end.
`asked` does nothing by itself: people stop the server, keep it, or delete it. An end is of one server by the provider's
id, never by a name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from vpsops.core.changes.model import check_table
from vpsops.core.common.timings import END_LOOK_SECONDS, END_REMINDER_SECONDS, END_TOLERANCE_SECONDS
from vpsops.core.identity.actors import Actor, Origin


class EndState(StrEnum):
    """Where an end is."""

    OPEN = "open"
    STOPPING = "stopping"
    STOPPED = "stopped"
    ASKED = "asked"
    GONE = "gone"


END_STEPS: Final[Mapping[EndState, frozenset[EndState]]] = {
    EndState.OPEN: frozenset({EndState.STOPPING, EndState.STOPPED, EndState.ASKED, EndState.GONE}),
    EndState.STOPPING: frozenset({EndState.STOPPED, EndState.ASKED, EndState.OPEN, EndState.GONE}),
    EndState.STOPPED: frozenset({EndState.ASKED, EndState.OPEN, EndState.GONE}),
    EndState.ASKED: frozenset({EndState.STOPPED, EndState.OPEN, EndState.GONE}),
    EndState.GONE: frozenset(),
}


def check_end_step(before: EndState, after: EndState) -> None:
    """Raise `IllegalStepError` unless the table has this step."""
    check_table(END_STEPS, before, after)


class EndAction(StrEnum):
    """What to do with an open end at a moment."""

    WAIT = "wait"
    REMIND = "remind"
    STOP = "stop"
    ASK = "ask"  # its time was missed


@dataclass(frozen=True, slots=True)
class ServerEnd:
    """When one server ends, who is asked, and how far it is.

    `since` is when the time began to count: as the server was there, or as it was kept. `turn` counts the ends that the
    server was given, so that each of them stops it once at most.
    """

    server_id: str
    version: int
    state: EndState
    hostname: str
    plan: str
    change_id: str  # that made the server
    owner: Actor
    origin: Origin
    made_at: datetime
    since: datetime
    ends_at: datetime
    next_at: datetime | None
    turn: int = 1
    stop_id: str = ""
    delete_id: str = ""  # the change by which this end asked for the deletion, however that ended
    note: str = ""

    @property
    def is_open(self) -> bool:
        """Return whether anything follows."""
        return self.state is not EndState.GONE


@dataclass(frozen=True, slots=True)
class KnownServer:
    """What the end compares of a server: where it differs, someone changed it behind vpsops."""

    hostname: str
    plan: str
    made_plans: frozenset[str] = field(default_factory=frozenset)  # that changes of vpsops moved it to


def reminder_times(since: datetime, ends_at: datetime) -> Sequence[datetime]:
    """Return when the owner is asked: a day and an hour before, as far as that is ahead; else half way."""
    before = [ends_at - timedelta(seconds=seconds) for seconds in END_REMINDER_SECONDS]
    ahead = [at for at in before if at > since]
    return ahead or [since + (ends_at - since) / 2]


def next_look(since: datetime, ends_at: datetime, now: datetime) -> datetime:
    """Return when an open end is looked at next: at a reminder, or at its end."""
    return next((at for at in reminder_times(since, ends_at) if at > now), ends_at)


def end_action(end: ServerEnd, now: datetime, believed: datetime) -> EndAction:
    """Return what to do with an open end: by the date, and by the one that is believed, whichever is earlier.

    Past the tolerance nothing is done by itself: no process ran then, the provider was not there, or a date was wrong.
    """
    earlier = min(now, believed)
    if earlier > stops_until(end):
        return EndAction.ASK
    if earlier >= end.ends_at:
        return EndAction.STOP if max(now, believed) <= stops_until(end) else EndAction.WAIT
    if end.next_at is not None and end.next_at < end.ends_at and earlier >= end.next_at:
        return EndAction.REMIND
    return EndAction.WAIT


def stops_until(end: ServerEnd) -> datetime:
    """Return until when a server may be stopped at its end by itself; after that people are asked."""
    return end.ends_at + timedelta(seconds=END_TOLERANCE_SECONDS)


def drift(known: KnownServer, hostname: str, plan: str) -> str:
    """Return how a server is not as vpsops left it, for people; empty where it is."""
    if hostname.lower() != known.hostname.lower():
        return f"It is called {hostname} now, and was made as {known.hostname}."
    if plan and known.plan and plan.lower() not in {known.plan.lower(), *(name.lower() for name in known.made_plans)}:
        return f"Its plan is {plan} now, and was {known.plan}, without a change of vpsops."
    return ""


def later_look(now: datetime) -> datetime:
    """Return when a server at its end is looked at again."""
    return now + timedelta(seconds=END_LOOK_SECONDS)
