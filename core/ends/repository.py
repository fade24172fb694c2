"""The rows of servers' ends. Every function works inside the caller's transaction."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.changes.serialization import origin_of, origin_values
from vpsops.core.common.errors import StaleChangeError
from vpsops.core.common.stored_values import Row, moment, seconds, text_of
from vpsops.core.ends.model import EndState, ServerEnd, check_end_step
from vpsops.core.identity.serialization import actor_of
from vpsops.core.storage import rows
from vpsops.core.storage.rows import JsonText
from vpsops.core.storage.tables import SERVER_ENDS

MOST: Final = 500
"""Ends that are read at once."""


def insert(connection: Connection, end: ServerEnd) -> None:
    """Store a new end; raises IntegrityError where the server has an end."""
    connection.execute(sa.insert(SERVER_ENDS).values(**_values(end)))


def alter(connection: Connection, end: ServerEnd, **values: Any) -> ServerEnd:
    """Store an end with some of its fields changed; raises `StaleChangeError` where another caller moved it first."""
    after = replace(end, version=end.version + 1, **values)
    if after.state is not end.state:
        check_end_step(end.state, after.state)
    mine = sa.update(SERVER_ENDS).where(SERVER_ENDS.c.server_id == end.server_id, SERVER_ENDS.c.version == end.version)
    if not connection.execute(mine.values(**_values(after))).rowcount:
        raise StaleChangeError(f"The end of {end.hostname} has moved on.", hint="Look at its present state.")
    return after


def find(connection: Connection, server_id: str) -> ServerEnd | None:
    """Return the end of a server, if it has one that can be read."""
    return next(iter(_select(connection, SERVER_ENDS.c.server_id == server_id, limit=1)), None)


def of_change(connection: Connection, change_id: str) -> ServerEnd | None:
    """Return the end of the server that a change made, if any."""
    return next(iter(_select(connection, SERVER_ENDS.c.change_id == change_id, limit=1)), None)


def due(
    connection: Connection, now: datetime, limit: int, without: Collection[str] = frozenset()
) -> Sequence[ServerEnd]:
    """Return the ends to look at, the longest waiting first, but for those of some servers."""
    where = [SERVER_ENDS.c.next_at <= now.timestamp(), SERVER_ENDS.c.server_id.not_in(sorted(without))]
    return _select(connection, *where, limit=limit)


def has_due(connection: Connection, now: datetime) -> bool:
    """Return whether there is an end to look at."""
    query = sa.select(SERVER_ENDS.c.server_id).where(SERVER_ENDS.c.next_at <= now.timestamp()).limit(1)
    return connection.scalar(query) is not None


def open_ends(
    connection: Connection, teams: frozenset[str] = frozenset(), *, servers: Collection[str] | None = None
) -> Sequence[ServerEnd]:
    """Return the ends to come and those that people are asked about: of some workspaces, of some servers, or of all."""
    where = [SERVER_ENDS.c.state != EndState.GONE.value]
    if teams:
        where.append(JsonText(SERVER_ENDS.c.origin, "team").in_(sorted(teams)))
    if servers is not None:
        where.append(SERVER_ENDS.c.server_id.in_(sorted(servers)))
    return _select(connection, *where, limit=MOST, by=SERVER_ENDS.c.ends_at)


def acting_ends(connection: Connection) -> Sequence[ServerEnd]:
    """Return every end that would do something by itself, however many there are."""
    acting = SERVER_ENDS.c.state.in_([EndState.OPEN.value, EndState.STOPPING.value])
    return _select(connection, acting, limit=None, by=SERVER_ENDS.c.ends_at)


def counts(connection: Connection) -> dict[str, int]:
    """Return how many ends there are in each state but the last."""
    query = sa.select(SERVER_ENDS.c.state, sa.func.count()).where(SERVER_ENDS.c.state != EndState.GONE.value)
    return {str(state): int(count) for state, count in connection.execute(query.group_by(SERVER_ENDS.c.state))}


def _select(
    connection: Connection,
    *where: sa.ColumnElement[bool],
    limit: int | None,
    by: sa.Column[Any] = SERVER_ENDS.c.next_at,
) -> list[ServerEnd]:
    query = sa.select(SERVER_ENDS).where(*where).order_by(by, SERVER_ENDS.c.server_id)
    return rows.read(connection, query, SERVER_ENDS.c.server_id, end_of, limit).rows


def _values(end: ServerEnd) -> dict[str, Any]:
    moments = ("made_at", "since", "ends_at", "next_at")
    values = {name: getattr(end, name) for name in TEXTS} | {name: seconds(getattr(end, name)) for name in moments}
    return {
        **values,
        "version": end.version,
        "state": end.state.value,
        "owner": asdict(end.owner),
        "origin": origin_values(end.origin),
        "turn": end.turn,
    }


TEXTS: Final = ("server_id", "hostname", "plan", "change_id", "stop_id", "delete_id", "note")


def end_of(row: Row) -> ServerEnd:
    """Return the end that a row holds."""
    return ServerEnd(
        **{name: text_of(row, name) for name in TEXTS},
        version=row["version"],
        state=EndState(row["state"]),
        owner=actor_of(row["owner"]),
        origin=origin_of(row["origin"]),
        made_at=datetime.fromtimestamp(row["made_at"], UTC),
        since=datetime.fromtimestamp(row["since"], UTC),
        ends_at=datetime.fromtimestamp(row["ends_at"], UTC),
        next_at=moment(row["next_at"]),
        turn=row["turn"],
    )
