"""Which changes somebody wants to see: the open ones, somebody's own, those of one server; a page at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.changes import store
from core.changes.model import Change, State
from core.storage.rows import Batch
from core.storage.tables import CHANGES

MOST = 200


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
    where = [*_plain(wanted), *_after(connection, wanted.before)]
    if wanted.server:
        where.append(_named(connection, wanted.server, store.of_teams(wanted.teams)))
    return store.batch(connection, *where, limit=min(limit, MOST))


def count_by_state(connection: Connection, wanted: Wanted) -> Mapping[State, int]:
    """Return how many changes are in which state."""
    query = sa.select(CHANGES.c.state, sa.func.count()).where(*_plain(wanted)).group_by(CHANGES.c.state)
    known = {state.value for state in State}  # a newer version's state has no name here
    return {State(state): count for state, count in connection.execute(query).all() if state in known}


def _plain(wanted: Wanted) -> list[sa.ColumnElement[bool]]:
    where = [*store.of_teams(wanted.teams), *([CHANGES.c.lock.is_not(None)] if wanted.open_only else [])]
    if wanted.since is not None:
        where.append(CHANGES.c.updated_at >= wanted.since.timestamp())
    if wanted.human:
        human = sa.func.lower(CHANGES.c.actor["human"].as_string())
        where.append((CHANGES.c.actor_id == wanted.human) | (human == wanted.human.lower()))
    return where


def _after(connection: Connection, before: str) -> list[sa.ColumnElement[bool]]:
    created = connection.scalar(store.column(CHANGES.c.created_at, before)) if before else None
    if created is None:
        return []
    older = CHANGES.c.created_at < created
    return [older | ((CHANGES.c.created_at == created) & (CHANGES.c.id > before))]


def _named(connection: Connection, server: str, there: Sequence[sa.ColumnElement[bool]]) -> sa.ColumnElement[bool]:
    """By id or hostname in full or by its first label; only where there is none such, by the beginning of a name."""
    wanted = server.lower()
    hostname = sa.func.lower(CHANGES.c.target["hostname"].as_string())
    ident = sa.func.lower(CHANGES.c.target["id"].as_string())
    exact = (ident == wanted) | (hostname == wanted) | hostname.startswith(f"{wanted}.", autoescape=True)
    if connection.scalar(sa.select(CHANGES.c.id).where(exact, *there).limit(1)) is not None:
        return exact
    return hostname.startswith(wanted, autoescape=True)


def by_ids(connection: Connection, ids: Sequence[str], teams: frozenset[str]) -> list[Change]:
    """Return those of some changes that there are, for whoever sees the changes of these workspaces."""
    return store.select(connection, CHANGES.c.id.in_(ids), *store.of_teams(teams), limit=MOST) if ids else []
