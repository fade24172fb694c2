"""Changes deferred at the provider's request: approved, nothing sent, until that time or until the approval lapses.

An approval counts for as long as its request may be open, and for a quarter of an hour at least: a server must not be
stopped hours after the approval. A change with a longer requested wait ends at once.
"""

import math
from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.authorization.hold_offs import HoldOff, hold_off
from vpsops.core.changes import repository
from vpsops.core.changes.model import REFUSAL, Change, Refusal, State
from vpsops.core.common.timings import HOLD_OFF_LONGEST_SECONDS, Timing
from vpsops.core.ends import repository as ends
from vpsops.core.ends.model import stops_until
from vpsops.core.execution.notes import DOUBTED_CREATE, END_PASSED, LAPSED, UNVERIFIED, not_sent
from vpsops.core.messaging import outbox
from vpsops.core.operations.traits import makes_server
from vpsops.core.plans.model import is_stopping, stop_words
from vpsops.core.plans.repository import schedule_of
from vpsops.core.schedule.model import check_in_time
from vpsops.core.storage.tables import AUDIT, CHANGES
from vpsops.core.wayscloud.answers.errors import ProviderRefusedError, RateLimitedError
from vpsops.core.wayscloud.requests.answer_errors import may_follow_effect

YES_EVENTS: Final = ("requested", "confirmed", "approved")
MINUTE: Final = 60
UNASKED_GAPS: Final = 20
"""The wait after a 429 without a time, in gaps between writes."""
WAITS: Final = "the provider asks to wait until {until} with {what}"


class LapsedError(Exception):
    """The approval of a change is too old to send it; the text, for users, gives the reason."""


def is_due(now: float) -> sa.ColumnElement[bool]:
    """The condition that a change need not wait for the provider; a wish far ahead is from before a date was set."""
    column = CHANGES.c.not_before
    return column.is_(None) | ~column.between(now, now + HOLD_OFF_LONGEST_SECONDS)


def lapse(connection: Connection, change: Change, timing: Timing) -> float:
    """Return until when a change's approval counts, in UTC seconds: one with a schedule until that ends.

    That of a plan's member ends with the plan's window at the latest, and that of a stop at a server's end with the
    time in which the server may be stopped by itself.
    """
    if change.schedule is not None:
        return change.schedule.run_until.timestamp()
    records = sa.select(sa.func.max(AUDIT.c.at)).where(AUDIT.c.change_id == change.id, AUDIT.c.event.in_(YES_EVENTS))
    decided_at = connection.scalar(records) or change.created_at.timestamp()
    open_for = (change.expires_at - change.created_at).total_seconds() if change.expires_at else timing.confirm_seconds
    until = decided_at + max(open_for, timing.late_limit)
    window = schedule_of(connection, change)
    limits = [] if window is None else [window.run_until]
    if change.ruling.end:
        end = ends.find(connection, change.target.id)
        limits.append(stops_until(end) if end is not None else change.created_at)
    return min([until, *(limit.timestamp() for limit in limits)])


def check_not_over(connection: Connection, change: Change, now: datetime) -> None:
    """Raise `MissedError` where the time of a change is over, and `LapsedError` where its plan was stopped.

    The time of a stop at a server's end is over with that in which the server may be stopped by itself.
    """
    check_in_time(schedule_of(connection, change), now)
    if change.ruling.end:
        end = ends.find(connection, change.target.id)
        if end is None or now > stops_until(end):
            raise LapsedError(END_PASSED)
    plan = repository.load(connection, change.plan) if change.plan else None
    if plan is not None and is_stopping(plan):
        raise LapsedError(f"Its plan was stopped by {stop_words(plan)}.")


def check_lapse(connection: Connection, change: Change, now: datetime, timing: Timing) -> None:
    """Raise `LapsedError` where a change's approval does not count any more, and `MissedError` after its schedule."""
    check_not_over(connection, change, now)
    if now.timestamp() > lapse(connection, change, timing):
        raise LapsedError(LAPSED)


def defer(connection: Connection, change: Change, wish: HoldOff, now: datetime, timing: Timing) -> Change:
    """Let an approved change wait, or end it where its approval lapses first; with a note for people either way."""
    until = lapse(connection, change, timing)
    body = {"until": datetime.fromtimestamp(wish.until, UTC).isoformat(timespec="seconds"), "scope": wish.scope}
    asked = WAITS.format(until=clock_time(wish.until, now), what=wish.what)
    if wish.until <= until:
        note = _waiting(change, asked)
        values = {"note": note, "not_before": wish.until, "owner": None}
        return repository.amend(connection, change, now, event="deferred", body=body, **values)
    note = not_sent(change, f": {asked}, and the yes to it counts until {clock_time(until, now)}. Ask again then.")
    outbox.put_notice(connection, change.id, State.FAILED.value, now)
    return repository.step(
        connection, change, State.FAILED, now, event="not_sent", body=body | {"why": note}, note=note
    )


def doubt(connection: Connection, change: Change, error: ProviderRefusedError, now: datetime, timing: Timing) -> Change:
    """Have polls verify a refusal by the provider, and keep to the wait that it asks for."""
    again = error.again and change.sends < timing.sends
    if isinstance(error, RateLimitedError):
        seconds = error.retry_after or timing.write_gap * UNASKED_GAPS
        wish = hold_off(connection, change, now.timestamp(), seconds)
        again = again and wish.until <= lapse(connection, change, timing)
    doubtful = not error.again and may_follow_effect(error)
    result = {**change.result, REFUSAL: Refusal(error.message, again, doubtful).stored}
    text = DOUBTED_CREATE if doubtful and makes_server(change.operation) else UNVERIFIED
    note = text.format(message=error.message, minutes=round(timing.create_lookup / MINUTE))
    body = {"why": error.message, "answer": error.status}
    return repository.step(
        connection, change, State.UNKNOWN, now, event="outcome_unknown", body=body, note=note, result=result
    )


def _waiting(change: Change, asked: str) -> str:
    again = " again" if change.sends else ""
    return not_sent(change, f" yet: {asked}. It is sent{again} then, unless it is cancelled.")


def clock_time(moment: float, now: datetime) -> str:
    """Format a moment that is near, rounded up: to the minute, or to the second within the next two minutes."""
    unit = MINUTE if moment - now.timestamp() > 2 * MINUTE else 1
    rounded = datetime.fromtimestamp(math.ceil(moment / unit) * unit, UTC)
    return f"{rounded:%H:%M} UTC" if unit == MINUTE else f"{rounded:%H:%M:%S} UTC"
