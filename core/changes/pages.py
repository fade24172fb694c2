"""Pages of changes, newest first: filtered, by what somebody may see too, and stable while changes come and go."""

from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.changes import repository
from vpsops.core.changes.model import Change, State
from vpsops.core.storage.tables import CHANGES

SMALL = 20
BATCH = 200
MOST_ROWS = 2_000  # looked at for one page; the next begins where this one ended


@dataclass(frozen=True, slots=True)
class Place:
    """A change's place in the list, which no later change moves: when it was asked for, and its id."""

    at: float
    id: str


@dataclass(frozen=True, slots=True)
class Query:
    """Which changes: after a place in the list, in some states, about servers whose hostname or id has a text in it."""

    open_only: bool = False
    states: tuple[State, ...] = ()
    actor_id: str = ""
    server: str = ""
    after: Place | None = None
    limit: int = 20


@dataclass(frozen=True, slots=True)
class ChangePage:
    """Some changes, and the place to go on after; none where no more follow."""

    changes: tuple[Change, ...]
    next: Place | None = None
    unreadable: tuple[str, ...] = ()
    """Ids of changes on this page that this version cannot read."""


def place_of(change: Change) -> Place:
    """Return where a change is in the list."""
    return Place(change.created_at.timestamp(), change.id)


def page(connection: Connection, wanted: Query, visible: Callable[[Change], bool]) -> ChangePage:
    """Return a page of the changes that are wanted and visible; it may be short, even empty, where more follow."""
    found: list[Change] = []
    unreadable: list[str] = []
    after, rows, size = wanted.after, 0, min(max(wanted.limit + 1, SMALL), BATCH)
    while rows < MOST_ROWS:
        there = repository.batch(connection, *_where(wanted, after), limit=size)
        batch = there.rows
        unreadable += [row.id for row in there.unreadable]
        for change in batch:
            if len(found) == wanted.limit:
                return ChangePage(tuple(found), place_of(found[-1]) if found else after, tuple(unreadable))
            if visible(change) and _about(change, wanted.server):
                found.append(change)
        if len(batch) < size:
            return ChangePage(tuple(found), unreadable=tuple(unreadable))
        after, rows, size = place_of(batch[-1]), rows + size, BATCH
    return ChangePage(tuple(found), after, tuple(unreadable))


def _where(wanted: Query, after: Place | None) -> list[sa.ColumnElement[bool]]:
    where: list[sa.ColumnElement[bool]] = [CHANGES.c.lock.is_not(None)] if wanted.open_only else []
    if wanted.states:
        where.append(repository.in_states(*wanted.states))
    if wanted.actor_id:
        where.append(CHANGES.c.actor_id == wanted.actor_id)
    if after is not None:
        same = sa.and_(CHANGES.c.created_at == after.at, CHANGES.c.id > after.id)
        where.append(sa.or_(CHANGES.c.created_at < after.at, same))
    return where


def _about(change: Change, text: str) -> bool:
    wanted = text.lower()
    return wanted in change.target.hostname.lower() or (bool(change.target.id) and wanted == change.target.id.lower())
