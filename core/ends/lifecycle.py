"""The steps of a server's end, each with its record among those of the change that made the server, and its notice.

No record has the key `state`, which belongs to the change itself. What may be done at a moment is decided in `model`.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.audit import chain
from vpsops.core.changes.audit_entries import person
from vpsops.core.changes.model import Change, State
from vpsops.core.common.json_types import Json
from vpsops.core.common.text import bound, moment
from vpsops.core.ends import repository
from vpsops.core.ends.model import EndState, ServerEnd, later_look, next_look
from vpsops.core.identity.actors import Actor
from vpsops.core.messaging import outbox
from vpsops.core.operations.families.lifetimes import lifetime_seconds
from vpsops.core.operations.traits import makes_server
from vpsops.core.storage.tables import CHANGES

LIFETIME: Final = "lifetime"
"""The argument of a create that gives its server an end."""
NOTICES: Final = "end_"
OPENED: Final = "end_opened"
REMINDED: Final = "end_reminder"
STOPPING: Final = "end_stopping"
STOPPED: Final = "end_stopped"
ASKED: Final = "end_asked"
KEPT: Final = "end_kept"
GONE: Final = "end_gone"
MISSING: Final = "end_missing"
"""The events of an end; the turn and the time follow in those of notices, so that each is posted once."""
STOPS: Final = "stops_by"
"""Key of a record for the change that stops a server at its end."""
DELETES: Final = "deletes_by"
"""Key of a record for the change by which an end asks for the deletion of its server."""
WENT_BACK: Final = "The database went back or was restored, so what became of the server since is not known."
LONGEST_NOTE: Final = 400


def ends_by(change: Change) -> str:
    """Return the lifetime that a create gives its server, as it is stored; empty where it has none."""
    lifetime = change.arguments.get(LIFETIME) if makes_server(change.operation) else None
    return lifetime if isinstance(lifetime, str) else ""


def open_end(connection: Connection, change: Change, now: datetime) -> ServerEnd | None:
    """Open the end of the server that a create just made; nothing without one, or without a known server."""
    lifetime, server_id = ends_by(change), str(change.result.get("id") or "")
    if not lifetime or not server_id or change.state is not State.SUCCEEDED:
        return None
    if repository.find(connection, server_id) is not None:
        return None
    ends_at = now + timedelta(seconds=lifetime_seconds(lifetime))
    end = ServerEnd(
        server_id=server_id,
        version=1,
        state=EndState.OPEN,
        hostname=change.target.hostname,
        plan=change.target.plan,
        change_id=change.id,
        owner=replace(change.actor, groups=()),
        origin=change.origin,
        made_at=now,
        since=now,
        ends_at=ends_at,
        next_at=next_look(now, ends_at, now),
    )
    repository.insert(connection, end)
    _record(connection, end, OPENED, now, {"server": server_id, "ends_at": ends_at.timestamp()})
    return end


def opening_note(change: Change, result: Mapping[str, Json], now: datetime) -> str:
    """Return what a finished create says of its server's end, by its result; empty for one without."""
    lifetime = ends_by(change)
    if not lifetime:
        return ""
    if not result.get("id"):
        return no_end_note(change)
    ends_at = now + timedelta(seconds=lifetime_seconds(lifetime))
    return f"Its end is at {moment(ends_at)}: it is stopped then, unless it is kept."


def no_end_note(change: Change) -> str:
    """Return that a create was to give its server an end and did not, and what to write instead."""
    return (
        "The id of its server is not known, so it has no end, and nothing stops it by itself. Once it is there, write:"
        f" stop {change.target.hostname} in {ends_by(change)}."
    )


def tell_missing(connection: Connection, change: Change, now: datetime) -> None:
    """Record, and tell people, that a create succeeded without the end that it was to give its server."""
    if not ends_by(change) or change.result.get("id") or change.state is not State.SUCCEEDED:
        return
    chain.append(connection, now.timestamp(), MISSING, change.id, {"why": no_end_note(change)})
    outbox.put_notice(connection, change.id, MISSING, now)


def remind(connection: Connection, end: ServerEnd, now: datetime) -> ServerEnd:
    """Ask the owner whether the server is still wanted."""
    after = repository.alter(connection, end, next_at=next_look(end.since, end.ends_at, now))
    _record(connection, after, REMINDED, now, {})
    _notify(connection, after, f"{REMINDED}:{end.turn}:{int(end.next_at.timestamp() if end.next_at else 0)}", now)
    return after


def begin_stop(connection: Connection, end: ServerEnd, stop: Change, now: datetime) -> ServerEnd:
    """Note the change that stops the server, in the transaction that stores it."""
    after = repository.alter(connection, end, state=EndState.STOPPING, next_at=now, stop_id=stop.id)
    _record(connection, after, STOPPING, now, {STOPS: stop.id})
    return after


def note_stopped(connection: Connection, end: ServerEnd, note: str, now: datetime, deletion: str = "") -> ServerEnd:
    """Note that the server is stopped as its end asks, and the change that asks for its deletion, if one does."""
    after = repository.alter(
        connection,
        end,
        state=EndState.STOPPED,
        next_at=later_look(now),
        note=bound(note, LONGEST_NOTE),
        delete_id=deletion or end.delete_id,
    )
    asked = {DELETES: deletion} if deletion else {}
    _record(connection, after, STOPPED, now, {"why": after.note, **asked})
    _notify(connection, after, f"{STOPPED}:{end.turn}:{int(now.timestamp())}", now)
    return after


def ask(connection: Connection, end: ServerEnd, why: str, now: datetime) -> ServerEnd:
    """Leave the server as it is, and ask people what becomes of it."""
    after = repository.alter(
        connection, end, state=EndState.ASKED, next_at=later_look(now), note=bound(why, LONGEST_NOTE)
    )
    _record(connection, after, ASKED, now, {"why": after.note})
    _notify(connection, after, f"{ASKED}:{end.turn}:{int(now.timestamp())}", now)
    return after


def look_later(connection: Connection, end: ServerEnd, now: datetime) -> ServerEnd:
    """Leave an end as it is until the next look."""
    return repository.alter(connection, end, next_at=later_look(now))


def note_gone(connection: Connection, end: ServerEnd, now: datetime) -> ServerEnd:
    """Note that the server is there no more, which is the end of its end."""
    after = repository.alter(connection, end, state=EndState.GONE, next_at=None, note="The server is gone.")
    _record(connection, after, GONE, now, {"why": after.note})
    return after


def keep(connection: Connection, end: ServerEnd, ends_at: datetime, by: Actor, now: datetime) -> ServerEnd:
    """Give the server a later end; a stop that has not left is not sent."""
    after = repository.alter(
        connection,
        end,
        state=EndState.OPEN,
        since=now,
        ends_at=ends_at,
        next_at=next_look(now, ends_at, now),
        turn=end.turn + 1,
        stop_id="",
        delete_id="",
        note="",
    )
    body = {"by": person(by), "ends_at": ends_at.timestamp(), "before": end.ends_at.timestamp()}
    _record(connection, after, KEPT, now, body)
    _notify(connection, after, f"{KEPT}:{after.turn}:{int(now.timestamp())}", now)
    return after


def ask_about_all(connection: Connection, now: datetime) -> int:
    """Ask people about every end that would act by itself, as the store went back; return how many."""
    ends = repository.acting_ends(connection)
    for end in ends:
        after = repository.alter(connection, end, state=EndState.ASKED, next_at=later_look(now), note=WENT_BACK)
        _record(connection, after, ASKED, now, {"why": WENT_BACK})
        _notify(connection, after, f"{ASKED}:{end.turn}:{int(now.timestamp())}", now)
    return len(ends)


def change_state(connection: Connection, change_id: str) -> tuple[State, str] | None:
    """Return the state of a change of an end, and what is noted of it; None where it is gone."""
    query = sa.select(CHANGES.c.state, CHANGES.c.note).where(CHANGES.c.id == change_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else (State(row.state), str(row.note))


def _record(connection: Connection, end: ServerEnd, event: str, now: datetime, body: Mapping[str, Json]) -> None:
    about: dict[str, Any] = {"server": end.server_id, "turn": end.turn, **body}
    chain.append(connection, now.timestamp(), event, end.change_id, about)


def _notify(connection: Connection, end: ServerEnd, event: str, now: datetime) -> None:
    outbox.put_notice(connection, end.change_id, event, now)
