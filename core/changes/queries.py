"""The one query for lists of changes: filters, a keyset cursor and a scope, for Slack, MCP and the terminal.

A server is matched by its id, its hostname or the first label of its hostname. If the scope shows no change of such a
server, the word is matched as the beginning of hostnames.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.changes import repository
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.scope import UNRESTRICTED, ChangePage, ChangePosition, ChangeQuery, Visibility, position_of
from vpsops.core.identity.actors import SLACK
from vpsops.core.storage.rows import UnreadableRow
from vpsops.core.storage.tables import CHANGES, OPEN_STATES, VOTES

MAX_CHANGES: Final = 200
BATCH_ROWS: Final = 200
FIRST_BATCH_ROWS: Final = 20
MAX_ROWS: Final = 2_000
"""Rows read for one page; the next page begins where this one ended."""
LAST: Final = "\U0010ffff"
"""Sorts after every character that a hostname can have."""

Conditions = Sequence[sa.ColumnElement[bool]]


def select_page(connection: Connection, query: ChangeQuery, visibility: Visibility) -> ChangePage:
    """Return a page of the visible changes that match; it may be short, or empty, although more pages follow."""
    ways: Conditions = ()
    servers = _of_server(connection, query.server, visibility) if query.server else ()
    for others in (*_alternatives(query), servers):
        ways = _combined(ways, others)
    page = _walk(connection, query, _conditions(query, visibility), ways, visibility)
    return page if visibility == UNRESTRICTED else replace(page, unreadable=())


def count_by_state(connection: Connection, query: ChangeQuery, visibility: Visibility) -> Mapping[State, int]:
    """Return how many changes are in which state; the server filter and visible servers are not applied."""
    conditions = _conditions(query, visibility)
    conditions += [sa.or_(*ways) for ways in _alternatives(query) if ways]
    counts = sa.select(CHANGES.c.state, sa.func.count()).where(*conditions).group_by(CHANGES.c.state)
    known = {state.value for state in State}  # a newer version's state has no name here
    return {State(state): count for state, count in connection.execute(counts).all() if state in known}


def select_scheduled(connection: Connection, visibility: Visibility) -> Sequence[Change]:
    """Return the visible changes that run later, the next one first: agreed to, or waiting for people."""
    waiting = repository.in_states(State.HELD, State.SCHEDULED) & CHANGES.c.run_at.is_not(None)
    query = sa.select(CHANGES.c.id).where(waiting, *repository.of_teams(visibility.teams))
    limit = MAX_ROWS if visibility.servers else MAX_CHANGES  # of those that run next, of which not all are visible
    ids = connection.scalars(query.order_by(CHANGES.c.run_at, CHANGES.c.id).limit(limit)).all()
    changes = repository.select(connection, CHANGES.c.id.in_(ids), limit=None) if ids else []
    visible = [change for change in changes if change.schedule is not None and visibility.shows(change.target)]
    return sorted(visible, key=_runs_at)[:MAX_CHANGES]


def _runs_at(change: Change) -> float:
    return change.schedule.run_at.timestamp() if change.schedule is not None else 0.0


def select_by_ids(connection: Connection, ids: Sequence[str], visibility: Visibility) -> Sequence[Change]:
    """Return the visible changes among `ids`."""
    if not ids:
        return []
    of_teams = repository.of_teams(visibility.teams)
    changes = repository.select(connection, CHANGES.c.id.in_(ids), *of_teams, limit=MAX_CHANGES)
    return [change for change in changes if visibility.shows(change.target)]


def _walk(
    connection: Connection, query: ChangeQuery, conditions: Conditions, ways: Conditions, visibility: Visibility
) -> ChangePage:
    changes: list[Change] = []
    unreadable: list[UnreadableRow] = []
    after, rows, size = query.after, 0, min(max(query.limit + 1, FIRST_BATCH_ROWS), BATCH_ROWS)
    while rows < MAX_ROWS:
        where = [*conditions, *_after(after)]
        batch = repository.batch(connection, *where, *_newest(ways, where, size), limit=size)
        unreadable += batch.unreadable
        for change in batch.rows:
            if len(changes) == query.limit:
                return ChangePage(tuple(changes), position_of(changes[-1]) if changes else after, tuple(unreadable))
            if visibility.shows(change.target):
                changes.append(change)
        if len(batch.rows) < size:
            return ChangePage(tuple(changes), unreadable=tuple(unreadable))
        after, rows, size = position_of(batch.rows[-1]), rows + size, BATCH_ROWS
    return ChangePage(tuple(changes), after, tuple(unreadable))


def _conditions(query: ChangeQuery, visibility: Visibility) -> list[sa.ColumnElement[bool]]:
    conditions = repository.of_teams(visibility.teams)
    if query.states:
        conditions.append(repository.in_states(*query.states))
    if query.operation:
        conditions.append(CHANGES.c.operation == query.operation)
    if query.since is not None:
        conditions.append(CHANGES.c.updated_at >= query.since.timestamp())
    if not query.server:  # a plan is there once; a member of it is, where people have to settle it
        conditions.append(CHANGES.c.plan.is_(None) | repository.in_states(State.NEEDS_PERSON))
    return conditions


def _after(position: ChangePosition | None) -> Conditions:
    if position is None:
        return []
    same_time = sa.and_(CHANGES.c.created_at == position.at, CHANGES.c.id > position.id)
    return [sa.or_(CHANGES.c.created_at < position.at, same_time)]


def _alternatives(query: ChangeQuery) -> Sequence[Conditions]:
    """Return the filters that several indexes serve; one of each filter's conditions must hold."""
    return (_open() if query.open_only else (), _of_person(query.person) if query.person else ())


def _open() -> Conditions:
    """Match changes that are not finished; one that is overdue no longer locks its server."""
    locks = CHANGES.c.lock.is_not(None)
    ended = CHANGES.c.state.in_([state.value for state in State if state.final])
    return [sa.and_(locks, ~ended), CHANGES.c.state.in_(OPEN_STATES)]


def _of_person(person: str) -> Conditions:
    return [CHANGES.c.actor_id == person, CHANGES.c.human == person.lower()]


def _of_server(connection: Connection, server: str, visibility: Visibility) -> Conditions:
    """Return the conditions for an exact match, or for a prefix match where the scope shows no exact match."""
    name = server.lower()
    exact = [CHANGES.c.server == name, CHANGES.c.hostname == name, _begins_with(f"{name}.")]
    return exact if _has_visible(connection, exact, visibility) else [_begins_with(name)]


def _has_visible(connection: Connection, ways: Conditions, visibility: Visibility) -> bool:
    of_teams = repository.of_teams(visibility.teams)
    if visibility.servers:
        return bool(_walk(connection, ChangeQuery(limit=1), of_teams, ways, visibility).changes)
    return any(connection.scalar(sa.select(CHANGES.c.id).where(way, *of_teams).limit(1)) for way in ways)


def _begins_with(text: str) -> sa.ColumnElement[bool]:
    """Match hostnames that begin with `text`, as a range, which both databases find by an index."""
    return sa.and_(CHANGES.c.hostname >= text, CHANGES.c.hostname < text + LAST)


def _combined(ways: Conditions, others: Conditions) -> Conditions:
    if not (ways and others):
        return ways or others
    return [sa.and_(way, other) for way in ways for other in others]


def _newest(ways: Conditions, where: Conditions, limit: int) -> Conditions:
    """Match the newest changes that one of several conditions finds, each by its own index.

    For conditions joined by OR a database reads and sorts every row that matches.
    """
    if not ways:
        return []
    each = [
        sa.select(CHANGES.c.id).where(way, *where).order_by(CHANGES.c.created_at.desc(), CHANGES.c.id).limit(limit)
        for way in ways
    ]
    return [CHANGES.c.id.in_(sa.union_all(*(sa.select(way.subquery().c.id) for way in each)))]


def account_names(connection: Connection, humans: Iterable[str]) -> Mapping[str, str]:
    """Return the names of Slack accounts (`slack:U…`) as their last change or vote has them; others are left out."""
    names: dict[str, str] = {}
    for human in {human for human in humans if human.startswith(SLACK)}:
        account = human.removeprefix(SLACK)
        own = sa.select(CHANGES.c.actor).where(CHANGES.c.actor_id == account).order_by(CHANGES.c.created_at.desc())
        cast = sa.select(VOTES.c.voter).where(VOTES.c.voter_id == account).order_by(VOTES.c.at.desc())
        actor = connection.scalar(own.limit(1)) or connection.scalar(cast.limit(1)) or {}
        name = actor.get("name") if isinstance(actor, Mapping) else None
        if isinstance(name, str) and name and name != account:
            names[human] = name
    return names
