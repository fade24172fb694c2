"""The changes this process may claim: those with an operation and format it supports, the oldest first."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.changes import repository
from vpsops.core.changes.model import State
from vpsops.core.changes.serialization import FORMAT
from vpsops.core.operations import OPERATIONS
from vpsops.core.storage.capability import Capability, Need, capabilities
from vpsops.core.storage.tables import CHANGES

AFTER_HOLD: Final = (State.APPROVED, State.SENDING, State.WATCHING, State.UNKNOWN)


def own_capability() -> Capability:
    """Return the capability of this process: the registry's writing operations."""
    return Capability(FORMAT, frozenset(name for name, operation in OPERATIONS.items() if not operation.reads))


def runnable() -> sa.ColumnElement[bool]:
    """The condition that this version can run a change, or watch it."""
    own = own_capability()
    return CHANGES.c.operation.in_(sorted(own.operations)) & (CHANGES.c.format <= own.format)


def needs(connection: Connection, *states: State) -> frozenset[Need]:
    """Return the requirements of the changes in some states."""
    query = sa.select(CHANGES.c.operation, CHANGES.c.format).distinct()
    rows_read = connection.execute(query.where(CHANGES.c.state.in_([state.value for state in states])))
    return frozenset(Need(row.operation, row.format) for row in rows_read)


def is_outranked(connection: Connection, others: AbstractSet[str], states: Sequence[State]) -> bool:
    """Return whether another living process supports all that this one does, and some other waiting change too."""
    own = own_capability()
    beyond = {need for need in needs(connection, *states) if not own.covers(need)}
    if not beyond:
        return False
    known = capabilities(connection, set(others)).values()
    return any(item.includes(own) and any(item.covers(need) for need in beyond) for item in known)


def claim(connection: Connection, where: sa.ColumnElement[bool], owner: str, now: float, limit: int) -> list[str]:
    """Claim approved changes for a process and return their ids, the oldest first.

    Rows that another process is claiming at this moment are passed over (`SKIP LOCKED`), so that several processes
    share a backlog instead of queueing for its first row.
    """
    approved = (CHANGES.c.state == State.APPROVED.value) & runnable() & where
    oldest = sa.select(CHANGES.c.id).where(approved).order_by(CHANGES.c.created_at, CHANGES.c.id)
    taken: list[str] = []
    seen: set[str] = set()
    while len(taken) < limit:
        query = oldest.where(CHANGES.c.id.not_in(seen)).limit(limit - len(taken))
        ids = list(connection.scalars(query.with_for_update(skip_locked=True)))
        if not ids:
            break
        seen.update(ids)
        readable = {change.id for change in repository.select(connection, CHANGES.c.id.in_(ids), limit=None)}
        taken += [ident for ident in ids if ident in readable]
    if taken:
        values = {"owner": owner, "updated_at": now, "version": CHANGES.c.version + 1}
        connection.execute(sa.update(CHANGES).where(CHANGES.c.id.in_(taken)).values(**values))
    return taken
