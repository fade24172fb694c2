"""Scheduled changes whose time has come: decided again, started where their server is free, or ended.

Each step is one transaction with compare-and-set, so that two processes start nothing twice. A module of its own, as
it is decided here what the reconciler, which reads the table and keeps the pace, carries out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.authorization.recheck import Recheck
from vpsops.core.changes import repository
from vpsops.core.changes.labels import phase_label
from vpsops.core.changes.model import MISSED, Change, State
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import UnreadableRowError
from vpsops.core.common.timings import DATE_SLACK_SECONDS
from vpsops.core.messaging import outbox
from vpsops.core.schedule.model import CLOCK_TIME, DueAction, due_action
from vpsops.core.storage.tables import CHANGES

FIRST: Final = (0.0, "")
"""Before the first time and id of all."""
CONFLICT: Final = "schedule_conflict"
NO_PROCESS: Final = "No process of vpsops that could send it was running in that time."


def is_near(now: datetime) -> sa.ColumnElement[bool]:
    """The condition that a change is scheduled and its time may have come."""
    scheduled = CHANGES.c.state == State.SCHEDULED.value
    return scheduled & (CHANGES.c.run_at <= now.timestamp() + DATE_SLACK_SECONDS)


@dataclass(slots=True)
class DueTurns:
    """The part of the scheduled changes that comes next, in the order of their times, where a round cannot take all.

    So those that wait for their servers are passed over, until all others had their turn.
    """

    _after: tuple[float, str] = FIRST

    @property
    def is_next(self) -> sa.ColumnElement[bool]:
        """The condition that a scheduled change comes after those of the last round."""
        run_at, ident = self._after
        return (CHANGES.c.run_at > run_at) | ((CHANGES.c.run_at == run_at) & (CHANGES.c.id > ident))

    def note(self, taken: Sequence[Change], most: int) -> None:
        """Remember what a round took, of `most` at a time; after the last of all it begins again."""
        schedule = taken[-1].schedule if len(taken) >= most else None
        self._after = FIRST if schedule is None else (schedule.run_at.timestamp(), taken[-1].id)


@dataclass(frozen=True, slots=True)
class DueChanges:
    """Settles scheduled changes by the policy in force; `believed` is the date that `SteadyDate` believes."""

    recheck: Recheck
    believed: datetime

    def settle(self, connection: Connection, change: Change, clock: Clock) -> Change:
        """Start, end or leave a scheduled change; return it as it is then."""
        now, schedule = clock.now(), change.schedule
        if change.state is not State.SCHEDULED or schedule is None:
            return change
        match due_action(schedule, now, self.believed):
            case DueAction.WAIT:
                return change
            case DueAction.EXPIRE:
                return expire_missed(connection, change, now)
            case DueAction.START:
                return self._start(connection, change, now)

    def _start(self, connection: Connection, change: Change, now: datetime) -> Change:
        """Approve a change as its time comes; a process with another policy than the one in force leaves it."""
        if not self.recheck.policy.agrees(connection):
            return change
        note = self.recheck.at_its_time(connection, change, now)
        if note:
            outbox.put_notice(connection, change.id, State.SUPERSEDED.value, now)
            body = {"why": note}
            return repository.step(connection, change, State.SUPERSEDED, now, event="superseded", body=body, note=note)
        try:
            first = repository.by_lock(connection, change.target.key)
        except UnreadableRowError:
            return _wait_behind(connection, change, None, now)
        if first is not None:
            return _wait_behind(connection, change, first, now)
        return repository.step(connection, change, State.APPROVED, now, event="due", note="")


def expire_missed(connection: Connection, change: Change, now: datetime) -> Change:
    """End a change that was agreed to and not sent in its time."""
    until = f" at {change.schedule.run_until:{CLOCK_TIME}}" if change.schedule is not None else ""
    note = f"Nothing was sent: its time ended{until}. {change.note or NO_PROCESS}"
    result = {**change.result, MISSED: True}
    outbox.put_notice(connection, change.id, State.EXPIRED.value, now)
    body = {"why": note}
    return repository.step(connection, change, State.EXPIRED, now, event="expired", body=body, note=note, result=result)


def _wait_behind(connection: Connection, change: Change, first: Change | None, now: datetime) -> Change:
    """Leave a change until its server is free, and say so once for each change that is first."""
    shown = first is not None and first.origin.team == change.origin.team
    named = f"{first.id} ({phase_label(first).label})" if first is not None and shown else "another change"
    note = f"Its time has come, and {named} has the server. It starts once the server is free, or expires in time."
    if change.note == note:
        return change
    outbox.put_notice(connection, change.id, CONFLICT, now)
    return repository.amend(connection, change, now, event=CONFLICT, body={"why": note}, note=note)
