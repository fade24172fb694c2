"""The rows of grants. Every function works inside the caller's transaction.

A transaction that writes a row of a grant and a record of the trail writes the row first, so that two of them never
wait for each other.
"""

from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.changes.serialization import origin_of, origin_values, ruling_of, ruling_values, target_of
from vpsops.core.common.errors import StaleChangeError
from vpsops.core.common.stored_values import mapping_of, moment, names_of, seconds, text_of
from vpsops.core.common.timings import CERTAIN_SECONDS
from vpsops.core.grants.model import Grant, GrantState, check_step
from vpsops.core.grants.topics import topic_of
from vpsops.core.identity.actors import Actor
from vpsops.core.identity.serialization import actor_of
from vpsops.core.storage import rows
from vpsops.core.storage.commit_notifier import touch
from vpsops.core.storage.leases import latest_beat
from vpsops.core.storage.tables import GRANTS

MOST_OPEN = 500
"""Open grants that are read at once."""


def insert(connection: Connection, grant: Grant) -> None:
    """Store a new grant; raises IntegrityError where its change opened one already."""
    connection.execute(
        sa.insert(GRANTS).values(
            id=grant.id,
            state=grant.state.value,
            source=grant.source,
            agent_id=grant.agent.id,
            agent=asdict(grant.agent),
            origin=origin_values(grant.origin),
            operation=grant.operation,
            arguments=dict(grant.arguments),
            target=asdict(grant.target),
            servers=list(grant.servers),
            states=list(grant.states),
            ruling=ruling_values(grant.ruling),
            uses=grant.uses,
            used=grant.used,
            opened_at=grant.opened_at.timestamp(),
            until=grant.until.timestamp(),
            ended_at=seconds(grant.ended_at),
            note=grant.note,
            opened_beat=grant.opened_beat,
        )
    )
    touch(connection, topic_of(grant.id))


def is_over(beat: float | None, now: datetime) -> sa.ColumnElement[bool]:
    """The condition that the time of a grant has passed; `Grant.date_by` says by which clocks."""
    passed = GRANTS.c.until <= now.timestamp()
    if beat is None:
        return passed
    since = beat - GRANTS.c.opened_beat - CERTAIN_SECONDS
    return passed | (GRANTS.c.opened_beat.is_not(None) & (GRANTS.c.opened_at + since >= GRANTS.c.until))


def take_use(connection: Connection, grant: Grant, now: datetime) -> Grant | None:
    """Count one more use, and return the grant with it; None where another process took the last one or it ended."""
    used = GRANTS.c.used + 1
    state = sa.case((used >= GRANTS.c.uses, GrantState.USED_UP.value), else_=GRANTS.c.state)
    free = (GRANTS.c.state == GrantState.OPEN.value) & (GRANTS.c.used < GRANTS.c.uses)
    over = is_over(latest_beat(connection), now)
    return _changed(connection, grant, free & ~over, used=used, state=state)


def end(connection: Connection, grant: Grant, after: GrantState, now: datetime, note: str) -> Grant:
    """End a grant; raises `StaleChangeError` where it has ended already."""
    ended: Grant | None = None
    if grant.state is GrantState.OPEN:
        check_step(grant.state, after)
        still = GRANTS.c.state == GrantState.OPEN.value
        ended = _changed(connection, grant, still, state=after.value, ended_at=now.timestamp(), note=note)
    if ended is None:
        raise StaleChangeError(f"{grant.id} has ended already.", hint="Nothing was done now.")
    return ended


def _changed(connection: Connection, grant: Grant, where: sa.ColumnElement[bool], **values: Any) -> Grant | None:
    statement = sa.update(GRANTS).where(GRANTS.c.id == grant.id, where).values(**values).returning(*GRANTS.c)
    row = connection.execute(statement).mappings().one_or_none()
    if row is None:
        return None
    touch(connection, topic_of(grant.id))
    return grant_of(row)


def select(connection: Connection, *where: sa.ColumnElement[bool], limit: int | None = MOST_OPEN) -> list[Grant]:
    """Return grants, the newest first; those that cannot be read here are left out, and let nothing through."""
    query = sa.select(GRANTS).where(*where).order_by(GRANTS.c.opened_at.desc(), GRANTS.c.id)
    return rows.read(connection, query, GRANTS.c.id, grant_of, limit).rows


def find(connection: Connection, grant_id: str) -> Grant | None:
    """Return a grant by its id."""
    return next(iter(select(connection, GRANTS.c.id == grant_id)), None)


def open_of(connection: Connection, operation: str, actor: Actor) -> list[Grant]:
    """Return the open grants of an operation for agents of one human, those of this very agent first."""
    is_open = GRANTS.c.state == GrantState.OPEN.value
    found_grants = select(connection, is_open, GRANTS.c.operation == operation)
    own = [grant for grant in found_grants if grant.agent.same_human(actor)]
    return sorted(own, key=lambda grant: (grant.agent.id != actor.id, grant.until))


def grant_of(row: sa.RowMapping) -> Grant:
    """Return the grant a row holds; raises `UnreadableValueError` and what else reading a foreign row raises."""
    opened, until = moment(row["opened_at"]), moment(row["until"])
    if opened is None or until is None:
        raise ValueError("a grant has no time")
    return Grant(
        id=text_of(row, "id"),
        state=GrantState(row["state"]),
        source=text_of(row, "source"),
        agent=actor_of(row["agent"]),
        origin=origin_of(row["origin"]),
        operation=text_of(row, "operation"),
        arguments=mapping_of(row, "arguments"),
        target=target_of(row["target"]),
        servers=names_of(row, "servers"),
        states=names_of(row, "states"),
        ruling=ruling_of(row["ruling"]),
        uses=row["uses"],
        used=row["used"],
        opened_at=opened,
        until=until,
        ended_at=moment(row["ended_at"]),
        note=text_of(row, "note"),
        opened_beat=row["opened_beat"],
    )
