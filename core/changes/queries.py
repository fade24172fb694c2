"""Which changes somebody wants to see: the open ones, somebody's own, those of one server; a page at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.changes import repository
from vpsops.core.changes.model import Change, State
from vpsops.core.storage.rows import Batch
from vpsops.core.storage.tables import CHANGES

MOST = 200
LAST = "\U0010ffff"
"""Comes after any character that a hostname can have."""

Ways = Sequence[sa.ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to list; what is empty does not matter. `before` is the id of the last change on the page before."""

    open_only: bool = False
    human: str = ""
    """Somebody's id: their own changes, and those that agents asked for on their behalf."""
    server: str = ""
    since: datetime | None = None
    """Changes that moved at this time or later."""
    teams: frozenset[str] = frozenset()
    """The workspaces whose changes may be seen; empty for all."""
    before: str = ""


def find(connection: Connection, wanted: Wanted, limit: int) -> list[Change]:
    """Return a page of changes, newest first; one that begins after an unknown change is the first page."""
    return batch(connection, wanted, limit).rows


def batch(connection: Connection, wanted: Wanted, limit: int) -> Batch[Change]:
    """Return a page of changes, and what of it cannot be read by this version."""
    where, size = [*_plain(wanted), *_after(connection, wanted.before)], min(limit, MOST)
    if wanted.human:
        where.append(_newest(_mine(wanted.human), where, size))
    if wanted.server:
        named = _named(connection, wanted.server, repository.of_teams(wanted.teams))
        where.append(_newest(named, where, size))
    return repository.batch(connection, *where, limit=size)


def _newest(ways: Ways, where: Ways, limit: int) -> sa.ColumnElement[bool]:
    """The condition that a change is among the newest by one of some ways to find it, each with an index of its own.

    Of several conditions joined by OR a database would read and sort all that match.
    """
    each = [
        sa.select(CHANGES.c.id).where(way, *where).order_by(CHANGES.c.created_at.desc(), CHANGES.c.id).limit(limit)
        for way in ways
    ]
    return CHANGES.c.id.in_(sa.union_all(*(sa.select(one.subquery().c.id) for one in each)))


def count_by_state(connection: Connection, wanted: Wanted) -> Mapping[State, int]:
    """Return how many changes are in which state."""
    where = [*_plain(wanted), *([sa.or_(*_mine(wanted.human))] if wanted.human else [])]
    query = sa.select(CHANGES.c.state, sa.func.count()).where(*where).group_by(CHANGES.c.state)
    known = {state.value for state in State}  # a newer version's state has no name here
    return {State(state): count for state, count in connection.execute(query).all() if state in known}


def _plain(wanted: Wanted) -> list[sa.ColumnElement[bool]]:
    where = [*repository.of_teams(wanted.teams), *([CHANGES.c.lock.is_not(None)] if wanted.open_only else [])]
    if wanted.since is not None:
        where.append(CHANGES.c.updated_at >= wanted.since.timestamp())
    return where


def _mine(human: str) -> Ways:
    """Somebody's changes: their own, and those that agents asked for on their behalf."""
    return [CHANGES.c.actor_id == human, CHANGES.c.human == human.lower()]


def _after(connection: Connection, before: str) -> list[sa.ColumnElement[bool]]:
    created = connection.scalar(repository.column(CHANGES.c.created_at, before)) if before else None
    if created is None:
        return []
    older = CHANGES.c.created_at < created
    return [older | ((CHANGES.c.created_at == created) & (CHANGES.c.id > before))]


def _named(connection: Connection, server: str, there: Ways) -> Ways:
    """By id or hostname in full or by its first label; only where there is none such, by the beginning of a name."""
    wanted = server.lower()
    exact = [CHANGES.c.server == wanted, CHANGES.c.hostname == wanted, _begins(f"{wanted}.")]
    found = any(connection.scalar(sa.select(CHANGES.c.id).where(way, *there).limit(1)) for way in exact)
    return exact if found else [_begins(wanted)]


def _begins(text: str) -> sa.ColumnElement[bool]:
    """The condition that a hostname begins with some text, as a range, which an index has on either database."""
    return sa.and_(CHANGES.c.hostname >= text, CHANGES.c.hostname < text + LAST)


def by_ids(connection: Connection, ids: Sequence[str], teams: frozenset[str]) -> list[Change]:
    """Return those of some changes that there are, for whoever sees the changes of these workspaces."""
    return repository.select(connection, CHANGES.c.id.in_(ids), *repository.of_teams(teams), limit=MOST) if ids else []
